"""What an issuer, or somebody between, may say: none of it signs anybody in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from server.auth.attempts import ATTEMPTS_MAX, NEXT_CHARACTERS_MAX
from server.auth.cookies import LOOPBACK_NAME
from server.auth.providers.options import SignInOptions
from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.issuers import Lies, RunningIssuer, running_issuer
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client

UNTRUSTED = "What Tide answered could not be verified. Nothing changed. Start again."
EXPIRED = "That sign-in was too old, or was begun in another browser. Nothing changed. Start again."
UNREACHABLE = "Tide cannot be reached right now. Nothing changed. Try again in a moment."


@pytest.fixture
async def redirect_uris() -> list[str]:
    return []


@pytest.fixture
async def issuer(redirect_uris: list[str]) -> AsyncIterator[RunningIssuer]:
    async with running_issuer(redirect_uris) as running:
        yield running


@pytest.fixture
async def other_issuer(redirect_uris: list[str]) -> AsyncIterator[RunningIssuer]:
    async with running_issuer(redirect_uris) as running:
        yield running


@pytest.fixture
async def gateway(
    postgres_url: str,
    redis_url: str,
    issuer: RunningIssuer,
    other_issuer: RunningIssuer,
    redirect_uris: list[str],
) -> AsyncIterator[LocalGateway]:
    providers = [issuer.options("tide", "Tide"), other_issuer.options("reef", "Reef")]
    async with local_gateway(postgres_url, redis_url, sign_in=SignInOptions(providers)) as running:
        redirect_uris += [f"{running.url}/signin/{name}/callback" for name in ("tide", "reef")]
        yield running


async def assert_nobody(browser: SigningBrowser, postgres: Postgres) -> None:
    """No user, no account, no session of a user."""
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == 0
    assert await postgres.pool.fetchval("SELECT count(*) FROM account") == 0
    assert await postgres.pool.fetchval("SELECT count(*) FROM session WHERE user_id IS NOT NULL") == 0


async def test_an_issuer_that_tells_the_truth_is_believed(browser: SigningBrowser) -> None:
    assert notice_of(await browser.sign_in("mara", "tide")) == "Signed in as Mara Keller."


def changed(**values: Any) -> Lies:
    return Lies(claims=lambda claims: {**claims, **values})


def without(name: str) -> Lies:
    return Lies(claims=lambda claims: {key: value for key, value in claims.items() if key != name})


LIES = {
    "another issuer": changed(iss="https://accounts.google.com"),
    "a list of issuers": Lies(claims=lambda claims: {**claims, "iss": ["https://a.example", claims["iss"]]}),
    "no issuer": without("iss"),
    "another audience": changed(aud="somebody-else"),
    "another audience in our name": changed(aud="somebody-else", azp="a-client"),
    "no audience": without("aud"),
    "an authorized party that is not ours": changed(azp="somebody-else"),
    "another nonce": changed(nonce="of another sign-in"),
    "no nonce": without("nonce"),
    "an old token": changed(exp=1_000_000_000),
    "no end": without("exp"),
    "a token of tomorrow": Lies(seconds=86_400.0),
    "a clock that is three minutes ahead": Lies(seconds=180.0),
    "no subject": without("sub"),
    "an empty subject": changed(sub=""),
    "a subject that is no text": changed(sub=7),
    "alg none": Lies(algorithm="none"),
    "the public key as a secret": Lies(algorithm="HS256"),
    "another key": Lies(has_wrong_key=True),
    "no ID token": Lies(answer=lambda answer: {k: v for k, v in answer.items() if k != "id_token"}),
    "no access token": Lies(answer=lambda answer: {k: v for k, v in answer.items() if k != "access_token"}),
    "an ID token that is none": Lies(answer=lambda answer: {**answer, "id_token": "x.y.z"}),
    "half a character in an access token": Lies(written=lambda body: body.replace(b'token":"', b'token":"\\ud800')),
    "half a character as a kind of token": Lies(written=lambda body: body.replace(b"Bearer", b"\\ud800")),
    "a token that lives for ever and ever": Lies(written=lambda body: body.replace(b"3600", b"1e999")),
    "an answer that is no object": Lies(written=lambda body: b"[%s]" % body),
    "an error": Lies(answer=lambda answer: {"error": "invalid_grant"}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_what_is_not_true_signs_nobody_in(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres, lie: str
) -> None:
    issuer.lies = LIES[lie]
    assert trouble_of(await browser.sign_in("mara", "tide")) == UNTRUSTED
    await assert_nobody(browser, postgres)


@pytest.mark.parametrize("seconds", [-60.0, 60.0])
async def test_a_clock_that_is_a_little_off_is_forgiven(
    browser: SigningBrowser, issuer: RunningIssuer, seconds: float
) -> None:
    issuer.lies = Lies(seconds=seconds)
    assert notice_of(await browser.sign_in("mara", "tide")) is not None


@pytest.mark.parametrize(
    "description",
    [
        {"issuer": "https://accounts.google.com"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "http://[::ffff:10.0.0.1]/jwks"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": "http://login.example/token"},
        {"token_endpoint": 7},
        {"token_endpoint": "http://127.0.0.1:99999/token"},
        {"jwks_uri": "http://127.0.0.1:port/jwks"},
        {"authorization_endpoint": "https://login example/authorize"},
    ],
)
async def test_an_issuer_that_describes_itself_wrongly_is_not_asked(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres, description: dict[str, Any]
) -> None:
    issuer.lies = Lies(description=lambda said: {**said, **description})
    answer = await browser.http.post("/signin/tide", data={"next": "/"}, headers={"origin": browser.url})
    page = await browser.http.get(answer.headers["location"])
    assert trouble_of(page) == UNTRUSTED
    assert issuer.asked == ["/.well-known/openid-configuration"]


async def test_an_issuer_cannot_choose_how_it_is_reached(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    chosen = {"proxy": "http://127.0.0.1:1", "verify": False, "scope": "everything", "leeway": -(10**9)}
    issuer.lies = Lies(description=lambda said: {**said, **chosen})
    assert notice_of(await browser.sign_in("mara", "tide")) is not None


async def test_a_code_works_once(browser: SigningBrowser, postgres: Postgres) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    cookies = dict(browser.http.cookies)
    assert notice_of(await browser.arrive(address)) is not None
    async with http_client(browser.url) as http:
        http.cookies.update(cookies)  # a browser that kept what it was told to forget
        again = SigningBrowser(http, browser.url)
        assert trouble_of(await again.arrive(address)) == UNTRUSTED
    assert await postgres.pool.fetchval("SELECT count(*) FROM session WHERE user_id IS NOT NULL") == 1


async def test_an_answer_counts_once_in_one_browser(browser: SigningBrowser) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    await browser.arrive(address)
    assert trouble_of(await browser.arrive(address)) == EXPIRED


async def test_an_answer_counts_in_no_other_browser(
    browser: SigningBrowser, gateway: LocalGateway, issuer: RunningIssuer, postgres: Postgres
) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    async with http_client(gateway.url) as http:
        victim = SigningBrowser(http, gateway.url)
        await victim.depart("tide")
        assert trouble_of(await victim.arrive(address)) == EXPIRED
    assert "/token" not in issuer.asked
    await assert_nobody(browser, postgres)


async def test_a_code_of_another_sign_in_is_worth_nothing(
    browser: SigningBrowser, gateway: LocalGateway, postgres: Postgres
) -> None:
    stolen = parse_qs(urlsplit(await browser.choose(await browser.depart("tide"), person="mara")).query)["code"][0]
    async with http_client(gateway.url) as http:
        thief = SigningBrowser(http, gateway.url)
        own = urlsplit(await thief.choose(await thief.depart("tide"), person="jonas"))
        words = {name: values[0] for name, values in parse_qs(own.query).items()} | {"code": stolen}
        page = await thief.arrive(own._replace(query=urlencode(words)).geturl())
        assert trouble_of(page) == UNTRUSTED
    await assert_nobody(browser, postgres)


async def test_an_answer_at_the_callback_of_another_provider_is_nobody_s(
    browser: SigningBrowser, other_issuer: RunningIssuer, postgres: Postgres
) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    page = await browser.arrive(address.replace("/signin/tide/", "/signin/reef/"))
    assert trouble_of(page) == EXPIRED
    assert "/token" not in other_issuer.asked
    await assert_nobody(browser, postgres)


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
async def test_an_answer_in_the_name_of_another_issuer_sends_no_code_anywhere(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres, iss: str
) -> None:
    parts = urlsplit(await browser.choose(await browser.depart("tide"), person="mara"))
    words = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert words.pop("iss") == issuer.url
    page = await browser.arrive(parts._replace(query=urlencode(words | ({"iss": iss} if iss else {}))).geturl())
    assert trouble_of(page) == UNTRUSTED
    assert "/token" not in issuer.asked
    await assert_nobody(browser, postgres)


async def test_pkce_is_sent_and_its_verifier_is_never_in_an_address(browser: SigningBrowser) -> None:
    query = parse_qs(urlsplit(await browser.depart("tide")).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43
    assert "code_verifier" not in query
    assert len(query["state"][0]) >= 20
    assert len(query["nonce"][0]) >= 20


async def test_the_issuer_refuses_who_does_not_use_pkce(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    parts = urlsplit(await browser.depart("tide"))
    words = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for changed_words in ({"code_challenge_method": "plain"}, {"code_challenge": ""}):
        address = parts._replace(query=urlencode(words | changed_words)).geturl()
        back = urlsplit((await browser.http.get(address)).headers["location"])
        assert parse_qs(back.query)["error"] == ["invalid_request"]


async def test_three_tabs_may_sign_in_and_the_oldest_of_four_is_forgotten(browser: SigningBrowser) -> None:
    addresses = [await browser.choose(await browser.depart("tide"), person="mara") for _ in range(4)]
    assert trouble_of(await browser.arrive(addresses[0])) == EXPIRED
    for address in addresses[1:]:
        assert notice_of(await browser.arrive(address)) is not None


async def test_tabs_that_begin_at_once_all_arrive(browser: SigningBrowser) -> None:
    await browser.http.get("/signin")
    departures = await asyncio.gather(*(browser.depart("tide") for _ in range(ATTEMPTS_MAX)))
    for address in [await browser.choose(departure, person="mara") for departure in departures]:
        assert notice_of(await browser.arrive(address)) is not None


async def test_a_tab_that_arrives_touches_nothing_that_another_keeps(browser: SigningBrowser) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    before = set(browser.http.cookies)
    await browser.depart("tide")
    (others,) = set(browser.http.cookies) - before
    answer = await browser.http.get(address)
    assert not any(header.startswith(f"{others}=") for header in answer.headers.get_list("set-cookie"))


async def test_the_longest_way_back_fits_a_cookie(browser: SigningBrowser) -> None:
    for letter in ("n", '"', "\N{GRINNING FACE}"):
        await browser.depart("tide", next="/" + letter * (NEXT_CHARACTERS_MAX - 1))
    kept = {name: value for name, value in browser.http.cookies.items() if name.startswith("tallylight_signin_")}
    assert len(kept) == 3
    assert max(len(name) + len(value) for name, value in kept.items()) < 4_096


async def test_an_issuer_that_is_not_there_is_said_to_be(
    postgres_url: str, redis_url: str, issuer: RunningIssuer
) -> None:
    nowhere = replace(issuer.options("tide", "Tide"), base_url="http://127.0.0.1:1")
    async with (
        local_gateway(postgres_url, redis_url, sign_in=SignInOptions([nowhere])) as running,
        http_client(running.url) as http,
    ):
        answer = await http.post("/signin/tide", data={"next": "/me"}, headers={"origin": running.url})
        assert answer.headers["location"] == "/signin?trouble=unreachable&provider=tide&next=%2Fme"
        assert trouble_of(await http.get(answer.headers["location"])) == UNREACHABLE


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
async def test_no_other_page_begins_a_sign_in(
    browser: SigningBrowser, issuer: RunningIssuer, origin: str | None
) -> None:
    answer = await browser.http.post("/signin/tide", data={}, headers={"origin": origin} if origin else {})
    assert answer.status_code == 403
    assert issuer.asked == []


async def test_looking_at_the_way_back_without_taking_it_uses_nothing_up(
    browser: SigningBrowser, postgres: Postgres
) -> None:
    address = await browser.choose(await browser.depart("tide"), person="mara")
    assert (await browser.http.head(address)).status_code == 303
    await assert_nobody(browser, postgres)
    assert notice_of(await browser.arrive(address)) is not None


async def test_two_who_sign_in_at_once_as_one_person_become_one_user(gateway: LocalGateway, postgres: Postgres) -> None:
    async with http_client(gateway.url) as one, http_client(gateway.url) as two:
        browsers = [SigningBrowser(http, gateway.url) for http in (one, two)]
        addresses = [await each.choose(await each.depart("tide"), person="mara") for each in browsers]
        answers: list[httpx2.Response] = await asyncio.gather(
            *(each.http.get(address) for each, address in zip(browsers, addresses, strict=True))
        )
        assert all(LOOPBACK_NAME in answer.headers["set-cookie"] for answer in answers)
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == 1
