"""What the HTTP side needs from the rest of the program, handed over by who wires it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

from server.auth.api_keys import ApiKeys
from server.auth.development import DevelopmentIssuer
from server.auth.origins import Origins
from server.auth.rate_limits import RateLimits
from server.auth.sealing import Keyring
from server.auth.sessions import Sessions
from server.auth.signing_in import SigningIn
from server.auth.tickets import Tickets
from server.ledger.checks import LedgerChecks
from server.ledger.contributing import Contributing
from server.ledger.payments.payments import Payments
from server.ledger.payments.sandbox import Sandbox
from server.ledger.reversal_requests import Reversals
from server.storage.postgres import Postgres
from server.storage.redis import Redis


class ModelState(StrEnum):
    """How the model is, in the words of the API and the pages."""

    READY = "ready"
    WARMING = "warming"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The model that answers.

    Attributes:
        name: as people know it, such as ``smollm2-135m``.
        state: warming: it has not answered so far, chats wait.
        demo: whether it is there to show the program (small or scripted), which pages say.
    """

    name: str
    state: ModelState
    demo: bool


@dataclass(frozen=True, slots=True)
class ReadyPart:
    """One thing that readiness speaks of.

    Attributes:
        name: such as ``postgres``.
        ready: whether it works.
        gating: whether the node is not ready without it; trouble of the others is only told.
        note: a few words for people; None when there is nothing to say.
    """

    name: str
    ready: bool
    gating: bool = True
    note: str | None = None


Readiness = Callable[[], Awaitable[Sequence[ReadyPart]]]
"""Asks every part, within its own time limits."""


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """What the HTTP side needs.

    Attributes:
        postgres: for channels and chats; every figure that is shown comes from it.
        redis: for codes that live a minute.
        sessions: who holds a token.
        keys: who holds an API key.
        tickets: for those who open a socket without a cookie.
        reversals: takes money back for an admin.
        ledger_checks: for an admin who wants to know.
        limits: how often anybody may ask.
        is_https_only: whether browsers are told to come back by https alone.
        origins: our own; they also decide the cookie's name.
        contributing: takes contributions.
        payments: who takes money, and where its news goes.
        sandbox: whose checkout page there is; None: there is none.
        erase_chats: erases the chats of a user who was deleted.
        readiness: what `/readyz` answers from.
        model_status: the model as it is now; called for each page, so it must not wait.
        signing_in: leads people to providers.
        keyring: seals what browsers keep for us; the same on all nodes.
        development_issuer: the provider of our own for development; None: there is none.
        cursor_secret: signs list cursors; the same on all nodes, at least 16 bytes.
        websocket_document: the AsyncAPI document of the websocket beside it.
        templates_path: the folder of the page templates.
        static_path: the folder below `/static`.
    """

    postgres: Postgres
    redis: Redis
    sessions: Sessions
    keys: ApiKeys
    tickets: Tickets
    reversals: Reversals
    ledger_checks: LedgerChecks
    limits: RateLimits
    is_https_only: bool
    origins: Origins
    contributing: Contributing
    payments: Payments
    sandbox: Sandbox | None
    erase_chats: Callable[[UUID], Awaitable[int]]
    readiness: Readiness
    model_status: Callable[[], ModelStatus]
    signing_in: SigningIn
    keyring: Keyring
    development_issuer: DevelopmentIssuer | None
    cursor_secret: bytes
    websocket_document: dict[str, Any]
    templates_path: Path
    static_path: Path
