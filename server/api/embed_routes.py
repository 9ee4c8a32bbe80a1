"""The routes of chats on other sites."""

from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, Route

from server.api.embed_page import EmbedPageEndpoints
from server.api.embed_settings import EmbedSettingsEndpoints
from server.api.embed_sign_in import EmbedSignInEndpoints
from server.api.tickets import TicketEndpoints


@dataclass(frozen=True, slots=True)
class EmbedEndpoints:
    """What these routes lead to."""

    page: EmbedPageEndpoints
    settings: EmbedSettingsEndpoints
    signing_in: EmbedSignInEndpoints
    tickets: TicketEndpoints


def embed_routes(embeds: EmbedEndpoints) -> list[BaseRoute]:
    """Every address of them."""
    settings = embeds.settings
    return [
        Route("/embed/{name}", embeds.page.embed),
        Route("/embed/{name}/sign-in", embeds.signing_in.window),
        Route("/embed/{name}/sign-in", embeds.signing_in.confirm, methods=["POST"]),
        Route("/api/embed-sessions", embeds.signing_in.exchange, methods=["POST"]),
        Route("/api/ws-tickets", embeds.tickets.create_ticket, methods=["POST"]),
        Route("/admin/channels/{name}/embed", settings.embed_page),
        Route("/admin/channels/{name}/embed", settings.save_embed, methods=["POST"]),
        Route("/api/admin/channels/{name}/embed", settings.get_embed),
        Route("/api/admin/channels/{name}/embed", settings.set_embed, methods=["PUT"]),
    ]


def described_embeds() -> EmbedEndpoints:
    """The classes in the place of their instances, for the document."""
    classes: dict[str, Any] = {
        "page": EmbedPageEndpoints,
        "settings": EmbedSettingsEndpoints,
        "signing_in": EmbedSignInEndpoints,
        "tickets": TicketEndpoints,
    }
    return EmbedEndpoints(**classes)
