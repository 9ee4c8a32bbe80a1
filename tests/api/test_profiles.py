"""Who one is, what one says about oneself, and what others see of it."""

import asyncio
from typing import Any

import httpx2
import pytest

from server.auth.api_keys import ApiKeys
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.api.test_sessions import browser_of
from tests.support.people import Person, signed_in
from tests.support.rows import Rows

ROUNDS = 20


async def without_username(postgres: Postgres, name: str = "mara_k") -> Person:
    person = await signed_in(postgres, name)
    await postgres.pool.execute('UPDATE "user" SET username = NULL WHERE id = $1', person.user_id)
    return person


async def state_of(browser: httpx2.AsyncClient, name: str) -> str:
    answer = await browser.get(f"/api/usernames/{name}")
    assert answer.status_code == 200
    state: str = answer.json()["state"]
    return state


async def test_a_user_a_visitor_and_a_program_are_told_who_they_are(site: Site, postgres: Postgres) -> None:
    async with browser_of(site, await signed_in(postgres, "mara_k", UserRole.ADMIN)) as browser:
        me: dict[str, Any] = (await browser.get("/api/me")).json()
    assert (me["kind"], me["name"], me["user"]["role"]) == ("user", "mara_k", "ADMIN")
    assert me["user"]["email"] == "mara_k@example.org"
    async with site.client() as visitor:
        assert (await visitor.get("/api/me")).status_code == 401
        await visitor.get("/")
        assert (await visitor.get("/api/me")).json() == {"kind": "session", "name": None, "user": None}
    _, secret = await ApiKeys(postgres).create("a bot")
    async with site.client() as program:
        program.headers["authorization"] = f"Bearer {secret}"
        assert (await program.get("/api/me")).json()["kind"] == "key"


async def test_what_is_left_out_stays(site: Site, postgres: Postgres) -> None:
    async with browser_of(site, await signed_in(postgres, "mara_k")) as browser:
        await browser.patch("/api/me", json={"displayName": " Mara ", "amountsPublic": True})
        changed = (await browser.patch("/api/me", json={"username": "Mara_Z", "picture": "PATTERN"})).json()["user"]
        assert (changed["username"], changed["displayName"]) == ("Mara_Z", "Mara")
        assert (changed["picture"], changed["amountsPublic"]) == ("PATTERN", True)
        assert (await browser.patch("/api/me", json={"displayName": ""})).json()["user"]["displayName"] is None
        assert (await browser.patch("/api/me", json={})).json()["name"] == "Mara_Z"


@pytest.mark.parametrize(
    "body",
    [
        {"username": "ab"},
        {"username": "admin"},
        {"username": None},
        {"displayName": "x" * 41},
        {"picture": "https://evil.example/1.png"},
        {"picture": None},
        {"role": "ADMIN"},
        {"x": 1},
    ],
)
async def test_what_may_not_be_said_is_a_bad_request(site: Site, postgres: Postgres, body: dict[str, Any]) -> None:
    async with browser_of(site, await signed_in(postgres, "mara_k")) as browser:
        before = (await browser.get("/api/me")).json()
        assert (await browser.patch("/api/me", json={"amountsPublic": True, **body})).status_code == 400
        assert (await browser.get("/api/me")).json() == before


async def test_a_visitor_has_no_profile(site: Site) -> None:
    async with site.client() as visitor:
        await visitor.get("/")
        headers = {"origin": site.public_urls[0]}
        for method, path in (("PATCH", "/api/me"), ("POST", "/welcome"), ("POST", "/me/settings")):
            assert (await visitor.request(method, path, json={}, headers=headers)).status_code == 403
        for path in ("/welcome", "/me/settings"):
            assert (await visitor.get(path)).headers["location"].startswith("/signin?next=")


