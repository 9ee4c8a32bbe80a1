"""The OpenAPI document: by the book, complete, and what the server and the repository have."""

import json
from pathlib import Path
from typing import Any, Final

import httpx2
import jsonschema_rs
import pytest
from starlette.routing import Mount, Route

from server.api.contract import rest_document
from server.api.openapi import document
from server.api.operations import Answer, Operation, described
from server.domain.errors import Code
from tests.api.site import Site

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = rest_document()
SCHEMAS: Final[dict[str, Any]] = DOCUMENT["components"]["schemas"]
OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    f"{method} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_it_is_an_openapi_3_1_document() -> None:
    schema = json.loads((ROOT / "tests/vendor/openapi-3.1.json").read_text())
    errors = jsonschema_rs.Draft202012Validator(schema).iter_errors(DOCUMENT)
    assert not [f"{error.instance_path}: {error.message}" for error in errors]


async def test_every_route_of_the_server_is_in_it(site: Site) -> None:
    served = {}
    for route in site.app().routes:
        path = f"{route.path}/{{path}}" if isinstance(route, Mount) else getattr(route, "path", "")
        served[path] = {method.lower() for method in getattr(route, "methods", None) or {"GET"}} - {"head"}
    assert {path: set(methods) for path, methods in DOCUMENT["paths"].items()} == served


def test_a_route_that_does_not_say_what_it_answers_is_found() -> None:
    async def silent() -> None:
        """`GET /silent`: nothing."""

    with pytest.raises(LookupError, match="silent"):
        document([Route("/silent", silent)])


def test_a_route_that_refuses_and_answers_with_one_status_is_found() -> None:
    @described(Operation("Pages", {503: Answer("Torn.")}, refusals=(Code.UNAVAILABLE,)))
    async def torn() -> None:
        """`GET /torn`: nothing."""

    with pytest.raises(AssertionError, match="503"):
        document([Route("/torn", torn)])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_says_what_it_means(name: str) -> None:
    assert SCHEMAS[name]["description"]
    assert [field for field, schema in SCHEMAS[name].get("properties", {}).items() if not schema["description"]] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_it_is_for_and_what_its_parameters_are(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"][:1] not in {"", "`"}
    assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}
    assert [one["name"] for one in operation["parameters"] if not one["description"]] == []
    assert {"400", "413", "500"} < set(operation["responses"])


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", [name for name, schema in SCHEMAS.items() if "examples" in schema])
def test_every_example_is_of_its_shape(name: str) -> None:
    components = {"components": {"schemas": SCHEMAS}}
    validator = jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **components})
    for example in SCHEMAS[name]["examples"]:
        assert [error.message for error in validator.iter_errors(example)] == []


def test_every_answer_of_the_api_has_an_example() -> None:
    shown = {
        content["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
        for operation in OPERATIONS.values()
        for response in operation["responses"].values()
        if "application/json" in (content := response.get("content", {}))
    }
    assert [name for name in shown if name and "examples" not in SCHEMAS[name]] == []


def test_every_code_has_its_status() -> None:
    assert [entry["code"] for entry in DOCUMENT["x-error-codes"]] == [code.value for code in Code]
    assert SCHEMAS["Code"]["enum"] == sorted(code.value for code in Code)


async def test_the_server_serves_both_documents(client: httpx2.AsyncClient) -> None:
    rest, websocket = await client.get("/api/openapi.json"), await client.get("/api/docs/websocket.json")
    assert (rest.headers["content-type"], websocket.headers["content-type"]) == ("application/json",) * 2
    assert rest.json() == DOCUMENT
    assert websocket.json()["asyncapi"] == "3.0.0"
    assert "set-cookie" not in rest.headers


def test_the_copy_in_the_repository_is_current() -> None:
    assert json.loads((ROOT / "docs/openapi.json").read_text()) == DOCUMENT, "Run scripts/contracts."
