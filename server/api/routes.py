"""The whole HTTP table at a glance. A GET answers HEAD too; a method that a route does not have is 405."""

from starlette.routing import BaseRoute, Mount, Route

from server.api.account_routes import AccountEndpoints, account_routes
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
from server.api.embed_routes import EmbedEndpoints, embed_routes
from server.api.health import HealthEndpoints
from server.api.linked_accounts import LinkedAccountEndpoints
from server.api.messages import MessageEndpoints
from server.api.own_transactions import OwnTransactionEndpoints
from server.api.pages import PageEndpoints
from server.api.payment_events import PaymentEventEndpoints
from server.api.sign_in import SignInEndpoints
from server.api.static_files import STATIC_PREFIX, StaticFolder
from server.api.transaction_csv import TransactionCsvEndpoints
from server.api.transaction_pages import TransactionPageEndpoints
from server.api.transactions import TransactionEndpoints
from server.api.webhooks import WebhookEndpoints


def routes(
    *,
    pages: PageEndpoints,
    documents: DocumentEndpoints,
    channels: ChannelEndpoints,
    badges: BadgeEndpoints,
    contributions: ContributionEndpoints,
    contribute: ContributeEndpoints,
    contribution_page: ContributionPageEndpoints,
    chats: ChatEndpoints,
    messages: MessageEndpoints,
    embeds: EmbedEndpoints,
    transactions: TransactionEndpoints,
    own_transactions: OwnTransactionEndpoints,
    transaction_csv: TransactionCsvEndpoints,
    transaction_pages: TransactionPageEndpoints,
    contributors: ContributorEndpoints,
    account: AccountEndpoints,
    admin: AdminEndpoints,
    payment_events: PaymentEventEndpoints,
    checkout: CheckoutEndpoints,
    webhooks: WebhookEndpoints,
    signing_in: SignInEndpoints,
    accounts: LinkedAccountEndpoints,
    health: HealthEndpoints,
    static: StaticFolder,
) -> list[BaseRoute]:
    """Every address that answers HTTP."""
    return [
        Route("/", pages.index),
        Route("/c/{name}", pages.channel),
        *_contributing(contributions, contribute, contribution_page),
        Route("/c/{name}/transactions", transaction_pages.channel_transactions),
        Route("/me", transaction_pages.me),
        Route("/badges", badges.page),
        Route("/api/channels", channels.list_channels),
        Route("/api/channels/{name}", channels.get_channel),
        Route("/api/channels/{name}/contributors", contributors.list_contributors),
        Route("/api/channels/{name}/transactions", transactions.list_channel_transactions),
        Route("/api/channels/{name}/transactions.csv", transaction_csv.download_channel_transactions),
        Route("/api/me/contributions", own_transactions.list_own_contributions),
        Route("/api/me/transactions", own_transactions.list_own_transactions),
        Route("/api/me/transactions.csv", transaction_csv.download_own_transactions),
        Route("/api/channels/{name}/badges", badges.list_channel_badges),
        Route("/api/badges", badges.list_badges),
        Route("/api/me/badges", badges.list_my_badges),
        Route("/api/chats", chats.list_chats),
        Route("/api/chats/{id}", chats.get_chat),
        Route("/api/chats/{id}/messages", messages.list_messages),
        *embed_routes(embeds),
        *account_routes(account),
        *_administration(admin, payment_events),
        *_paying(checkout, webhooks),
        *_signing_in(signing_in, accounts),
        *_documents(documents),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Mount(STATIC_PREFIX, static),
    ]


def _contributing(
    contributions: ContributionEndpoints, contribute: ContributeEndpoints, page: ContributionPageEndpoints
) -> list[BaseRoute]:
    """The way of a contribution, over REST and for people."""
    return [
        Route("/c/{name}/contribute", contribute.contribute),
        Route("/c/{name}/contribute", contribute.pay_contribution, methods=["POST"]),
        Route("/c/{name}/contribute/review", contribute.review_contribution),
        Route("/contributions/{id}", page.contribution),
        Route("/api/channels/{name}/contributions", contributions.create_contribution, methods=["POST"]),
        Route("/api/channels/{name}/contributions/quote", contributions.quote_contribution, methods=["POST"]),
        Route("/api/contributions/{id}", contributions.get_contribution),
    ]


def _documents(documents: DocumentEndpoints) -> list[BaseRoute]:
    """What says how to talk to this server."""
    return [
        Route("/api/openapi.json", documents.openapi),
        Route("/api/docs", documents.rest_page),
        Route("/api/docs/websocket", documents.websocket_page),
        Route("/api/docs/websocket.json", documents.asyncapi),
    ]


def _paying(checkout: CheckoutEndpoints, webhooks: WebhookEndpoints) -> list[BaseRoute]:
    """What payment providers need: the sandbox's page, and where news comes in."""
    return [
        Route("/checkout/{id}", checkout.checkout),
        Route("/checkout/{id}", checkout.decide, methods=["POST"]),
        Route("/webhooks/{provider}", webhooks.receive_event, methods=["POST"]),
    ]


def _signing_in(signing_in: SignInEndpoints, accounts: LinkedAccountEndpoints) -> list[BaseRoute]:
    """The way to a provider and back, and the accounts that come of it."""
    return [
        Route("/signin", signing_in.sign_in_page),
        Route("/signin/{provider}", signing_in.begin_sign_in, methods=["POST"]),
        Route("/signin/{provider}/callback", signing_in.finish_sign_in),
        Route("/me/accounts", accounts.accounts_page),
        Route("/me/accounts/{id}/unlink", accounts.unlink_form, methods=["POST"]),
        Route("/api/me/accounts", accounts.list_accounts),
        Route("/api/me/accounts/{id}", accounts.unlink_account, methods=["DELETE"]),
    ]


def _administration(admin: AdminEndpoints, payment_events: PaymentEventEndpoints) -> list[BaseRoute]:
    """What only admins may do."""
    return [
        Route("/admin/payment-events", payment_events.payment_events),
        Route("/api/admin/payment-events", payment_events.list_payment_events),
        Route("/api/admin/transactions/{id}/reversal", admin.reverse_transaction, methods=["POST"]),
        Route("/api/admin/ledger/check", admin.check_ledger),
    ]
