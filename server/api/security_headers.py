"""The security headers of every HTTP answer; an answer that sets one itself keeps its own.

A handshake of the websocket that is refused is such an answer; one that is accepted has no page and its frames have no
headers.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "content-security-policy"
OPENER: Final = "cross-origin-opener-policy"
OPENED: Final = "unsafe-none"
"""For the pages of a window that another site's page has opened to sign in, and waits for."""

SELF: Final = "'self'"
NOBODY: Final = "'none'"
HSTS: Final = {"strict-transport-security": "max-age=31536000"}
"""A year (RFC 6797); not for subdomains, which may be somebody else's."""

UNUSED_FEATURES: Final = ("camera", "display-capture", "geolocation", "hid", "microphone", "midi", "serial", "usb")


def content_security_policy(frame_ancestors: Iterable[str] = ()) -> str:
    """The policy of a page: nothing inline, nothing from elsewhere, no text that becomes markup.

    Forms lead to our own pages only, redirects included: to a checkout or a sign-in elsewhere a page of ours leads on.

    Args:
        frame_ancestors: origins whose pages may show this one in a frame; none: nobody may.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {SELF}",
            f"style-src {SELF}",
            f"img-src {SELF} data:",
            f"font-src {SELF}",
            f"connect-src {SELF}",
            "base-uri 'none'",
            f"form-action {SELF}",
            f"frame-ancestors {' '.join(frame_ancestors) or NOBODY}",
            "object-src 'none'",
            "require-trusted-types-for 'script'",
        )
    )


HEADERS: Final = {
    POLICY: content_security_policy(),
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    OPENER: "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in UNUSED_FEATURES),
}
ANSWERS: Final = ("http.response.start", "websocket.http.response.start")
MORE_HEADERS: Final = "tallylight.more_headers"
"""Where a request's scope keeps headers that its answer has, whoever gives it."""
DEFAULTS: Final = {"cache-control": "no-store"}
"""What an answer has that says nothing about it."""


class SecurityHeaders:
    """The middleware; it stands outside everything that can answer."""

    def __init__(self, app: ASGIApp, more: Mapping[str, str] | None = None) -> None:
        """Stand in front of an application.

        Args:
            app: it.
            more: headers of this server beside those of every one; None: none.
        """
        self._app = app
        self._headers = {**HEADERS, **DEFAULTS, **(more or {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add to the head of the answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ANSWERS:
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                more: Mapping[str, str] = scope.get(MORE_HEADERS, {})
                for name, value in more.items():
                    headers.append(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
