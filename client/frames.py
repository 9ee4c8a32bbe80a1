"""Frames of both directions: one JSON object each, as raw UTF-8 and never as ``\\u`` escapes (client rule 9)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

Frame = Mapping[str, Any]
"""What the server said; `t` says what it is. Clients pass over kinds and fields that they do not know, so frames stay
the objects they are in JSON, without a class for each."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[dict[str, Any] | list[dict[str, Any]]]] = msgspec.json.Decoder(
    dict[str, Any] | list[dict[str, Any]]
)


class Garbled(Exception):
    """What came is no frame of this protocol."""


def encode(command: Mapping[str, Any]) -> bytes:
    """Write a command; fields that are None are left out."""
    return _encoder.encode({name: value for name, value in command.items() if value is not None})


def decode(text: bytes | bytearray) -> Sequence[Frame]:
    """Read what one websocket message brings: an object, or an array of them.

    Raises:
        Garbled: neither, or an object without `t`.
    """
    try:
        data = _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise Garbled(str(error)) from None
    frames = data if isinstance(data, list) else (data,)
    for frame in frames:
        if "t" not in frame:
            raise Garbled("a frame without a kind")
    return frames
