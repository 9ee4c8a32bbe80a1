"""The routes of one's own account."""

from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Route

from server.api.account_deletion import DeletionEndpoints
from server.api.export import ExportEndpoints
from server.api.keys import KeyEndpoints
from server.api.me import MeEndpoints
from server.api.sessions import SessionEndpoints
from server.api.settings_pages import SettingsPageEndpoints
from server.api.users import UserEndpoints


@dataclass(frozen=True, slots=True)
class AccountEndpoints:
    """What these routes lead to."""

    deletion: DeletionEndpoints
    export: ExportEndpoints
    me: MeEndpoints
    sessions: SessionEndpoints
    keys: KeyEndpoints
    settings: SettingsPageEndpoints
    users: UserEndpoints


def account_routes(account: AccountEndpoints) -> list[BaseRoute]:
    """Every address of them."""
    me, sessions, settings, users = account.me, account.sessions, account.settings, account.users
    keys = account.keys
    return [
        Route("/welcome", settings.welcome),
        Route("/welcome", settings.choose_username, methods=["POST"]),
        Route("/me/settings", settings.settings),
        Route("/me/settings", settings.save_settings, methods=["POST"]),
        Route("/u/{username}", users.user_page),
        Route("/api/users/{username}", users.get_user),
        Route("/api/usernames/{name}", me.check_username),
        Route("/me/delete", account.deletion.deletion_page),
        Route("/me/delete", account.deletion.delete_on_page, methods=["POST"]),
        Route("/api/me", account.deletion.delete_me, methods=["DELETE"]),
        Route("/api/me/export", account.export.export_me),
        Route("/api/me", me.get_me),
        Route("/api/me", me.change_me, methods=["PATCH"]),
        Route("/session", sessions.session),
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


def described_account() -> AccountEndpoints:
    """The classes in the place of their instances, for the document."""
    classes: dict[str, Any] = {
        "deletion": DeletionEndpoints,
        "export": ExportEndpoints,
        "keys": KeyEndpoints,
        "me": MeEndpoints,
        "sessions": SessionEndpoints,
        "settings": SettingsPageEndpoints,
        "users": UserEndpoints,
    }
    return AccountEndpoints(**classes)
