"""Pages from the Jinja2 templates: everything escaped, a name that a template misspells is an error."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from server.api.prose import anchor_of, phrase, prose
from server.api.session_status import SessionStatus
from server.api.static_files import Assets
from server.domain.pictures import initials_of, pattern_of

PAGE_CACHE: Final = "private, no-cache"
"""A page shows balances and whose session it is: asked for again each time, kept by no proxy."""
USER_CACHE: Final = "no-store"
"""One with a name on it is not kept at all: whoever goes back after a sign-out is to find nothing of it."""


class Rendering:
    """Renders the templates of one folder."""

    def __init__(self, templates_path: Path, assets: Assets, *, can_sign_in: bool = False) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(templates_path), autoescape=True, undefined=StrictUndefined, auto_reload=False
        )
        self._templates.globals["asset"] = assets.url
        self._templates.globals["can_sign_in"] = can_sign_in
        self._templates.globals.update(initials_of=initials_of, pattern_of=pattern_of)
        self._templates.filters.update(prose=prose, phrase=phrase, anchor=anchor_of)

    def page(
        self,
        template: str,
        context: dict[str, Any],
        session: SessionStatus,
        *,
        status: int = 200,
        notice: str | None = None,
        here: str = "/",
    ) -> HTMLResponse:
        """Render a page.

        Args:
            template: its file.
            context: what it shows.
            session: who is signed in; where that is not known the bar says nothing until the page has asked.
            status: of the answer.
            notice: a sentence below the bar; None: there is nothing to say.
            here: the page's own address, where signing in leads back to.
        """
        html = self._templates.get_template(template).render(session=session, notice=notice, here=here, **context)
        return HTMLResponse(html, status, {"cache-control": USER_CACHE if session.whose else PAGE_CACHE})
