"""The whole table of routes as one document."""

from functools import cache
from typing import Any

from starlette.routing import BaseRoute

from server.api.account_routes import described_account
from server.api.admin import AdminEndpoints
from server.api.badges import BadgeEndpoints
from server.api.channels import ChannelEndpoints
from server.api.chats import ChatEndpoints
from server.api.checkout import CheckoutEndpoints
from server.api.contribute_pages import ContributeEndpoints
from server.api.contribution_page import ContributionPageEndpoints
from server.api.contributions import ContributionEndpoints
from server.api.contributors import ContributorEndpoints
from server.api.documents import DocumentEndpoints
from server.api.embed_routes import described_embeds
from server.api.health import HealthEndpoints
from server.api.linked_accounts import LinkedAccountEndpoints
from server.api.messages import MessageEndpoints
from server.api.openapi import document
from server.api.own_transactions import OwnTransactionEndpoints
from server.api.pages import PageEndpoints
from server.api.payment_events import PaymentEventEndpoints
from server.api.routes import routes
from server.api.sign_in import SignInEndpoints
from server.api.static_files import StaticFolder
from server.api.transaction_csv import TransactionCsvEndpoints
from server.api.transaction_pages import TransactionPageEndpoints
from server.api.transactions import TransactionEndpoints
from server.api.webhooks import WebhookEndpoints


@cache
def rest_document() -> dict[str, Any]:
    """The OpenAPI document, made once (a tenth of a second): nobody changes it."""
    return document(described_routes())


def described_routes() -> list[BaseRoute]:
    """The table of routes as it declares itself: made of the classes, not of their instances, so that it needs no
    database."""
    classes: dict[str, Any] = {
        "pages": PageEndpoints,
        "documents": DocumentEndpoints,
        "channels": ChannelEndpoints,
        "badges": BadgeEndpoints,
        "contributions": ContributionEndpoints,
        "contribute": ContributeEndpoints,
        "contribution_page": ContributionPageEndpoints,
        "chats": ChatEndpoints,
        "messages": MessageEndpoints,
        "embeds": described_embeds(),
        "transactions": TransactionEndpoints,
        "own_transactions": OwnTransactionEndpoints,
        "transaction_csv": TransactionCsvEndpoints,
        "transaction_pages": TransactionPageEndpoints,
        "contributors": ContributorEndpoints,
        "account": described_account(),
        "admin": AdminEndpoints,
        "payment_events": PaymentEventEndpoints,
        "checkout": CheckoutEndpoints,
        "webhooks": WebhookEndpoints,
        "signing_in": SignInEndpoints,
        "accounts": LinkedAccountEndpoints,
        "health": HealthEndpoints,
        "static": StaticFolder,
    }
    return routes(**classes)
