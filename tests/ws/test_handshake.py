"""Who may open a socket: the handshake from the outside. Browsers cannot see HTTP refusals, so most of them are close
codes."""

from collections.abc import Callable
from typing import Final

import pytest

from server.api.security_headers import HEADERS
from server.auth.cookies import HOST_NAME, LOOPBACK_NAME
from tests.support.fans import Fans
from tests.support.http_clients import http_client
from tests.support.ids import ABSENT_ID
from tests.support.raw_socket import Header, RawSocket

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO: Final = '{"t":"hello","rid":1,"client":"raw/1"}'
HELLO_WITH_TICKET: Final = '{"t":"hello","rid":1,"client":"raw/1","ticket":"Zm9yZ2Vk"}'

NOT_OURS: Final[dict[str, Callable[[str, str], str]]] = {
    "another host": lambda host, port: f"http://evil.example:{port}",
    "our host as a prefix": lambda host, port: f"http://{host}.evil.example:{port}",
    "our origin as a prefix": lambda host, port: f"http://{host}:{port}.evil.example",
    "our host as a suffix": lambda host, port: f"http://evil.{host}:{port}",
    "our origin as a user": lambda host, port: f"http://{host}:{port}@evil.example",
    "another port": lambda host, port: f"http://{host}:{int(port) - 1}",
    "our port as a prefix": lambda host, port: f"http://{host}:{port}0",
    "no port": lambda host, port: f"http://{host}",
    "another scheme": lambda host, port: f"https://{host}:{port}",
    "the scheme of the socket": lambda host, port: f"ws://{host}:{port}",
    "no scheme": lambda host, port: f"{host}:{port}",
    "a trailing dot": lambda host, port: f"http://{host}.:{port}",
    "upper case": lambda host, port: f"HTTP://{host}:{port}",
    "a trailing slash": lambda host, port: f"http://{host}:{port}/",
    "a path": lambda host, port: f"http://{host}:{port}/c/deep-sea-lab",
    "another name of this machine": lambda host, port: f"http://localhost:{port}",
    "another spelling of the address": lambda host, port: f"http://2130706433:{port}",
    "two in one header": lambda host, port: f"http://{host}:{port}, http://evil.example",
    "two in one header, ours last": lambda host, port: f"http://evil.example http://{host}:{port}",
    "null": lambda host, port: "null",
    "nothing": lambda host, port: "",
    "bytes beyond ASCII": lambda host, port: f"http://{host}:{port}\xa0\xff",
    "a wildcard": lambda host, port: "*",
}


@pytest.fixture
def own_origin(fans: Fans) -> Header:
    """The Origin header of our own pages."""
    return ("Origin", fans.gateway.url)


async def close_code_after_hello(socket: RawSocket, hello: str = HELLO) -> int:
    async with socket:
        assert socket.status == 101
        await socket.send(hello.encode())
        return await socket.close_code()


async def closed_at_once(socket: RawSocket) -> int:
    async with socket:
        assert socket.status == 101
        return await socket.close_code()


async def test_a_handshake_without_a_subprotocol_is_a_bad_request(fans: Fans, own_origin: Header) -> None:
    async with await RawSocket.open(fans.gateway.url, [("Cookie", await fans.cookie()), own_origin]) as socket:
        assert socket.status == 400
        assert "tallylight.v1" in await socket.body()


async def test_a_refused_handshake_has_the_headers_of_every_answer(fans: Fans) -> None:
    async with await RawSocket.open(fans.gateway.url, []) as socket:
        assert socket.status == 400
        assert {name: socket.header(name) for name in HEADERS} == {name: [value] for name, value in HEADERS.items()}
        assert socket.header("cache-control") == ["no-store"]


@pytest.mark.parametrize(
    "offered", ["tallylight.v2", "tallylight", "TALLYLIGHT.V1", "tallylight.v1.evil", "t.Zm9yZ2Vk", "graphql-ws, mqtt"]
)
async def test_a_handshake_with_other_subprotocols_only_is_a_bad_request(
    fans: Fans, own_origin: Header, offered: str
) -> None:
    headers = [("Cookie", await fans.cookie()), own_origin, ("Sec-WebSocket-Protocol", offered)]
    async with await RawSocket.open(fans.gateway.url, headers) as socket:
        assert socket.status == 400


