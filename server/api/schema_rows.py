"""JSON schemas as rows for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

_NULL: Final = {"type": "null"}


@dataclass(frozen=True, slots=True)
class Row:
    """A field.

    Attributes:
        kind: its type in words, such as "list of string or null".
        shape: the name of the shape that `kind` speaks of; None: of none.
        text: what it means, in Markdown.
        values: what it may be; empty: anything of its type.
        bounds: in words; empty: none.
    """

    name: str
    kind: str
    shape: str | None
    is_required: bool
    text: str
    values: Sequence[str]
    bounds: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A type of objects, or a closed set of words.

    Attributes:
        rows: its fields.
        values: its words.
        example: as JSON; None: there is none.
    """

    name: str
    text: str
    rows: Sequence[Row]
    values: Sequence[str]
    example: str | None


def shape_of(name: str, schema: Json) -> Shape:
    """A component of a document."""
    required = schema.get("required", ())
    rows = [row_of(field, one, is_required=field in required) for field, one in schema.get("properties", {}).items()]
    examples = schema.get("examples", ())
    return Shape(
        name, schema.get("description", ""), rows, schema.get("enum", ()), pretty(examples[0]) if examples else None
    )


def row_of(name: str, schema: Json, *, is_required: bool) -> Row:
    """A field with this schema."""
    inner = _inner(schema)
    values = inner.get("enum", [inner["const"]] if "const" in inner else [])
    return Row(
        name=name,
        kind=_kind(schema),
        shape=_shape(schema),
        is_required=is_required,
        text=schema.get("description") or inner.get("description", ""),
        values=[value if isinstance(value, str) else json.dumps(value) for value in values],
        bounds=_bounds({**inner, **schema}),
    )


def pretty(value: object) -> str:
    """JSON as people read it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _inner(schema: Json) -> Json:
    """The schema beside null, of what may be null."""
    choices: list[Json] = [choice for choice in schema.get("anyOf", ()) if choice != _NULL]
    return choices[0] if len(choices) == 1 else schema


def _kind(schema: Json) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(choice) for choice in schema["anyOf"])
    if "$ref" in schema:
        return _name_of(schema["$ref"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if schema.get("type") == "object" and schema.get("additionalProperties"):
        return f"object of {_kind(schema['additionalProperties'])}"
    named = str(schema.get("type", "string" if "const" in schema else "anything"))
    return f"{named} ({schema['format']})" if "format" in schema else named


def _shape(schema: Json) -> str | None:
    if "$ref" in schema:
        return _name_of(schema["$ref"])
    inner = [*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")]
    return next((_shape(one) for one in inner if isinstance(one, dict) and _shape(one)), None)


def _name_of(reference: str) -> str:
    return reference.rpartition("/")[2]


def _bounds(schema: Json) -> str:
    told = [
        _range(schema.get("minLength"), schema.get("maxLength"), " characters"),
        _range(schema.get("minimum"), schema.get("maximum"), ""),
        f"matches {schema['pattern']}" if "pattern" in schema else "",
        f"default {json.dumps(schema['default'])}" if schema.get("default") is not None else "",
    ]
    return "; ".join(one for one in told if one)


def _range(least: int | None, most: int | None, unit: str) -> str:
    if least is None and most is None:
        return ""
    if least is None:
        return f"at most {most:,}{unit}"
    return f"at least {least:,}{unit}" if most is None else f"{least:,} to {most:,}{unit}"
