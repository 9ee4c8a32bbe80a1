"""The AsyncAPI 3 document of `tallylight.v1`, made from the Structs that carry it (`docs/asyncapi.json`)."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from server.auth.cookies import HOST_NAME, LOOPBACK_NAME
from server.domain.errors import TEMPORARY, Code
from server.ws import protocol as wire
from server.ws.close_codes import CloseCode
from server.ws.examples import CONVERSATION, MORE
from server.ws.guide import GUIDE

VERSION: Final = "3.0.0"
_SCHEMAS: Final = "#/components/schemas/"
_CHANNEL: Final = "#/channels/socket"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What a command is answered with, beside what any may be (`_ALWAYS`)."""

    answer: type[Struct]
    errors: tuple[Code, ...]


_ALWAYS: Final = (Code.BAD_REQUEST, Code.RATE_LIMITED, Code.OVERLOADED, Code.INTERNAL)
_EXCHANGES: Final[Mapping[type[Struct], _Exchange]] = {
    wire.Hello: _Exchange(wire.Ready, (Code.UNAVAILABLE,)),
    wire.Watch: _Exchange(wire.Ok, (Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE)),
    wire.Unwatch: _Exchange(wire.Ok, (Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE)),
    wire.Open: _Exchange(
        wire.Opened,
        (
            Code.UNAUTHORIZED,
            Code.FORBIDDEN,
            Code.NOT_FOUND,
            Code.CHANNEL_PENDING,
            Code.CHANNEL_INACTIVE,
            Code.CONFLICT,
            Code.UNAVAILABLE,
        ),
    ),
    wire.Sub: _Exchange(wire.Opened, (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE)),
    wire.Unsub: _Exchange(wire.Ok, ()),
    wire.Send: _Exchange(
        wire.Ok,
        (
            Code.TOO_LARGE,
            Code.NOT_FOUND,
            Code.NO_CREDIT,
            Code.QUOTA_EXCEEDED,
            Code.CHANNEL_INACTIVE,
            Code.BUSY,
            Code.LIMIT_REACHED,
            Code.CLOSED,
            Code.TOO_LONG_FOR_REMAINING,
            Code.CONFLICT,
            Code.UNAVAILABLE,
        ),
    ),
    wire.Stop: _Exchange(wire.Ok, (Code.NOT_FOUND, Code.UNAVAILABLE)),
    wire.Close: _Exchange(wire.Ok, (Code.BUSY, Code.NOT_FOUND, Code.UNAVAILABLE)),
    wire.Ping: _Exchange(wire.Pong, ()),
}


@cache
def document() -> Json:
    """The whole document, made once: it is the same on every server, and nobody changes it."""
    commands, frames = get_args(wire.AnyCommand), get_args(wire.AnyFrame)
    messages = {tag_of(kind): _message(kind) for kind in (*commands, *frames)} | {"batch": _BATCH}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Tallylight over a websocket",
            "version": "1",
            "description": GUIDE,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"site": _server("wss", "secureSession"), "loopback": _server("ws", "loopbackSession")},
        "channels": {"socket": _channel(messages)},
        "operations": {
            **{tag_of(kind): _command(kind) for kind in commands},
            "tell": _tell(frames),
        },
        "components": {
            "messages": messages,
            "schemas": _schemas(commands, frames),
            "securitySchemes": {
                "secureSession": _cookie(HOST_NAME, "The session of a visitor or a user, from the `GET` of any page."),
                "loopbackSession": _cookie(LOOPBACK_NAME, "The same, where the site is http on a loopback host."),
            },
        },
        **_legends(),
    }


def tag_of(kind: type[Struct]) -> str:
    """The `t` of a frame."""
    return str(kind.__struct_config__.tag)


def _server(protocol: str, scheme: str) -> Json:
    is_secure = protocol == "wss"
    return {
        "host": "{host}",
        "protocol": protocol,
        "description": "A site." if is_secure else "A server on the own machine.",
        "variables": {
            "host": {
                "default": "tallylight.example" if is_secure else "127.0.0.1:8420",
                "description": "Host, and the port where it is not the usual one.",
            }
        },
        "security": [{"$ref": f"#/components/securitySchemes/{scheme}"}],
    }


def _cookie(name: str, description: str) -> Json:
    return {"type": "httpApiKey", "in": "cookie", "name": name, "description": description}


