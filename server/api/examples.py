"""Examples of answers for the OpenAPI document."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from server.api.account_deletion import DeletionBody
from server.api.admin import LedgerReport, ReversalAnswer, ReversalBody
from server.api.badge_answers import BadgeAnswer, BadgeChannelAnswer, CriteriaAnswer, MineAnswer, ProgressAnswer
from server.api.badges import BadgeItem, BadgeList, MyBadgeList
from server.api.channels import ChannelAnswer, ChannelDetails, ChannelList, ModelAnswer
from server.api.chats import ChatAnswer, ChatChannel, ChatList
from server.api.contribution_answers import (
    ContributionAnswer,
    ContributionChannel,
    ContributionPart,
    CreatedContribution,
)
from server.api.contributors import ContributorAnswer, ContributorList
from server.api.deps import ModelState
from server.api.embed_settings import EmbedAnswer, EmbedChange, snippet_of
from server.api.embed_sign_in import EmbedExchange, EmbedSession
from server.api.health import HealthAnswer, PartAnswer, ReadinessAnswer
from server.api.held_badges import BadgeMark, HeldBadgeAnswer, HeldBadgeList, HolderAnswer
from server.api.keys import KeyAnswer, KeyList, KeyRequest, MadeKey
from server.api.linked_accounts import AccountAnswer, AccountsAnswer
from server.api.me import MeAnswer, MeChange, UserAnswer, UsernameAnswer
from server.api.messages import AuthorAnswer, MessageAnswer, MessageList
from server.api.own_transactions import (
    ContributionsByChannel,
    OwnTransactionAnswer,
    OwnTransactionList,
    SupportedChannelAnswer,
    TransactionChannel,
)
from server.api.payment_events import EXPLAINED, PaymentEventAnswer, PaymentEventList
from server.api.problems import Problem
from server.api.quotes import ContributionRequest, QuoteAnswer, QuoteRequest, QuoteRow
from server.api.sessions import EndedSessions, SessionAnswer, SessionList
from server.api.tickets import TicketAnswer, TicketRequest
from server.api.transactions import TransactionAnswer, TransactionList, TypeTotalAnswer
from server.api.users import ProfileBadge, UserProfile
from server.api.webhooks import WebhookAnswer
from server.domain.channels import ChannelStatus
from server.domain.chats import ChatState, CreditState, MessageStatus, MessageType
from server.domain.criteria import CriterionKind
from server.domain.errors import Code
from server.domain.identity import IdentityKind
from server.domain.payments import EventProblem
from server.domain.pictures import Picture
from server.domain.scopes import Scope
from server.domain.transactions import ContributionStatus, TransactionStatus, TransactionType
from server.domain.usernames import UsernameState
from server.domain.users import UserRole

CHANNEL_ID: Final = UUID("019ab5e0-4d2c-7a31-bb04-6f1e9c8d7a52")
CHAT_ID: Final = UUID("019ab5f2-71c4-7d3e-9a51-4f0c2e8b6d10")
QUESTION_ID: Final = UUID("019ab5f2-8a10-7b02-b7c3-90e1d5a6f248")
ANSWER_ID: Final = UUID("019ab5f2-8a11-7e9f-84d6-1c3b7a5e0f92")
AT: Final = datetime(2026, 11, 22, 12, 52, 15, 811_000, UTC)

_KEY: Final = KeyAnswer(UUID("019ab5e2-11c0-7f4a-9b2e-7a6d5c4b3f21"), "my program", [Scope.CHAT, Scope.READ], AT, None)
_EMBED_ADDRESS: Final = "https://chat.example/embed/deep-sea-lab"
_CHANNEL: Final[dict[str, Any]] = {
    "id": CHANNEL_ID,
    "name": "deep-sea-lab",
    "title": "Deep Sea Lab",
    "description": "Two biologists and a camera, far below.",
    "image": "/static/pages/lab.webp",
    "subscriber_count": 48_200,
    "video_count": 131,
    "view_count": None,
    "status": ChannelStatus.ACTIVE,
    "activation_funding": 1_000,
    "activation_goal": 1_000,
    "credit_balance": 49,
    "activated_at": datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
    "created_at": datetime(2026, 11, 18, 17, 30, tzinfo=UTC),
}
_CHAT: Final = ChatAnswer(
    id=CHAT_ID,
    channel=ChatChannel(CHANNEL_ID, "deep-sea-lab", "Deep Sea Lab"),
    title="Who is Dr Button?",
    state=ChatState.OPEN,
    credit_state=CreditState.SPENT,
    tokens_used=840,
    token_cap=50_000,
    created_at=AT,
    last_message_at=AT,
)
_QUESTION: Final = MessageAnswer(
    id=QUESTION_ID,
    chat_id=CHAT_ID,
    seq=1,
    type=MessageType.USER,
    content="Who is Dr Button?",
    tokens=5,
    status=MessageStatus.DONE,
    parent_id=None,
    author=AuthorAnswer(1, "Fan 1", me=True),
    model=None,
    created_at=AT,
)
_ANSWER: Final = MessageAnswer(
    id=ANSWER_ID,
    chat_id=CHAT_ID,
    seq=2,
    type=MessageType.AI,
    content="Dr Button is a dumbo octopus. He keeps the lamp.",
    tokens=14,
    status=MessageStatus.DONE,
    parent_id=QUESTION_ID,
    author=None,
    model="SmolLM2-135M-Instruct",
    created_at=AT,
)
_TRANSACTION: Final[dict[str, Any]] = {
    "id": UUID("019ab5e4-2f60-7c18-9d3b-5a7e0c1f4b86"),
    "type": TransactionType.CREDIT_PURCHASE,
    "status": TransactionStatus.SETTLED,
    "amount": 500,
    "currency": "USD",
    "credits": 50,
    "name": "Mara",
    "description": "50 credits",
    "reverses_id": None,
    "created_at": AT,
}
_TRANSACTION_CHANNEL: Final = TransactionChannel(CHANNEL_ID, "deep-sea-lab", "Deep Sea Lab")
_TOTALS: Final = [
    TypeTotalAnswer(TransactionType.ACTIVATION, 1, 300, 0),
    TypeTotalAnswer(TransactionType.CREDIT_PURCHASE, 1, 500, 50),
]

_PAID_AT: Final = datetime(2026, 11, 22, 12, 53, 2, 104_000, UTC)
_CONTRIBUTION: Final[dict[str, Any]] = {
    "id": UUID("6f9619ff-8b86-5d01-b42d-00cf4fc964ff"),
    "channel": ContributionChannel("night-kitchen", "Night Kitchen"),
    "type": TransactionType.ACTIVATION,
    "amount": 1_000,
    "currency": "USD",
    "rate": 10,
    "display_name": "Mara",
    "created_at": AT,
}
_TO_BE_PAID: Final = ContributionAnswer(
    **_CONTRIBUTION,
    status=ContributionStatus.PENDING,
    checkout_url="/checkout/6f9619ff-8b86-5d01-b42d-00cf4fc964ff",
    settled_at=None,
    transactions=[],
)
_PAID: Final = ContributionAnswer(
    **_CONTRIBUTION,
    status=ContributionStatus.SETTLED,
    checkout_url=None,
    settled_at=_PAID_AT,
    transactions=[
        ContributionPart(
            id=UUID("019ab5f3-0a11-7c51-8d20-3f1e5b7a9c02"),
            type=TransactionType.ACTIVATION,
            status=TransactionStatus.SETTLED,
            amount=400,
            credits=0,
            created_at=_PAID_AT,
        ),
        ContributionPart(
            id=UUID("019ab5f3-0a12-7d4e-9b31-6a2c8e0f1d03"),
            type=TransactionType.CREDIT_PURCHASE,
            status=TransactionStatus.SETTLED,
            amount=600,
            credits=60,
            created_at=_PAID_AT,
        ),
    ],
)
_BADGE: Final = BadgeAnswer(
    id=UUID("860cc991-f13d-50c3-ab0c-6e0589bf89ea"),
    name="Ticket Roll",
    description="Bought 100 credits for a channel.",
    icon="/static/badges.svg#roll",
    criteria=CriteriaAnswer(
        kind=CriterionKind.CREDITS_BOUGHT,
        number=100,
        unit="credits",
        per_channel=True,
        words="Buy 100 credits for one channel.",
    ),
)
_MARK: Final = BadgeMark(_BADGE.name, _BADGE.icon)
_MY_BADGE: Final = BadgeItem(
    _BADGE,
    MineAnswer(
        count=0,
        earned_at=None,
        channels=[],
        progress=ProgressAnswer(40, 100, BadgeChannelAnswer("deep-sea-lab", "Deep Sea Lab", None)),
        is_next=True,
    ),
)

EXAMPLES: Final[Mapping[type, msgspec.Struct]] = {
    type(example): example
    for example in (
        ChannelList([ChannelAnswer(**_CHANNEL)], "kJQ2cGFnZQ", None),
        ChannelDetails(**_CHANNEL, model=ModelAnswer("SmolLM2-135M-Instruct", ModelState.READY, demo=True)),
        QuoteRequest(TransactionType.ACTIVATION, 1_000),
        QuoteAnswer(
            [QuoteRow(TransactionType.ACTIVATION, 400, 0), QuoteRow(TransactionType.CREDIT_PURCHASE, 600, 60)], 10
        ),
        ContributionRequest(TransactionType.ACTIVATION, 1_000, display_name="Mara", rate=10),
        CreatedContribution(_TO_BE_PAID, _TO_BE_PAID.checkout_url),
        _PAID,
        AccountsAnswer(
            [
                AccountAnswer(
                    id=UUID("019ab5f7-6c11-7e3a-8d04-9b2f5a7c1e63"),
                    type="oidc",
                    provider="google",
                    provider_account_id="110169484474386276334",
                    scope="openid email profile",
                    token_type="Bearer",  # noqa: S106 - a type
                    expires_at=AT,
                    created_at=AT,
                )
            ]
        ),
        BadgeList([_MY_BADGE]),
        MyBadgeList([], [_MY_BADGE]),
        HeldBadgeList([HeldBadgeAnswer(_BADGE, 2, [HolderAnswer("mara_k", AT), HolderAnswer(None, AT)])]),
        ChatList([_CHAT], None, None),
        _CHAT,
        MessageList([_ANSWER, _QUESTION], None),
        TransactionList([TransactionAnswer(**_TRANSACTION)], None, None, _TOTALS),
        OwnTransactionList(
            [
                OwnTransactionAnswer(
                    **_TRANSACTION,
                    channel=_TRANSACTION_CHANNEL,
                    contribution_id=UUID("019ab5e4-1a07-7b52-8c6d-3e9f4a2d7c10"),
                )
            ],
            None,
            None,
            _TOTALS,
        ),
        ContributionsByChannel([SupportedChannelAnswer(_TRANSACTION_CHANNEL, _TOTALS, AT)], None, None, _TOTALS),
        ContributorList([ContributorAnswer("Mara", _TOTALS, AT, [_MARK])], "kJQ2cGFnZQ", None),
        TicketRequest("deep-sea-lab", "Zk1mS3tHc7dJ9fLr4uPwN6aEgBiQyTIq0vXo2Vx5Yb8"),
        EmbedChange(["https://fans.example"]),
        EmbedExchange(
            "deep-sea-lab",
            "gBiQyTIq0vXo2Vx5Yb8Zk1mS3tHc7dJ9fLr4uPwN6aE",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            "Zk1mS3tHc7dJ9fLr4uPwN6aEgBiQyTIq0vXo2Vx5Yb8",
        ),
        EmbedSession("uPwN6aEgBiQyTIq0vXo2Vx5Yb8Zk1mS3tHc7dJ9fLr4", "mara_k"),
        EmbedAnswer(
            "deep-sea-lab",
            ["https://fans.example"],
            _EMBED_ADDRESS,
            snippet_of(_EMBED_ADDRESS, "Deep Sea Lab"),
        ),
        TicketAnswer("q0vXo2Vx5Yb8Zk1mS3tHc7dJ9fLr4uPwN6aEgBiQyTI", 30),
        ReversalBody("The card was stolen.", 500),
        ReversalAnswer(
            id=UUID("019ab61f-3c58-7f20-8b1d-7a4e90c2d613"),
            reverses_id=UUID("019ab5e4-0f67-7c19-9d42-c58b13a7e604"),
            contribution_id=UUID("019ab5e3-e9b1-7d84-a6f0-2b97c41d5e38"),
            channel="deep-sea-lab",
            type=TransactionType.CREDIT_PURCHASE,
            amount=-500,
            currency="USD",
            credits=-50,
            deficit_credits=1,
            reason="The card was stolen.",
            created_at=AT,
        ),
        LedgerReport(
            clean=True,
            cut=False,
            channels=2,
            entries=2,
            chats=1,
            contributions=7,
            findings=[],
            differences=[],
        ),
        PaymentEventList(
            [
                PaymentEventAnswer(
                    provider="sandbox",
                    event_id="sandbox_019ab5e3e9b17d84a6f02b97c41d5e38.payment.paid.2",
                    type="payment.paid",
                    problem=EventProblem.PAID_TWICE,
                    explanation=EXPLAINED[EventProblem.PAID_TWICE],
                    waiting=False,
                    reference="sandbox_019ab5e3e9b17d84a6f02b97c41d5e38",
                    payment_reference="sandbox_charge_019ab5e3e9b17d84a6f02b97c41d5e38_2",
                    refund_reference=None,
                    contribution_id=UUID("019ab5e3-e9b1-7d84-a6f0-2b97c41d5e38"),
                    amount=500,
                    refunded=None,
                    currency="USD",
                    received_at=AT,
                )
            ],
            None,
            None,
        ),
        MeAnswer(
            IdentityKind.USER,
            "mara_k",
            UserAnswer(
                username="mara_k",
                display_name="Mara",
                name="Mara Kessler",
                email="mara@example.org",
                email_verified=True,
                role=UserRole.USER,
                image=None,
                picture=Picture.INITIALS,
                amounts_public=False,
                member_since=AT,
            ),
        ),
        MeChange(username="mara_k", amounts_public=True),
        DeletionBody("mara_k"),
        UsernameAnswer("mara_k", UsernameState.TAKEN, UsernameState.TAKEN.meaning),
        UserProfile(
            username="mara_k",
            display_name="Mara",
            picture=Picture.INITIALS,
            role=UserRole.USER,
            member_since=AT,
            badges=[ProfileBadge(_BADGE, AT, 1)],
            supported=None,
        ),
        SessionList(
            [
                SessionAnswer(
                    id=UUID("019ab5e1-90b4-7c0d-8f3e-5d2a7b16c948"),
                    device="Firefox on Windows",
                    created_at=AT,
                    last_seen_at=AT,
                    signed_in_at=AT,
                    current=True,
                )
            ],
            None,
            None,
        ),
        EndedSessions(2),
        KeyRequest("my program", [Scope.CHAT, Scope.READ]),
        KeyList([_KEY]),
        MadeKey(_KEY, "tl_" + "x" * 43),
        WebhookAnswer(),
        HealthAnswer(),
        ReadinessAnswer(
            ready=True,
            parts={
                "gateway": PartAnswer(ready=True, gating=True),
                "postgres": PartAnswer(ready=True, gating=True),
                "redis": PartAnswer(ready=True, gating=True),
                "model": PartAnswer(ready=True, gating=True, note="ready"),
            },
        ),
        Problem("Not Found", 404, "There is no such channel.", Code.NOT_FOUND, retry=False),
    )
}
"""By the Struct that each is one of."""
