"""The AsyncAPI document as the judge of frames.

Clients pass over fields they do not know; here a field that the document does not have is a fault.
"""

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from server.ws.asyncapi import document


def faults_of(frame: Mapping[str, Any]) -> list[str]:
    """What is wrong with a frame or command of either side; empty: it is as the document says."""
    validator = _validators().get(str(frame.get("t")))
    if validator is None:
        return [f"the document has no {frame.get('t')!r}: {frame}"]
    return [f"{frame['t']} {error.instance_path}: {error.message}" for error in validator.iter_errors(dict(frame))]


def faults_of_answer(t: str, answer: Mapping[str, Any]) -> list[str]:
    """What is wrong with an answer to a command of this kind: a code that the document does not name there."""
    if answer["t"] != "err" or answer["code"] in _document()["operations"][t]["x-errors"]:
        return []
    return [f"the document does not say that {t} may be refused with {answer['code']}"]


@cache
def _document() -> Mapping[str, Any]:
    return document()


@cache
def _validators() -> Mapping[str, jsonschema_rs.Draft7Validator]:
    components = copy.deepcopy(_document()["components"])
    for schema in components["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return {
        tag: jsonschema_rs.Draft7Validator({"allOf": [message["payload"]], "components": components})
        for tag, message in components["messages"].items()
    }
