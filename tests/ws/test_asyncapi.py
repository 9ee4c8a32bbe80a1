"""The AsyncAPI document: by the book, complete, and true of its own examples."""

import json
from pathlib import Path
from typing import Any, Final, get_args

import jsonschema_rs
import msgspec
import pytest

from server.domain.errors import Code
from server.ws import protocol
from server.ws.asyncapi import document, tag_of
from server.ws.close_codes import CloseCode
from server.ws.examples import CONVERSATION, MORE
from tests.support.contract import faults_of

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENT: Final = document()
MESSAGES: Final[dict[str, Any]] = DOCUMENT["components"]["messages"]
SCHEMAS: Final[dict[str, Any]] = DOCUMENT["components"]["schemas"]
TAGGED: Final = [
    kind
    for kind in vars(protocol).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_config__.tag is not None
]


def test_it_is_an_asyncapi_3_document() -> None:
    schema = json.loads((ROOT / "tests/vendor/asyncapi-3.0.0.json").read_text())
    errors = jsonschema_rs.Draft7Validator(schema).iter_errors(DOCUMENT)
    assert not [f"{error.instance_path}: {error.message}" for error in errors]


def test_every_frame_of_the_protocol_is_in_it() -> None:
    kinds = {*get_args(protocol.AnyCommand), *get_args(protocol.AnyFrame)}
    assert kinds == set(TAGGED) - {protocol.Command}
    assert set(MESSAGES) == {tag_of(kind) for kind in kinds} | {"batch"}
    assert set(DOCUMENT["channels"]["socket"]["messages"]) == set(MESSAGES)


def test_every_command_says_what_answers_it() -> None:
    commands = {tag_of(kind) for kind in get_args(protocol.AnyCommand)}
    assert set(DOCUMENT["operations"]) == commands | {"tell"}
    for name in commands:
        operation = DOCUMENT["operations"][name]
        assert "err" in operation["reply"]["messages"][1]["$ref"]
        assert set(operation["x-errors"]) <= {code.value for code in Code}


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name != "Batch"])
def test_every_field_says_what_it_means(name: str) -> None:
    assert SCHEMAS[name]["description"]
    for field, schema in SCHEMAS[name]["properties"].items():
        choices = [schema, *schema.get("anyOf", [])]
        assert any("description" in choice or "$ref" in choice for choice in choices), f"{name}.{field}"


@pytest.mark.parametrize(
    "frame", [*(line.frame for line in CONVERSATION), *MORE], ids=lambda frame: tag_of(type(frame))
)
def test_every_example_is_what_the_document_says(frame: msgspec.Struct) -> None:
    assert faults_of(msgspec.to_builtins(frame)) == []


def test_every_kind_of_frame_has_an_example() -> None:
    assert [name for name, message in MESSAGES.items() if not message.get("examples")] == ["batch"]


def test_the_judge_finds_what_the_document_does_not_have() -> None:
    assert faults_of({"t": "pong", "n": 1, "now": 5}) == []
    assert faults_of({"t": "pong", "n": 1, "now": 5, "more": 1})
    assert faults_of({"t": "pong", "n": 1})
    assert faults_of({"t": "pong", "n": "1", "now": 5})
    assert faults_of({"t": "done", "k": 1})
    assert faults_of({"t": "dance"})


def test_the_server_leaves_out_what_it_has_not_and_never_writes_null() -> None:
    assert faults_of({"t": "ok", "rid": 1}) == []
    assert faults_of({"t": "ok", "rid": 1, "seq": None})


def test_every_code_says_when_it_comes() -> None:
    assert [code for code in Code if not code.meaning] == []
    assert [code for code in CloseCode if not code.meaning] == []
    assert [entry["code"] for entry in DOCUMENT["x-error-codes"]] == [code.value for code in Code]
    assert {entry["code"]: entry["comesBack"] for entry in DOCUMENT["x-close-codes"]} == {
        code.value: 4000 <= code.value < 4500 for code in CloseCode
    }


def test_the_copy_in_the_repository_is_current() -> None:
    assert json.loads((ROOT / "docs/asyncapi.json").read_text()) == DOCUMENT, "Run scripts/contracts."
