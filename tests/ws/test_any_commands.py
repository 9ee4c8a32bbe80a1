"""Commands with odd values in any order: each is answered once, none breaks anything, and the books stay clean."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import pytest
import pytest_asyncio

from tests.support.fans import Fans, still_works
from tests.support.socket_client import SocketClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMMANDS_A_SOCKET: Final = 80
HELLO: Final = "Hello [[tokens=2 rate=0 delay_ms=0]]"
FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "watch": ["channel"],
    "unwatch": ["channel"],
    "open": ["idem", "channel"],
    "sub": ["chat", "epoch", "seq", "share"],
    "unsub": ["k"],
    "send": ["k", "idem", "text", "parent"],
    "stop": ["k", "msg"],
    "close": ["k"],
}
KINDS: Final = ["send"] * 8 + ["sub", "open", "stop"] * 2 + list(FIELDS)
OPTIONAL: Final = {"epoch", "seq", "share", "parent"}
USUAL: Final[Mapping[str, Sequence[object]]] = {
    "k": [1, 1, 2],
    "idem": ["idem-0001", "idem-0002", "idem-0003"],
    "channel": ["deep-sea-lab", "deep-sea-lab", "night-kitchen"],
    "text": [HELLO, HELLO, "Hello [[break=empty delay_ms=0]]", "Hello [[fail_at=2 rate=0 delay_ms=0]]"],
    "epoch": ["1", "2"],
    "seq": [0, 1, 3],
}
ODD_NUMBERS: Final = [0, -1, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400]
ODD_TEXTS: Final = [
    *("", " ", "\0", "\u202e", "\ufeff" * 8, "\U0010ffff", "\ud7ff\ue000", "ß" * 8, "İ" * 8, "a\u0301" * 3_000),
    *("null", "-1", "9" * 30, "1_" * 16, "٠" * 32, "{00000000-0000-0000-0000-000000000000}", "urn:uuid:" + "0" * 32),
    *("../../etc/passwd", "%s%n", "'; DROP TABLE chat; --", "a" * 64, "a" * 65, "😀" * 40, "x" * 16_000),
    *("[[tokens=nan rate=inf delay_ms=-1 fail_at=1e9]]", "[[tokens=1e400 rate=0 delay_ms=0]]", "[[", "[[break=]]"),
]


@pytest.fixture(scope="module")
def shared_settings() -> Mapping[str, str]:
    """As many commands as are wanted."""
    return {"ws.commands_per_second": "10000", "ws.commands_burst": "10000"}


@pytest_asyncio.fixture(loop_scope="module")
async def client(fans: Fans) -> AsyncIterator[SocketClient]:
    """A socket that follows a chat."""
    client, _ = await fans.chat()
    yield client
    await fans.close_all()


def some_value(rng: random.Random, name: str, known_ids: Sequence[str]) -> object:
    """A value of the field's type, an odd one now and then."""
    if rng.random() < 0.25:
        return rng.choice(ODD_NUMBERS) if name in {"k", "seq"} else rng.choice(ODD_TEXTS)
    return rng.choice(USUAL.get(name, [*known_ids, "no id"]))


def ids_in(client: SocketClient) -> list[str]:
    """Chats and messages that the client was told of."""
    return [
        frame[key] for frame in client.frames for key in ("chat", "msg", "id") if key in frame and "code" not in frame
    ]


@pytest.mark.parametrize("seed", range(6))
async def test_any_command_is_answered_once_and_never_breaks_anything(client: SocketClient, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(COMMANDS_A_SOCKET):
        t = rng.choice(KINDS)
        names = [name for name in FIELDS[t] if name not in OPTIONAL or rng.random() < 0.3]
        answer = await client.call(t, **{name: some_value(rng, name, ids_in(client)) for name in names})
        assert answer["t"] in {"ok", "opened", "err"}
        assert answer.get("code") != "internal", answer
    assert await still_works(client)
    answers = Counter(frame["rid"] for frame in client.frames if "rid" in frame)
    assert set(answers.values()) == {1}
    assert len(answers) == COMMANDS_A_SOCKET + 2
