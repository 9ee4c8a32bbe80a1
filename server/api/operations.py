"""What a route takes and answers, said beside the code that does it; the OpenAPI document is made from this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from server.domain.errors import Code
from server.domain.rates import Action
from server.domain.scopes import Scope

EVERYWHERE: Final = (Code.BAD_REQUEST, Code.TOO_LARGE, Code.RATE_LIMITED, Code.INTERNAL)
"""What any route may refuse: a length that is no number, a body that is too large, too many requests, and our own
mistakes."""

REPEATED: Final = (Code.BUSY, Code.CONFLICT, Code.UNAVAILABLE)
"""What a route with an `Idempotency-Key` may refuse: see `idempotency.py`."""

JSON: Final = "application/json"
HTML: Final = "text/html"
CSV: Final = "text/csv"
ANY: Final = "*/*"

PAGES: Final = "Pages"
"""The heading of what answers people: its refusals are pages for whoever accepts one."""


class Access(StrEnum):
    """Who may use a route. `access.py` checks it, and tests try every route with everybody."""

    ANYBODY = "anybody"
    OWN_PAGE = "own page"
    """Anybody, from one of our own pages; no key."""

    EMBED = "embed"
    """A key, anybody from one of our own pages, or from a page of a site that some channel lists."""

    SIGNED = "signed"
    """Nobody that is known: what is sent is signed."""

    CALLER = "caller"
    """A visitor, a user or a key."""

    PERSON = "person"
    """A visitor or a user; no key."""

    USER = "user"
    """A person who is signed in; no key."""

    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no refusal.

    Attributes:
        text: what it says; the description of its shape where there is one.
        shape: the Struct it is written from; None: something else than JSON, or a document with rules of its own.
        media_type: None: it has no body.
    """

    text: str = ""
    shape: type[msgspec.Struct] | None = None
    media_type: str | None = JSON


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    Attributes:
        tag: the heading it stands under.
        answers: by status.
        path: the Struct that says what the names in the path are; None: there are none.
        query: the Struct that the query string is read with; None: it is not read.
        body: the Struct that the JSON body is read with; None: no body is read.
        refusals: codes of its problems, beside those that any route has.
        is_personal: whether it needs a session or an API key.
        begins_session: whether a caller without one gets one.
        is_repeatable: whether it needs an `Idempotency-Key`.
        access: who may use it; None: whoever has a session or a key where it is personal, else anybody, who for a
            change has to come from one of our own pages.
        shows_own: whether its page shows what is the caller's, and no browser is to keep it; so is what is not for
            anybody.
        scope: what a key needs; None: to read for what changes nothing, to chat for the rest, that of an admin for what
            only admins may do.
        counts_as: how often it may be asked, see `domain/rates.py`; None: as any other read or write.
    """

    tag: str
    answers: Mapping[int, Answer]
    path: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    refusals: tuple[Code, ...] = ()
    is_personal: bool = False
    begins_session: bool = False
    is_repeatable: bool = False
    access: Access | None = None
    shows_own: bool = False
    scope: Scope | None = None
    counts_as: Action | None = None

    @property
    def codes(self) -> list[Code]:
        """Every code of its problems, in the order of the codes."""
        refusals = {*EVERYWHERE, *self.refusals, *([Code.UNAUTHORIZED] if self.is_personal else [])}
        refusals |= set(REPEATED) if self.is_repeatable else set()
        return [code for code in Code if code in refusals]

    @property
    def taken(self) -> list[type[msgspec.Struct]]:
        """Every Struct of its parameters."""
        return [shape for shape in (self.path, self.query) if shape is not None]

    @property
    def shapes(self) -> list[type[msgspec.Struct]]:
        """Every Struct of its body and its answers."""
        shapes = [self.body, *(answer.shape for answer in self.answers.values())]
        return [shape for shape in shapes if shape is not None]


Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def described(operation: Operation) -> Callable[[Endpoint], Endpoint]:
    """Say what an endpoint takes and answers; its docstring says what it is for."""

    def mark(endpoint: Endpoint) -> Endpoint:
        vars(endpoint)["operation"] = operation
        return endpoint

    return mark


def operation_of(endpoint: object) -> Operation:
    """What this endpoint takes and answers.

    Raises:
        LookupError: it does not say.
    """
    operation: Operation | None = getattr(endpoint, "operation", None)
    if operation is None:
        raise LookupError(f"{endpoint} does not say what it answers")
    return operation