@pytest.mark.parametrize(
    "offered",
    [("tallylight.v1",), ("tallylight.v2, tallylight.v1",), ("mqtt", "tallylight.v1"), ("tallylight.v1, mqtt",)],
)
async def test_our_subprotocol_alone_is_echoed(fans: Fans, own_origin: Header, offered: tuple[str, ...]) -> None:
    headers = [("Cookie", await fans.cookie()), own_origin, *(("Sec-WebSocket-Protocol", one) for one in offered)]
    async with await RawSocket.open(fans.gateway.url, headers) as socket:
        assert socket.status == 101
        assert socket.header("sec-websocket-protocol") == ["tallylight.v1"]
        assert (await socket.call(HELLO))["t"] == "ready"


async def test_an_unknown_ticket_in_the_handshake_is_told_by_a_close_code_and_not_echoed(
    fans: Fans, own_origin: Header
) -> None:
    socket = await RawSocket.open(
        fans.gateway.url, [own_origin, ("Sec-WebSocket-Protocol", "tallylight.v1, t.Zm9yZ2Vk")]
    )
    assert socket.header("sec-websocket-protocol") == ["tallylight.v1"]
    assert await closed_at_once(socket) == 4005


async def test_a_cookie_does_not_help_a_bad_ticket(fans: Fans, own_origin: Header) -> None:
    cookie = ("Cookie", await fans.cookie())
    headers = [cookie, own_origin, ("Sec-WebSocket-Protocol", "tallylight.v1, t.Zm9yZ2Vk")]
    assert await closed_at_once(await RawSocket.open(fans.gateway.url, headers)) == 4005


async def test_a_bad_ticket_of_a_foreign_page_is_told_as_such(fans: Fans) -> None:
    headers = [("Origin", "https://fan.example"), ("Sec-WebSocket-Protocol", "tallylight.v1, t.Zm9yZ2Vk")]
    assert await closed_at_once(await RawSocket.open(fans.gateway.url, headers)) == 4005


async def test_an_unknown_ticket_in_hello_closes(fans: Fans, own_origin: Header) -> None:
    assert await close_code_after_hello(await fans.raw(own_origin), HELLO_WITH_TICKET) == 4005


async def test_an_unknown_ticket_in_hello_closes_where_there_is_a_cookie_too(fans: Fans, own_origin: Header) -> None:
    socket = await fans.raw(("Cookie", await fans.cookie()), own_origin)
    assert await close_code_after_hello(socket, HELLO_WITH_TICKET) == 4005


async def test_a_client_that_is_no_browser_may_bring_its_ticket_in_hello(fans: Fans) -> None:
    assert await close_code_after_hello(await fans.raw(), HELLO_WITH_TICKET) == 4005


