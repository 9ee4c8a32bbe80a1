"""Schemathesis asks a real server everything that the OpenAPI document allows, and much that it does not: no answer is
one that the document does not have, and none is a mistake of ours."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from server.api.contract import rest_document
from server.api.security_headers import HEADERS
from server.embedded.valkey import EmbeddedValkey
from tests.support.asked_server import AskedServer, asked_server
from tests.support.databases import Databases

EXAMPLES: Final = 20
PAGES_WITH_FORMS: Final = ("/admin/channels/", "/c/{name}/contribute", "/checkout/{id}", "/me/", "/welcome")
Case = schemathesis.Case[Any]


def schema(*, invents_sessions: bool) -> schemathesis.BaseSchema:
    config = {
        "seed": 20261122,
        "request-timeout": 60,
        "generation": {
            "deterministic": True,
            "max-examples": EXAMPLES,
            "allow-x00": False,
            "with-security-parameters": invents_sessions,
        },
        "phases": {"coverage": {"generate-duplicate-query-parameters": True}},
    }
    return schemathesis.openapi.from_dict(rest_document(), config=schemathesis.Config.from_dict(config))


OF_STRANGERS: Final = schema(invents_sessions=True)
OF_VISITORS: Final = schema(invents_sessions=False)


@pytest.fixture(scope="module")
def server(databases: Databases, valkey_server: EmbeddedValkey) -> Iterator[AskedServer]:
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    with asked_server(databases.url(name), valkey_server.url) as running:
        yield running
    databases.drop(name)


def is_id(value: object) -> bool:
    try:
        return bool(UUID(str(value)))
    except ValueError:
        return False


def has_floats(body: object) -> bool:
    return isinstance(body, dict) and any(isinstance(value, float) for value in body.values())


def has_origins(body: object) -> bool:
    return isinstance(body, dict) and bool(body.get("origins"))


def ask(case: Case, server: AskedServer, headers: dict[str, str]) -> None:
    """Ask, and check the answer in every way; a cursor that was made up is refused however well it is formed, days may
    be in the wrong order, and what was typed into a form is judged by its page. 5.0 is an integer to JSON Schema, and
    no amount of cents to us; what an origin is, no schema says."""
    is_typed = case.operation.path.startswith(PAGES_WITH_FORMS)
    is_unfit = not {"cursor", "channelsCursor", "from"}.isdisjoint(case.query or {})
    is_made_up = is_typed or is_unfit or has_floats(case.body) or has_origins(case.body)
    made_up: list[CheckFunction] = [positive_data_acceptance] if is_made_up else []
    case.call_and_validate(base_url=server.url, headers=headers, excluded_checks=made_up)


@OF_STRANGERS.parametrize()
@settings(deadline=None)
def test_a_stranger_gets_no_undocumented_answer(case: Case, server: AskedServer) -> None:
    ask(case, server, {})


@OF_VISITORS.parametrize()
@settings(deadline=None)
def test_a_visitor_gets_no_undocumented_answer(case: Case, server: AskedServer) -> None:
    """Ids of chats and messages are the visitor's own, wherever they are ids at all."""
    path, query = case.path_parameters or {}, case.query or {}
    if is_id(path.get("id")):
        path["id"] = server.chat
    if is_id(query.get("before")):
        query["before"] = server.message
    cookie = server.cookie
    if case.operation.path == "/signout":  # the others still need theirs
        cookie = "; ".join(f"{name}={value}" for name, value in httpx2.get(server.url).cookies.items())
    ask(case, server, {"Cookie": cookie, "Origin": server.url})


@OF_VISITORS.include(path_regex="^/api/admin/").parametrize()
@settings(deadline=None)
def test_an_admin_gets_no_undocumented_answer(case: Case, server: AskedServer) -> None:
    """What is reversed is a transaction that there is, wherever the id is one at all."""
    path = case.path_parameters or {}
    if is_id(path.get("id")):
        path["id"] = server.transaction
    ask(case, server, {"Cookie": server.admin_cookie, "Origin": server.url})


@pytest.mark.parametrize("path", ["/c/deep%0Asea", "/api/channels/deep%0Asea", "/static/site%0A.css", "/a%0D%0Ab"])
def test_an_address_with_a_line_break_is_answered_like_any_other(server: AskedServer, path: str) -> None:
    answer = httpx2.get(f"{server.url}{path}", headers={"accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
