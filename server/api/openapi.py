"""The OpenAPI 3.1 document, made from the table of routes and the Structs that read requests and write answers."""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.routing import BaseRoute, Mount, Route

from server.api.docstrings import field_texts, text_of
from server.api.examples import EXAMPLES
from server.api.guide import GUIDE, TAGS
from server.api.idempotency import HEADER, KEY_PATTERN
from server.api.operations import CSV, HTML, JSON, PAGES, Answer, Operation, operation_of
from server.api.problems import MEDIA_TYPE, STATUS_OF_CODE, Problem
from server.auth.cookies import HOST_NAME, LOOPBACK_NAME
from server.domain.errors import TEMPORARY, Code

VERSION: Final = "3.1.0"
_SCHEMAS: Final = "#/components/schemas/"
_SUMMARY: Final = re.compile(r"^`(?:\w+) [^`]+`: ")
_NULL: Final = {"type": "null"}
_WITH_RETRY_AFTER: Final = frozenset(
    {Code.BUSY, Code.OVERLOADED, Code.UNAVAILABLE, Code.RATE_LIMITED, Code.QUOTA_EXCEEDED}
)

Json = dict[str, Any]

_IDEMPOTENCY_KEY: Final[Json] = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "description": "Made by the caller for this request. The same request under the same key has the same answer and"
    " is carried out once; a refused one may be sent again, changed or not. Kept for a day at least.",
    "example": "01JDA9Q2M5X7-3",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}


def document(routes: Sequence[BaseRoute]) -> Json:
    """The whole document; the same on every server.

    Args:
        routes: all of the table; what they lead to may be classes instead of instances.

    Raises:
        LookupError: a route does not say what it answers.
    """
    described = [(_path_of(route), _method_of(route), _endpoint_of(route)) for route in routes]
    operations = [operation_of(endpoint) for _, _, endpoint in described]
    components = _components(operations)
    parameters = {shape.__name__ for operation in operations for shape in operation.taken}
    return {
        "openapi": VERSION,
        "info": {
            "title": "Tallylight over HTTP",
            "version": "1",
            "description": GUIDE,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The site that serves this document."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths(described, components),
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in parameters},
            "securitySchemes": {
                "secureSession": _cookie(HOST_NAME, "The session of a visitor or a user, from the `GET` of any page."),
                "loopbackSession": _cookie(LOOPBACK_NAME, "The same, where the site is http on a loopback host."),
                "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, `tl_…`, of a program."},
            },
        },
        "x-error-codes": [
            {
                "code": code.value,
                "status": STATUS_OF_CODE[code].value,
                "retry": code in TEMPORARY,
                "meaning": code.meaning,
            }
            for code in Code
        ],
    }


def _paths(described: Iterable[tuple[str, str, object]], components: Json) -> Json:
    paths: Json = {}
    for path, method, endpoint in described:
        paths.setdefault(path, {})[method] = _operation(endpoint, components)
    return paths


def _path_of(route: BaseRoute) -> str:
    if isinstance(route, Mount):
        return f"{route.path}/{{path}}"
    assert isinstance(route, Route)
    return route.path


def _method_of(route: BaseRoute) -> str:
    """The one method of a route; a GET answers HEAD too."""
    [method] = (getattr(route, "methods", None) or {"GET"}) - {"HEAD"}
    return str(method).lower()


def _endpoint_of(route: BaseRoute) -> object:
    return route.app if isinstance(route, Mount) else getattr(route, "endpoint", None)


def _cookie(name: str, description: str) -> Json:
    return {"type": "apiKey", "in": "cookie", "name": name, "description": description}


def _components(operations: Iterable[Operation]) -> Json:
    """The schema of every Struct and enumeration by its name, those of paths and queries among them."""
    shapes: dict[type[msgspec.Struct], None] = {Problem: None}
    for operation in operations:
        shapes |= dict.fromkeys([*operation.shapes, *operation.taken])
    _, components = msgspec.json.schema_components(tuple(shapes), ref_template=_SCHEMAS + "{name}")
    return {name: _tidy(schema, _named(name, shapes)) for name, schema in components.items()}


def _named(name: str, shapes: Iterable[Any]) -> type:
    """The Struct or enumeration of that name, among these and what their fields are made of."""
    seen: set[Any] = set()
    waiting = list(shapes)
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and kind.__name__ == name:
            return kind
        if kind not in seen and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            waiting += [one.type for one in msgspec.structs.fields(kind)]
        else:
            waiting += getattr(kind, "__args__", ())
        seen.add(kind)
    raise LookupError(name)


