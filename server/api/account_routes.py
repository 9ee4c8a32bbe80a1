"""The routes of one's own account."""

from dataclasses import dataclass

from starlette.routing import BaseRoute, Route

from server.api.keys import KeyEndpoints
from server.api.sessions import SessionEndpoints


@dataclass(frozen=True, slots=True)
class AccountEndpoints:
    """What these routes lead to; for the document, the classes themselves."""

    sessions: SessionEndpoints
    keys: KeyEndpoints


def account_routes(account: AccountEndpoints) -> list[BaseRoute]:
    """Every address of them."""
    sessions, keys = account.sessions, account.keys
    return [
        Route("/signout", sessions.sign_out, methods=["POST"]),
        Route("/me/sessions", sessions.sessions_page),
        Route("/me/sessions", sessions.end_on_page, methods=["POST"]),
        Route("/api/me/sessions", sessions.list_sessions),
        Route("/api/me/sessions", sessions.end_other_sessions, methods=["DELETE"]),
        Route("/api/me/sessions/{id}", sessions.end_session, methods=["DELETE"]),
        Route("/me/keys", keys.keys_page),
        Route("/me/keys", keys.make_on_page, methods=["POST"]),
        Route("/me/keys/revoke", keys.revoke_on_page, methods=["POST"]),
        Route("/api/me/keys", keys.list_keys),
        Route("/api/me/keys", keys.create_key, methods=["POST"]),
        Route("/api/me/keys/{id}", keys.revoke_key, methods=["DELETE"]),
    ]
