"""Issuers whose ID tokens are thin: what is missing is asked for, and only of the same person."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.auth.providers.openid import both_claims
from server.logs import TALKATIVE
from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.issuers import Lies, RunningIssuer, gateway_with, running_issuer
from tests.support.gateways import LocalGateway


@pytest.fixture
async def issuer() -> AsyncIterator[RunningIssuer]:
    async with running_issuer([]) as running:
        yield running


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, issuer: RunningIssuer) -> AsyncIterator[LocalGateway]:
    async with gateway_with(postgres_url, redis_url, issuer) as running:
        yield running


def thin(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in {"name", "email", "email_verified"}}


async def test_what_a_thin_token_does_not_say_is_asked_for(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres
) -> None:
    said = {"sub": "mara", "name": "Mara of the club", "email": "mara@club.example", "email_verified": "true"}
    issuer.lies = Lies(claims=thin, userinfo=said)
    assert notice_of(await browser.sign_in("mara", "tide")) == "Signed in as Mara of the club."
    user = await postgres.pool.fetchrow('SELECT email, email_verified IS NOT NULL AS vouched FROM "user"')
    assert user is not None
    assert tuple(user) == ("mara@club.example", True)


@pytest.mark.parametrize("said", [{"sub": "jonas", "name": "Jonas"}, {"name": "Nobody"}])
async def test_the_userinfo_of_somebody_else_signs_nobody_in(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres, said: dict[str, Any]
) -> None:
    issuer.lies = Lies(claims=thin, userinfo=said)
    assert "could not be verified" in str(trouble_of(await browser.sign_in("mara", "tide")))
    assert await postgres.pool.fetchval('SELECT count(*) FROM "user"') == 0


async def test_an_address_that_is_vouched_for_does_not_vouch_for_another(
    browser: SigningBrowser, issuer: RunningIssuer, postgres: Postgres
) -> None:
    def nameless(claims: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in claims.items() if name != "name"}

    issuer.lies = Lies(claims=nameless, userinfo={"sub": "mara", "name": "Mara", "email": "jonas@people.example"})
    assert notice_of(await browser.sign_in("mara", "tide")) == "Signed in as Mara."
    assert await postgres.pool.fetchval('SELECT email FROM "user"') == "mara@people.example"


@pytest.mark.parametrize(
    ("signed", "more", "address"),
    [
        ({"email": "a@x.example", "email_verified": True}, {"email": "b@x.example"}, ("a@x.example", True)),
        ({"email": "a@x.example"}, {"email": "b@x.example", "email_verified": True}, ("a@x.example", None)),
        ({"email_verified": True}, {"email": "b@x.example"}, ("b@x.example", None)),
        ({"email": None}, {"email": "b@x.example", "email_verified": True}, ("b@x.example", True)),
        ({}, {}, (None, None)),
    ],
)
def test_whoever_names_an_address_says_whether_it_is_proven(
    signed: dict[str, Any], more: dict[str, Any], address: tuple[str | None, bool | None]
) -> None:
    claims = both_claims(signed, more)
    assert (claims["email"], claims["email_verified"]) == address


async def test_a_token_that_lives_for_a_minute_is_used_in_it(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    said = {"sub": "mara", "name": "Mara of the club"}
    issuer.lies = Lies(claims=thin, userinfo=said, answer=lambda answer: {**answer, "expires_in": 30})
    assert notice_of(await browser.sign_in("mara", "tide")) == "Signed in as Mara of the club."


async def test_who_is_told_in_the_token_is_not_asked_for(browser: SigningBrowser, issuer: RunningIssuer) -> None:
    issuer.lies = Lies(userinfo={"sub": "mara", "name": "Another name"})
    assert notice_of(await browser.sign_in("mara", "tide")) == "Signed in as Mara Keller."
    assert "/userinfo" not in issuer.asked


async def test_nothing_of_a_sign_in_stands_in_the_log(
    browser: SigningBrowser, issuer: RunningIssuer, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets: list[str] = []

    def noted(answer: dict[str, Any]) -> dict[str, Any]:
        secrets.extend(answer[name] for name in ("access_token", "refresh_token", "id_token"))
        return answer

    caplog.set_level("INFO")
    for lies in (Lies(answer=noted), Lies(answer=noted, has_wrong_key=True)):
        issuer.lies = lies
        address = await browser.choose(await browser.depart("tide"), person="mara")
        secrets.extend(word for word in address.replace("&", "=").split("=") if len(word) > 20 and "%" not in word)
        secrets.extend(browser.http.cookies.values())
        await browser.arrive(address)
        secrets.extend(browser.http.cookies.values())
    captured = capfd.readouterr()
    # The browser of this test logs where it goes; a server tells these libraries to be quiet.
    ours = [record.getMessage() for record in caplog.records if record.name.partition(".")[0] not in TALKATIVE]
    logged = "\n".join([captured.out, captured.err, *ours])
    assert "sign_in_failed" in logged
    assert len(secrets) > 10
    assert [secret for secret in secrets if len(secret) > 12 and secret in logged] == []


async def test_a_code_of_the_standard_says_in_the_log_what_is_wrong(
    browser: SigningBrowser, issuer: RunningIssuer, capfd: pytest.CaptureFixture[str]
) -> None:
    for error in ("invalid_client", "a secret of theirs"):
        issuer.lies = Lies(answer=lambda answer, error=error: {"error": error})  # type: ignore[misc]
        assert "could not be verified" in str(trouble_of(await browser.sign_in("mara", "tide")))
    logged = "".join(capfd.readouterr())
    assert "invalid_client" in logged
    assert "a secret of theirs" not in logged
    assert "OAuthError" in logged