def _tidy(schema: Json, kind: type) -> Json:
    """The schema with the texts of the docstrings, and without null where a Struct leaves fields out."""
    schema = {**schema, "description": text_of(kind)}
    if not issubclass(kind, msgspec.Struct):
        return schema
    texts = field_texts(kind)
    schema["properties"] = {
        name: {"description": texts[name]} | (_without_null(value) if kind.__struct_config__.omit_defaults else value)
        for name, value in schema["properties"].items()
    }
    if kind in EXAMPLES:
        schema["examples"] = [msgspec.to_builtins(EXAMPLES[kind])]
    return schema


def _without_null(schema: Json) -> Json:
    if _NULL not in schema.get("anyOf", ()):
        return schema
    present: Json
    [present] = [choice for choice in schema["anyOf"] if choice != _NULL]
    return present | {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}


def _operation(endpoint: object, components: Json) -> Json:
    operation = operation_of(endpoint)
    summary = _SUMMARY.sub("", text_of(endpoint))
    written: Json = {
        "tags": [operation.tag],
        "operationId": _id_of(endpoint),
        "summary": summary[:1].upper() + summary[1:],
        "parameters": [
            *_parameters("path", operation.path, components),
            *_parameters("query", operation.query, components),
            *([_IDEMPOTENCY_KEY] if operation.is_repeatable else []),
        ],
        "responses": _responses(operation),
    }
    if operation.body is not None:
        schema = {"$ref": _SCHEMAS + operation.body.__name__}
        written["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    if operation.is_personal:
        written["security"] = [{"secureSession": []}, {"loopbackSession": []}, {"apiKey": []}]
    return written


def _id_of(endpoint: object) -> str:
    """The endpoint's name, as other languages write names."""
    name = str(getattr(endpoint, "__name__", type(endpoint).__name__))
    first, *others = name.split("_")
    return first[:1].lower() + first[1:] + "".join(word.title() for word in others)


def _parameters(place: str, shape: type[msgspec.Struct] | None, components: Json) -> list[Json]:
    if shape is None:
        return []
    schema = components[shape.__name__]
    return [
        _parameter(place, name, value, is_required=name in schema["required"])
        for name, value in schema["properties"].items()
    ]


def _parameter(place: str, name: str, schema: Json, *, is_required: bool) -> Json:
    """A field of a path's or query's Struct: what is null there is left out here."""
    schema = dict(_without_null(schema))
    parameter: Json = {"name": name, "in": place, "description": schema.pop("description")}
    if is_required:
        parameter["required"] = True
    if place == "query" and not is_required:
        parameter["allowEmptyValue"] = True  # it counts as none: forms send their empty fields
    if "examples" in schema:
        parameter["example"] = schema.pop("examples")[0]
    return {**parameter, "schema": schema}


def _responses(operation: Operation) -> Json:
    written = {str(status): _answer(operation, status, answer) for status, answer in operation.answers.items()}
    by_status: dict[HTTPStatus, list[Code]] = {}
    for code in operation.codes:
        by_status.setdefault(STATUS_OF_CODE[code], []).append(code)
    is_page = operation.tag == PAGES
    for status, codes in sorted(by_status.items()):
        assert str(status.value) not in written, f"{status.value} is an answer and a refusal"
        written[str(status.value)] = _problem(status, codes, is_page=is_page)
    return written


def _answer(operation: Operation, status: int, answer: Answer) -> Json:
    text = answer.text or (text_of(answer.shape) if answer.shape else "")
    written: Json = {"description": text or HTTPStatus(status).phrase}
    if operation.begins_session and status == HTTPStatus.OK:
        told = "The session of a new visitor; absent where the caller has one."
        written["headers"] = {"Set-Cookie": {"description": told, "schema": {"type": "string"}}}
    if answer.media_type is not None:
        shape = {"$ref": _SCHEMAS + answer.shape.__name__} if answer.shape else _SHAPES.get(answer.media_type, {})
        written["content"] = {answer.media_type: {"schema": shape}}
    return written


_SHAPES: Final[Mapping[str, Json]] = {JSON: {"type": "object"}, HTML: {"type": "string"}, CSV: {"type": "string"}}


def _problem(status: HTTPStatus, codes: Sequence[Code], *, is_page: bool) -> Json:
    """The refusals of one status. People who asked for a page get one, programs the document."""
    words = [code.value for code in codes]
    narrowed = {"status": {"const": status.value}, "code": {"enum": words}}
    content: Json = {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem", "properties": narrowed}}}
    if is_page:
        content[HTML] = {"schema": _SHAPES[HTML]}
    written: Json = {
        "description": " ".join(f"`{code.value}`: {code.meaning}" for code in codes),
        "content": content,
    }
    if not _WITH_RETRY_AFTER.isdisjoint(codes):
        told = "Seconds to wait; absent where it is not known."
        written["headers"] = {"Retry-After": {"description": told, "schema": {"type": "integer", "minimum": 1}}}
    return written
