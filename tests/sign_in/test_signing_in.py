"""Signing in through the development sign-in on a running gateway: what is moved, said and kept."""

from uuid import UUID

from server.auth.cookies import LOOPBACK_NAME
from server.domain.identity import Identity
from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser, notice_of, trouble_of
from tests.sign_in.conftest import NewBrowser
from tests.support.http_clients import http_client
from tests.support.rows import Rows


async def user_ids(postgres: Postgres) -> list[UUID]:
    return [row["id"] for row in await postgres.pool.fetch('SELECT id FROM "user" ORDER BY created_at')]


async def test_a_stranger_becomes_a_user_with_one_account(browser: SigningBrowser, postgres: Postgres) -> None:
    page = await browser.sign_in("mara")
    assert page.status_code == 200
    assert notice_of(page) == "Signed in as Mara Keller."
    user = await postgres.pool.fetchrow('SELECT name, email, email_verified, username, role FROM "user"')
    assert user is not None
    assert (user["name"], user["email"], user["username"], user["role"]) == (
        "Mara Keller",
        "mara@people.example",
        None,
        "USER",
    )
    assert user["email_verified"] is not None
    account = await postgres.pool.fetchrow("SELECT * FROM account")
    assert account is not None
    assert (account["type"], account["provider"], account["provider_account_id"]) == ("oidc", "development", "mara")
    assert (account["token_type"], account["scope"]) == ("Bearer", "openid email profile")


async def test_what_is_said_is_said_once(browser: SigningBrowser) -> None:
    assert notice_of(await browser.sign_in()) is not None
    assert notice_of(await browser.http.get("/me")) is None


async def test_the_same_person_is_the_same_user_on_every_device(new_browser: NewBrowser, postgres: Postgres) -> None:
    await new_browser().sign_in("mara")
    await new_browser().sign_in("mara")
    await new_browser().sign_in("jonas")
    assert len(await user_ids(postgres)) == 2
    assert await postgres.pool.fetchval("SELECT count(*) FROM account") == 2


async def test_one_thing_is_spoken_of_as_one(browser: SigningBrowser, postgres: Postgres, rows: Rows) -> None:
    await browser.http.get("/")
    session_id = await postgres.pool.fetchval("SELECT id FROM session")
    chat_id = await rows.chat(Identity(session_id=session_id), await rows.active_channel())
    await rows.turn(chat_id, 1, "Who lives there?", "An octopus.")
    page = await browser.http.get("/signin")
    assert "You have 1 chat in this browser. It will move to your account." in page.text


async def test_what_the_visitor_gave_moves_and_the_page_says_so(
    browser: SigningBrowser, postgres: Postgres, rows: Rows
) -> None:
    channel_id = await rows.active_channel()
    await browser.http.get("/")
    session_id = await postgres.pool.fetchval("SELECT id FROM session")
    visitor = await rows.session()
    await postgres.pool.execute("DELETE FROM session WHERE id = $1", visitor.session_id)
    for cents in (100, 200, 300):
        await rows.transaction(channel_id, type(visitor)(session_id=session_id), cents=cents, credits_=cents // 10)
    page = await browser.http.get("/signin?next=/me")
    assert "You have 3 contributions in this browser. They will move to your account." in page.text
    signed_in = await browser.sign_in()
    told = notice_of(signed_in)
    assert told is not None
    assert told.startswith("Signed in as Mara Keller. 3 contributions")
    assert told.endswith("were added to your account.")
    user_id = (await user_ids(postgres))[0]
    owners = await postgres.pool.fetch('SELECT DISTINCT user_id FROM "transaction"')
    assert [row["user_id"] for row in owners] == [user_id]


async def test_the_session_goes_on_under_a_new_token(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.http.get("/")
    old = browser.http.cookies[LOOPBACK_NAME]
    session_id = await postgres.pool.fetchval("SELECT id FROM session")
    await browser.sign_in()
    assert browser.http.cookies[LOOPBACK_NAME] != old
    row = await postgres.pool.fetchrow("SELECT id, user_id FROM session WHERE user_id IS NOT NULL")
    assert row is not None
    assert row["id"] == session_id
    async with http_client(browser.url, {"cookie": f"{LOOPBACK_NAME}={old}"}) as thief:
        assert (await thief.get("/api/me/transactions")).status_code == 401


async def test_a_name_that_is_typed_is_the_same_person_each_time(new_browser: NewBrowser, postgres: Postgres) -> None:
    for name in ("Ada  Lovelace", "ada lovelace"):
        browser = new_browser()
        address = await browser.choose(await browser.depart("development"), name=name)
        assert notice_of(await browser.arrive(address)) == "Signed in as Ada Lovelace." or name != "Ada  Lovelace"
    assert len(await user_ids(postgres)) == 1


async def test_cancelled_consent_changes_nothing_and_says_so(browser: SigningBrowser, postgres: Postgres) -> None:
    address = await browser.choose(await browser.depart("development"), cancel="1")
    page = await browser.arrive(address)
    assert trouble_of(page) == (
        "Development sign-in did not confirm the sign-in. Nothing changed. Try again, or choose another way."
    )
    assert await user_ids(postgres) == []


async def test_it_leads_back_to_where_it_began_and_nowhere_else(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara")
    await postgres.pool.execute("UPDATE \"user\" SET username = 'mara_k'")
    for asked, led in (
        ("/c/lab?x=1", "/c/lab?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://a.example", "/"),
        ("/" + "n" * 299, "/" + "n" * 299),
        ("/" + "n" * 300, "/"),
    ):
        address = await browser.choose(await browser.depart("development", next=asked), person="mara")
        assert (await browser.http.get(address)).headers["location"] == led


async def test_who_has_no_username_is_asked_for_one_on_the_way(browser: SigningBrowser) -> None:
    address = await browser.choose(await browser.depart("development", next="/c/lab?x=1"), person="mara")
    page = await browser.arrive(address)
    assert str(page.url).endswith("/welcome?next=%2Fc%2Flab%3Fx%3D1")
    assert notice_of(page) == "Signed in as Mara Keller."
    assert "Choose a username" in page.text


async def test_who_has_a_username_is_called_by_it(browser: SigningBrowser, postgres: Postgres) -> None:
    await browser.sign_in("mara")
    await postgres.pool.execute("UPDATE \"user\" SET username = 'mara_k'")
    assert notice_of(await browser.sign_in("mara")) == "Signed in as mara_k."


async def test_the_way_that_was_used_last_is_marked(browser: SigningBrowser) -> None:
    assert "Last used" not in (await browser.http.get("/signin")).text
    await browser.sign_in("mara")
    assert "Last used" in (await browser.http.get("/signin")).text


async def test_a_word_of_the_address_that_is_none_of_ours_is_not_shown(browser: SigningBrowser) -> None:
    page = await browser.http.get("/signin?trouble=elsewhere&provider=<b>evil&through=<i>evil,development")
    assert "evil" not in page.text
    assert "You have an account through Development sign-in." in page.text
    assert (await browser.http.get("/signin?trouble=made-up")).status_code == 400
