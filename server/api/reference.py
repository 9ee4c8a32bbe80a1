"""The two documents as their pages show them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.api.prose import anchor_of, headings_of
from server.api.schema_rows import Row, Shape, row_of, shape_of

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One status that an operation answers with.

    Attributes:
        shapes: names of what it carries; empty: something else, or nothing.
    """

    status: str
    text: str
    media_types: Sequence[str]
    shapes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation of the HTTP side.

    Attributes:
        body: name of the shape of its JSON body; empty: it reads none.
    """

    id: str
    method: str
    path: str
    text: str
    is_personal: bool
    parameters: Sequence[Row]
    body: str
    replies: Sequence[Reply]


@dataclass(frozen=True, slots=True)
class Frame:
    """A kind of frame.

    Attributes:
        answers: tags of what a command is answered with; empty: it is no command.
        errors: codes that a command may be refused with.
        is_numbered: whether it is an event with a place in the order of its chat.
        examples: each as JSON on one line.
    """

    tag: str
    text: str
    rows: Sequence[Row]
    answers: Sequence[str]
    errors: Sequence[str]
    is_numbered: bool
    examples: Sequence[str]


@dataclass(frozen=True, slots=True)
class RestReference:
    """What the page of the HTTP side shows."""

    title: str
    guide: str
    contents: Sequence[tuple[str, str]]
    groups: Sequence[tuple[str, str, Sequence[Route]]]
    shapes: Sequence[Shape]
    codes: Sequence[Json]


@dataclass(frozen=True, slots=True)
class WebsocketReference:
    """What the page of the websocket shows.

    Attributes:
        conversation: who says it, the note, the frame as JSON on one line.
    """

    title: str
    guide: str
    contents: Sequence[tuple[str, str]]
    commands: Sequence[Frame]
    frames: Sequence[Frame]
    parts: Sequence[Shape]
    codes: Sequence[Json]
    close_codes: Sequence[Json]
    conversation: Sequence[tuple[str, str, str]]


def reference_of_rest(document: Json) -> RestReference:
    """The page of an OpenAPI document."""
    guide = document["info"]["description"]
    routes = [
        (operation["tags"][0], _route(path, method, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [
        (tag["name"], tag["description"], [route for name, route in routes if name == tag["name"]])
        for tag in document["tags"]
    ]
    own = [*(name for name, _, _ in groups), "Shapes", "Codes"]
    return RestReference(
        document["info"]["title"],
        guide,
        _contents([*headings_of(guide), *own]),
        groups,
        [shape_of(name, schema) for name, schema in sorted(document["components"]["schemas"].items())],
        document["x-error-codes"],
    )


def reference_of_websocket(document: Json) -> WebsocketReference:
    """The page of an AsyncAPI document."""
    guide, components = document["info"]["description"], document["components"]
    commands = [name for name, operation in document["operations"].items() if operation["action"] == "receive"]
    schemas = {name: message["payload"]["$ref"].rpartition("/")[2] for name, message in components["messages"].items()}
    frames = [name for name in schemas if name not in {*commands, "batch"}]
    parts = [name for name in components["schemas"] if name not in schemas.values()]
    own = ["A conversation", "Commands", "Frames of the server", "Parts of frames", "Error codes", "Close codes"]
    return WebsocketReference(
        document["info"]["title"],
        guide,
        _contents([*headings_of(guide), *own]),
        [_frame(name, document) for name in commands],
        [_frame(name, document) for name in frames],
        [shape_of(name, components["schemas"][name]) for name in parts],
        document["x-error-codes"],
        document["x-close-codes"],
        [(line["from"], line.get("note", ""), _line(line["frame"])) for line in document["x-conversation"]],
    )


def _contents(headings: Sequence[str]) -> list[tuple[str, str]]:
    return [(heading, anchor_of(heading)) for heading in headings]


def _route(path: str, method: str, operation: Json) -> Route:
    return Route(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        "security" in operation,
        [_parameter(one) for one in operation["parameters"]],
        _body(operation),
        [_reply(status, response) for status, response in operation["responses"].items()],
    )


def _body(operation: Json) -> str:
    content = operation.get("requestBody", {"content": {}})["content"]
    return next((str(media["schema"]["$ref"]).rpartition("/")[2] for media in content.values()), "")


def _parameter(parameter: Json) -> Row:
    schema = {"description": parameter["description"], **parameter["schema"]}
    return row_of(parameter["name"], schema, is_required=parameter.get("required", False))


def _reply(status: str, response: Json) -> Reply:
    content = response.get("content", {})
    references = [media["schema"].get("$ref", "") for media in content.values()]
    shapes = [reference.rpartition("/")[2] for reference in references if reference]
    return Reply(status, response["description"], list(content), shapes)


def _frame(tag: str, document: Json) -> Frame:
    components = document["components"]
    message, operation = components["messages"][tag], document["operations"].get(tag, {})
    schema = components["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    shape = shape_of(tag, schema)
    answers = [one["$ref"].rpartition("/")[2] for one in operation.get("reply", {}).get("messages", ())]
    return Frame(
        tag,
        message["summary"],
        [row for row in shape.rows if row.name != "t"],
        answers,
        operation.get("x-errors", ()),
        "s" in schema["properties"],
        [_line(example["payload"]) for example in message["examples"]],
    )


def _line(frame: Json) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