@pytest.mark.parametrize("origin", NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_a_cookie_with_an_origin_that_is_not_ours_is_no_identity(
    fans: Fans, origin: Callable[[str, str], str]
) -> None:
    host, _, port = fans.gateway.url.removeprefix("http://").partition(":")
    socket = await fans.raw(("Cookie", await fans.cookie()), ("Origin", origin(host, port)))
    assert await closed_at_once(socket) == 4501


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
async def test_a_foreign_origin_without_a_cookie_is_no_identity(fans: Fans, origin: str) -> None:
    assert await closed_at_once(await fans.raw(("Origin", origin))) == 4501


async def test_the_host_header_makes_no_origin_ours(fans: Fans) -> None:
    cookie = ("Cookie", await fans.cookie())
    socket = await fans.raw(cookie, ("Origin", "http://evil.example"), ("X-Forwarded-Host", "evil.example"))
    assert await closed_at_once(socket) == 4501


async def test_two_origins_are_a_bad_request(fans: Fans, own_origin: Header) -> None:
    headers = (("Cookie", await fans.cookie()), own_origin, ("Origin", "https://evil.example"))
    async with await fans.raw(*headers) as socket:
        assert socket.status == 400


async def test_a_cookie_without_an_origin_is_no_identity(fans: Fans) -> None:
    assert await closed_at_once(await fans.raw(("Cookie", await fans.cookie()))) == 4501


async def test_our_own_page_without_a_cookie_has_no_identity(fans: Fans, own_origin: Header) -> None:
    assert await close_code_after_hello(await fans.raw(own_origin)) == 4501


async def test_nobody_at_all_has_no_identity(fans: Fans) -> None:
    assert await close_code_after_hello(await fans.raw()) == 4501


@pytest.mark.parametrize(
    "token",
    [
        "A" * 43,
        "",
        "short",
        "A" * 44,
        "A" * 4_000,
        "' OR 1=1 --",
        ABSENT_ID,
        "\xe9" * 43,
        '"' + "A" * 43 + '"',
    ],
)
async def test_a_cookie_that_names_no_session_counts_as_none(fans: Fans, own_origin: Header, token: str) -> None:
    socket = await fans.raw(("Cookie", f"{LOOPBACK_NAME}={token}"), own_origin)
    assert await close_code_after_hello(socket) == 4501


async def test_a_cookie_of_an_expired_session_counts_as_none(fans: Fans, own_origin: Header) -> None:
    cookie = await fans.cookie()
    await fans.world.postgres.pool.execute(
        "UPDATE session SET expires_at = clock_timestamp() - interval '1 second', created_at = now() - interval '1 day'"
        " WHERE token_hash = sha256($1)",
        cookie.partition("=")[2].encode(),
    )
    assert await close_code_after_hello(await fans.raw(("Cookie", cookie), own_origin)) == 4501


async def test_a_cookie_of_a_revoked_session_counts_as_none(fans: Fans, own_origin: Header) -> None:
    cookie = await fans.cookie()
    await fans.world.postgres.pool.execute(
        "DELETE FROM session WHERE token_hash = sha256($1)", cookie.partition("=")[2].encode()
    )
    assert await close_code_after_hello(await fans.raw(("Cookie", cookie), own_origin)) == 4501


async def test_the_cookie_name_of_a_secure_server_is_not_read_here(fans: Fans, own_origin: Header) -> None:
    token = (await fans.cookie()).partition("=")[2]
    socket = await fans.raw(("Cookie", f"{HOST_NAME}={token}"), own_origin)
    assert await close_code_after_hello(socket) == 4501


async def test_ready_tells_who_speaks_and_what_is_allowed_and_no_id_of_a_session(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    ready = await client.hello()
    assert ready["who"] == {"kind": "session", "ref": 1}
    assert ready["limits"] == {"cmd": 65_536, "text": 16_000, "subs": 8}
    assert set(ready) == {"t", "rid", "conn", "node", "who", "hb", "rj", "limits", "now"}


async def test_a_server_on_its_way_out_takes_no_sockets(fans: Fans, own_origin: Header) -> None:
    chat_side = fans.gateway.gateway
    chat_side.is_draining = True
    try:
        async with await fans.raw(("Cookie", await fans.cookie()), own_origin) as socket:
            assert socket.status == 503
            assert int(socket.header("retry-after")[0]) > 0
    finally:
        chat_side.is_draining = False


async def test_a_plain_request_is_not_upgraded(fans: Fans) -> None:
    async with http_client(fans.gateway.url) as http:
        assert (await http.get("/ws")).is_client_error


async def test_a_peer_that_goes_during_the_handshake_leaves_nothing_behind(fans: Fans, own_origin: Header) -> None:
    for _ in range(5):
        async with await fans.raw(("Cookie", await fans.cookie()), own_origin) as socket:
            socket.send_bytes(b"\x81")  # the beginning of a frame
    async with await fans.raw(("Cookie", await fans.cookie()), own_origin) as socket:
        assert (await socket.call(HELLO))["t"] == "ready"
