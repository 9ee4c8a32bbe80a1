"""What the line above the composer says in every state: facts in, a notice out."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.static_site import open_component_page

NOW = 1_000_000_000
READY = {"phase": "ready", "lostAt": None, "retryAt": 0, "closeCode": None}
USAGE = {"used": 31_600, "cap": 50_000}

CALM: dict[str, Any] = {
    "socket": READY,
    "chat": {"state": "open", "credit": "spent"},
    "channel": {"status": "ACTIVE", "balance": 37},
    "model": {"state": "ready"},
    "usage": USAGE,
    "refusal": None,
    "creditsCame": False,
    "waitingSince": None,
    "backUntil": 0,
    "backText": "",
    "since": NOW - 60_000,
    "now": NOW,
    "host": "tallylight.test",
    "isOwnSite": False,
    "length": 0,
    "limit": 16_000,
}


def waiting(milliseconds: int, lost: int = 1_000) -> dict[str, Any]:
    return {"socket": READY | {"phase": "waiting", "lostAt": NOW - lost, "retryAt": NOW + milliseconds}}


def refused(code: str, **more: Any) -> dict[str, Any]:
    return {"refusal": {"code": code, "retry": False, "hadCredits": True, "until": 0} | more}


def used(tokens: int, state: str = "open") -> dict[str, Any]:
    return {"usage": {"used": tokens, "cap": 50_000}, "chat": {"state": state, "credit": "spent"}}


EMPTY = {"chat": None, "usage": None}
NO_CREDITS = {"channel": {"status": "ACTIVE", "balance": 0}}
CONNECTING = {"socket": READY | {"phase": "connecting"}}
TRYING = {"socket": READY | {"phase": "connecting", "lostAt": NOW - 1_000}}

# facts that differ from CALM, tone, text, actions
STATES = [
    pytest.param({}, None, "", [], id="nothing to say"),
    pytest.param(EMPTY, "info", "Starting a chat uses 1 of this channel's 37 credits.", [], id="no chat yet"),
    pytest.param(CONNECTING | {"since": NOW - 3_000}, None, "", [], id="connecting"),
    pytest.param(CONNECTING, "info", "Still connecting. Your text is kept.", [], id="connecting for long"),
    pytest.param(waiting(4_000), "alert", "Connection lost. Reconnecting in 4 s.", ["now"], id="offline"),
    pytest.param(
        waiting(9_000, lost=121_000),
        "alert",
        "Could not reach tallylight.test. Still trying. Your text is kept.",
        ["tryNow"],
        id="offline for two minutes",
    ),
    pytest.param(waiting(800), "alert", "Connection lost. Reconnecting in 1 s.", ["now"], id="offline for a moment"),
    pytest.param(TRYING, "alert", "Connection lost. Reconnecting.", [], id="trying to come back"),
    pytest.param(
        {"socket": TRYING["socket"] | {"lostAt": NOW - 121_000}},
        "alert",
        "Could not reach tallylight.test. Still trying. Your text is kept.",
        [],
        id="trying to come back after two minutes",
    ),
    pytest.param(
        {"backUntil": NOW + 1_000, "backText": "back"}, "info", "Back. Nothing was lost.", [], id="back after a loss"
    ),
    pytest.param(
        {"socket": READY | {"phase": "refused", "closeCode": 4501}},
        "alert",
        "This site is not allowed to show this chat.",
        ["reload"],
        id="foreign origin",
    ),
    pytest.param(
        {"socket": READY | {"phase": "refused", "closeCode": 4501}, "isOwnSite": True},
        "alert",
        "This page is out of date.",
        ["reload"],
        id="session ended",
    ),
    pytest.param(
        {"socket": READY | {"phase": "refused", "closeCode": 4505}},
        "alert",
        "This chat is open in too many tabs.",
        ["reload"],
        id="too many sockets",
    ),
    pytest.param({"waitingSince": NOW - 9_000}, None, "", [], id="thinking"),
    pytest.param(
        {"waitingSince": NOW - 11_000}, "info", "This is taking longer than usual.", ["stop"], id="thinking for long"
    ),
    pytest.param(
        {"waitingSince": NOW - 11_000, "model": {"state": "warming"}},
        "info",
        "Warming up the demo model. A first answer may take a minute.",
        [],
        id="warming up while asked",
    ),
    pytest.param(
        {"model": {"state": "unavailable"}}, "warning", "The model does not respond at the moment.", [], id="model down"
    ),
    pytest.param(
        used(40_000),
        "warning",
        "This chat has room for about 10,000 more tokens, roughly 6 replies.",
        [],
        id="80 percent",
    ),
    pytest.param(
        used(47_500),
        "warning",
        "About 2,500 tokens left. Ask your last questions, or start a new chat for 1 credit.",
        ["newChat"],
        id="95 percent",
    ),
    pytest.param(
        used(50_000, "full"),
        "warning",
        "This chat is full: 50,000 of 50,000 tokens. It stays here to read.",
        ["newChat"],
        id="full",
    ),
    pytest.param(
        refused("too_long_for_remaining", details={"tokens": 6_200, "left": 5_000}),
        "alert",
        "Your message is about 6,200 tokens and 5,000 are left. Shorten it to send.",
        [],
        id="too long for what is left",
    ),
    pytest.param(
        {"length": 17_000},
        "alert",
        "Your message has 17,000 characters, 16,000 can be sent. Shorten it to send.",
        [],
        id="too many characters",
    ),
    pytest.param(
        EMPTY | NO_CREDITS,
        "warning",
        "No credits left on this channel. Anyone can add some.",
        ["buy"],
        id="no credits",
    ),
    pytest.param(
        EMPTY | {"creditsCame": True, "channel": {"status": "ACTIVE", "balance": 1}},
        "info",
        "1 credit is here. You can start a chat.",
        [],
        id="credits came",
    ),
    pytest.param(
        EMPTY | NO_CREDITS | refused("no_credit"),
        "alert",
        "Someone else just used the last credit. You were not charged.",
        ["buy"],
        id="lost the race for the last credit",
    ),
    pytest.param(
        refused("busy"), "alert", "Another answer is still running. Send this when it is done.", [], id="busy"
    ),
    pytest.param(refused("not_stopped"), "alert", "The answer could not be stopped. Try again.", [], id="not stopped"),
    pytest.param(
        refused("rate_limited", until=NOW + 20_000),
        "alert",
        "Too many messages. You can send again in 20 s.",
        [],
        id="rate limited",
    ),
    pytest.param(refused("rate_limited", until=NOW - 1), None, "", [], id="rate limited no more"),
    pytest.param(
        refused("quota_exceeded", until=NOW + 18_000_000),
        "alert",
        "You have started as many chats as a visitor can today. More in 5 h.",
        [],
        id="visitor's quota",
    ),
    pytest.param(
        refused("unavailable", retry=True),
        "alert",
        "The server cannot answer right now. Your text is kept; send it again.",
        ["tryAgain"],
        id="database down: whether it was stored is not known",
    ),
    pytest.param(
        refused("overloaded", retry=True),
        "alert",
        "The chat cannot take messages at the moment. Nothing was charged.",
        ["tryAgain"],
        id="too many chats",
    ),
    pytest.param(
        refused("internal"),
        "alert",
        "The message could not be sent. Your text is kept.",
        [],
        id="a refusal that the widget does not know",
    ),
    pytest.param(
        {"chat": {"state": "closed", "credit": "refunded"}},
        "alert",
        "The chat did not start. Your credit was returned.",
        ["tryAgain"],
        id="refunded",
    ),
    pytest.param(
        {"channel": {"status": "INACTIVE", "balance": 3}},
        "info",
        "This channel was paused. You can read this chat.",
        [],
        id="paused",
    ),
    pytest.param(
        EMPTY | {"channel": {"status": "PENDING", "balance": 0}},
        "info",
        "Chat opens when the goal is reached.",
        [],
        id="pending",
    ),
    pytest.param(
        {"chat": {"state": "closed", "credit": "spent"}},
        "info",
        "This chat is closed. You can read it.",
        ["newChat"],
        id="closed",
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def notice_page(browser: Browser) -> AsyncIterator[Page]:
    """A page with `notice(facts)`."""
    async with open_component_page(browser) as page:
        await page.evaluate(
            """async () => {
              const {noticeFor} = await import('/static/widget/notices.js');
              const {default: strings} = await import('/static/widget/strings.en.js');
              window.notice = facts => noticeFor(facts, strings.notice);
            }"""
        )
        yield page


@pytest.mark.parametrize(("facts", "tone", "text", "actions"), STATES)
async def test_each_state_has_its_notice(
    notice_page: Page, facts: dict[str, Any], tone: str | None, text: str, actions: list[str]
) -> None:
    notice = await notice_page.evaluate("facts => notice(facts)", CALM | facts)
    shown = notice if notice and not notice.get("isSilent") else {"text": "", "actions": []}
    words = str(shown["text"]).replace("\N{NO-BREAK SPACE}", " ")
    assert (shown.get("tone"), words, shown["actions"]) == (tone, text, actions)


async def test_a_countdown_is_told_once_while_its_number_changes(notice_page: Page) -> None:
    first, second = [await notice_page.evaluate("facts => notice(facts)", CALM | waiting(ms)) for ms in (4_000, 3_000)]
    assert first["text"] != second["text"]
    assert first["key"] == second["key"]
    assert first["isTicking"]


@pytest.mark.parametrize(
    ("facts", "is_blocking", "is_end"),
    [
        (EMPTY, False, False),
        (EMPTY | NO_CREDITS, True, False),
        (refused("rate_limited", until=NOW + 1_000), True, False),
        (refused("busy"), False, False),
        (used(50_000, "full"), False, True),
        ({"channel": {"status": "INACTIVE", "balance": 3}}, False, True),
    ],
)
async def test_a_notice_says_whether_anything_can_be_sent(
    notice_page: Page, facts: dict[str, Any], is_blocking: bool, is_end: bool
) -> None:
    notice = await notice_page.evaluate("facts => notice(facts)", CALM | facts)
    assert (bool(notice.get("isBlocking")), bool(notice.get("isEnd"))) == (is_blocking, is_end)