def _channel(messages: Iterable[str]) -> Json:
    return {
        "address": "/ws",
        "title": "The socket",
        "description": f"One websocket with the subprotocol `{wire.SUBPROTOCOL}`.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "required": ["Sec-WebSocket-Protocol", "Origin"],
                    "properties": {
                        "Sec-WebSocket-Protocol": {"type": "string", "const": wire.SUBPROTOCOL},
                        "Origin": {"type": "string", "description": "The site's own origin."},
                    },
                },
                "bindingVersion": "0.1.0",
            }
        },
    }


def _command(kind: type[Struct]) -> Json:
    exchange = _EXCHANGES[kind]
    return {
        "action": "receive",
        "channel": {"$ref": _CHANNEL},
        "summary": _text_of(kind),
        "messages": [_in_channel(kind)],
        "reply": {
            "channel": {"$ref": _CHANNEL},
            "messages": [_in_channel(exchange.answer), _in_channel(wire.Err)],
        },
        "x-errors": [code.value for code in Code if code in exchange.errors + _ALWAYS],
    }


def _tell(frames: Iterable[type[Struct]]) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": _CHANNEL},
        "summary": "What the server says, asked or not.",
        "messages": [*(_in_channel(kind) for kind in frames), {"$ref": f"{_CHANNEL}/messages/batch"}],
    }


def _in_channel(kind: type[Struct]) -> Json:
    return {"$ref": f"{_CHANNEL}/messages/{tag_of(kind)}"}


def _legends() -> Json:
    """What AsyncAPI has no place for: the codes, and a conversation."""
    return {
        "x-error-codes": [{"code": code.value, "retry": code in TEMPORARY, "meaning": code.meaning} for code in Code],
        "x-close-codes": [
            {"code": code.value, "comesBack": code.comes_back, "meaning": code.meaning} for code in CloseCode
        ],
        "x-conversation": [
            {"from": "client" if line.is_command else "server", "frame": msgspec.to_builtins(line.frame)}
            | ({"note": line.note} if line.note else {})
            for line in CONVERSATION
        ],
    }


_BATCH: Final[Json] = {
    "name": "batch",
    "title": "batch",
    "summary": "Several frames of the server in one, in their order.",
    "payload": {"$ref": f"{_SCHEMAS}Batch"},
}


def _message(kind: type[Struct]) -> Json:
    shown = [*(line.frame for line in CONVERSATION), *MORE]
    # The same frame may be said twice, on two sockets.
    payloads = {msgspec.json.encode(frame): msgspec.to_builtins(frame) for frame in shown if type(frame) is kind}
    return {
        "name": tag_of(kind),
        "title": tag_of(kind),
        "summary": _text_of(kind),
        "payload": {"$ref": f"{_SCHEMAS}{kind.__name__}"},
        "examples": [{"payload": payload} for payload in payloads.values()],
    }


def _schemas(commands: tuple[type[Struct], ...], frames: tuple[type[Struct], ...]) -> Json:
    _, of_commands = msgspec.json.schema_components(commands, ref_template=_SCHEMAS + "{name}")
    _, of_frames = msgspec.json.schema_components(frames, ref_template=_SCHEMAS + "{name}")
    frame_refs = [{"$ref": f"{_SCHEMAS}{kind.__name__}"} for kind in frames]
    return {
        **{name: _tidy(schema) for name, schema in of_commands.items()},
        **{name: _tidy(schema, may_be_null=False) for name, schema in of_frames.items()},
        "Batch": {"type": "array", "minItems": 1, "items": {"oneOf": frame_refs}},
    }


def _tidy(schema: Json, *, may_be_null: bool = True) -> Json:
    """A Struct's schema as a reader wants it: its docstring without the indentation, fields that the server leaves
    out instead of writing null, and the kind of frame as a constant."""
    properties = {name: dict(value) for name, value in schema["properties"].items()}
    if "t" in properties:
        properties["t"] = {"const": properties["t"]["enum"][0], "description": "What kind of frame this is."}
    for name, value in properties.items():
        if not may_be_null and "anyOf" in value:
            [present] = [choice for choice in value.pop("anyOf") if choice != {"type": "null"}]
            del value["default"]
            properties[name] = present | value
    return {**schema, "description": inspect.cleandoc(schema["description"]), "properties": properties}


def _text_of(kind: type[Struct]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")
