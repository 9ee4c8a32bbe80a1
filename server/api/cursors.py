"""Cursors: a place in a list, opaque and signed, so that a list can only be entered where the server left it."""

import base64
import binascii
import hashlib
import hmac

import msgspec

from server.domain.errors import Code, Refusal
from server.domain.pages import Position

CURSOR_CHARACTERS_MAX = 1_024
"""Longer than any cursor made here: a sort value of 200 characters, four bytes each, and a row id."""

_SIGNATURE_BYTES = 16


class Cursors:
    """Seals and opens the cursors of every list.

    A cursor is bound to its *list*: the name of the list, its sort and its filters. One that was made for another list
    is as wrong as a forged one.
    """

    def __init__(self, secret: bytes) -> None:
        """Take the key: the same on all nodes, or a page link made by one is refused by another."""
        self._secret = secret

    def seal(self, list_name: str, position: Position | None) -> str | None:
        """The cursor that leads to `position`; None leads nowhere."""
        if position is None:
            return None
        payload = msgspec.msgpack.encode((position.sort_value, position.row_id, position.backwards))
        return base64.urlsafe_b64encode(self._sign(list_name, payload) + payload).decode().rstrip("=")

    def open(self, list_name: str, cursor: str | None) -> Position | None:
        """The place a caller's cursor means; None when there is none.

        Raises:
            Refusal: bad_request, it was not made here for this list.
        """
        if cursor is None:
            return None
        sealed = _decode(cursor)
        signature, payload = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._sign(list_name, payload)):
            raise _refusal()
        try:
            sort_value, row_id, backwards = msgspec.msgpack.decode(payload, type=tuple[str, str, bool])
        except msgspec.DecodeError as error:  # an older version of ours has made it
            raise _refusal() from error
        return Position(sort_value, row_id, backwards)

    def _sign(self, list_name: str, payload: bytes) -> bytes:
        name = list_name.encode()
        counted = len(name).to_bytes(4, "big") + name + payload
        return hmac.new(self._secret, counted, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def list_name_of(*parts: str | None) -> str:
    """Name a list by what makes it that list: its noun, its sort and its filters."""
    return msgspec.json.encode(parts).decode()


def _decode(cursor: str) -> bytes:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refusal() from error


def _refusal() -> Refusal:
    return Refusal(Code.BAD_REQUEST, "The cursor does not belong to this list.")