async def test_a_username_is_unique_whatever_its_case(site: Site, postgres: Postgres) -> None:
    await signed_in(postgres, "mara_k")
    async with browser_of(site, await signed_in(postgres, "jonas")) as browser:
        names = ("Mara_K", "JONAS", "tidepool", "root", "x")
        assert [await state_of(browser, name) for name in names] == ["taken", "yours", "free", "reserved", "invalid"]
        refused = await browser.patch("/api/me", json={"username": "MARA_K"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert (await browser.patch("/api/me", json={"username": "JoNaS"})).json()["name"] == "JoNaS"


async def test_of_two_who_choose_one_name_at_once_one_gets_it(site: Site, postgres: Postgres) -> None:
    people = [await without_username(postgres, name) for name in ("mara_k", "jonas")]
    async with browser_of(site, people[0]) as first, browser_of(site, people[1]) as second:
        for number in range(ROUNDS):
            both = await asyncio.gather(
                first.patch("/api/me", json={"username": f"Tidepool-{number}"}),
                second.patch("/api/me", json={"username": f"tidepool-{number}"}),
            )
            assert sorted(answer.status_code for answer in both) == [200, 409]


async def test_the_first_sign_in_leads_over_the_choice_of_a_username(site: Site, postgres: Postgres) -> None:
    await signed_in(postgres, "jonas")
    async with browser_of(site, await without_username(postgres)) as browser:
        page = await browser.get("/welcome?next=/badges")
        assert 'value="/badges"' in page.text
        assert "Signed in as" not in page.text
        for name, status, told in (
            ("admin", 400, "not for people"),
            ("JONAS", 409, "Somebody else has this username."),
        ):
            again = await browser.post("/welcome", data={"username": name, "next": "/badges"})
            assert again.status_code == status
            assert told in again.text
            assert f'value="{name}"' in again.text
        done = await browser.post("/welcome", data={"username": "Mara_K", "next": "//evil.example"})
        assert (done.status_code, done.headers["location"]) == (303, "/me")
        assert (await browser.get("/welcome?next=/badges")).headers["location"] == "/badges"
        assert "Mara_K" in (await browser.get("/")).text


async def test_settings_are_saved_together_or_shown_again(site: Site, postgres: Postgres) -> None:
    await signed_in(postgres, "jonas")
    async with browser_of(site, await signed_in(postgres, "mara_k")) as browser:
        typed = {"username": "mara_z", "displayName": "Mara Z", "picture": "PATTERN", "amounts": "public"}
        wrong = await browser.post("/me/settings", data={**typed, "displayName": "\u202eMara", "username": "x"})
        assert (wrong.status_code, wrong.text.count('aria-invalid="true"')) == (400, 2)
        assert 'value="PATTERN" checked' in wrong.text  # what was chosen is not lost
        assert 'name="amounts" value="public" checked' in wrong.text
        assert (await browser.post("/me/settings", data={**typed, "picture": "provider"})).status_code == 400
        taken = await browser.post("/me/settings", data={**typed, "username": "Jonas"})
        assert (taken.status_code, 'value="Mara Z"' in taken.text) == (409, True)
        assert (await browser.get("/api/me")).json()["name"] == "mara_k"
        saved = await browser.post("/me/settings", data=typed)
        assert saved.headers["location"] == "/me/settings?saved=true"
        assert "Saved." in (await browser.get("/me/settings?saved=true")).text
        user = (await browser.get("/api/me")).json()["user"]
        assert (user["picture"], user["amountsPublic"]) == ("PATTERN", True)
        await browser.post("/me/settings", data={"username": "mara_z"})
        user = (await browser.get("/api/me")).json()["user"]
        assert (user["picture"], user["amountsPublic"], user["displayName"]) == ("INITIALS", False, None)


async def test_others_see_name_badges_and_since_when_and_nothing_else(
    site: Site, rows: Rows, postgres: Postgres
) -> None:
    person = await signed_in(postgres, "Mara_K")
    await rows.transaction(await rows.channel(), person.identity, cents=300)
    await postgres.pool.execute("UPDATE \"user\" SET image = 'https://pictures.example/1', display_name = 'Mara <3'")
    secret = (str(person.user_id), str(person.session_id), "example.org", "Real name", "pictures.example")
    async with site.client() as stranger:
        answer, page = await stranger.get("/api/users/mara_k"), await stranger.get("/u/MARA_K")
        assert (answer.json()["username"], answer.json()["supported"]) == ("Mara_K", None)
        assert "Mara &lt;3" in page.text
        assert not [one for one in secret if one in answer.text or one in page.text]
        assert "$3" not in page.text
        async with browser_of(site, person) as browser:
            await browser.patch("/api/me", json={"amountsPublic": True, "picture": "PATTERN"})
        answer, page = await stranger.get("/api/users/mara_k"), await stranger.get("/u/mara_k")
        assert answer.json()["supported"][0]["totals"][0]["amount"] == 300
        assert (answer.json()["picture"], page.text.count('class="initials pattern large"')) == ("PATTERN", 1)
        assert "$3" in page.text
        assert not [one for one in secret if one in answer.text or one in page.text]


@pytest.mark.parametrize("name", ["nobody_here", "x", "a%00b", "%F0%9F%90%99", "mara_k"])
async def test_who_is_not_there_is_not_found(site: Site, postgres: Postgres, name: str) -> None:
    await signed_in(postgres, "mara_k")
    await postgres.pool.execute('UPDATE "user" SET deleted_at = clock_timestamp()')
    async with site.client() as stranger:
        for path in (f"/api/users/{name}", f"/u/{name}"):
            assert (await stranger.get(path)).status_code == 404
