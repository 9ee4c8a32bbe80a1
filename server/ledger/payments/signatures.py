"""Signatures of webhooks, in the form that Stripe made common: ``t=<seconds>,v1=<hex>``.

What is signed is the time, a dot and the raw bytes of the body, by HMAC-SHA256 (RFC 2104). A header may carry several
``v1``: the sender signs with the old secret and with the new one while they are changed.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from server.domain.errors import Code, Refusal

TOLERANCE_SECONDS: Final = 300
"""How old a signature may be, and how far ahead of our clock: a recorded webhook cannot be sent again later on, nor be
made now for later."""
HEADER_CHARACTERS_MAX: Final = 4_096
SIGNATURES_MAX: Final = 10
_TIME_DIGITS_MAX: Final = 12


def sign(body: bytes, secret: str, at_seconds: int) -> str:
    """The header's value for this body, sent at this time (Unix time in seconds)."""
    return f"t={at_seconds},v1={_digest(body, secret, str(at_seconds))}"


def verify(body: bytes, header: str | None, secrets: Sequence[str], now_seconds: float) -> None:
    """Check that the body was signed with one of the secrets, and about now.

    Args:
        body: the raw bytes, as they came.
        header: None: there is none.
        secrets: all that are valid; the old and the new one while they are changed.
        now_seconds: Unix time.

    Raises:
        Refusal: ``forbidden``; it does not say which secret was tried.
    """
    time, signatures = _read(header)
    expected = [_digest(body, secret, time).encode() for secret in secrets]
    given = [signature.encode("utf-8", "replace") for signature in signatures[:SIGNATURES_MAX]]
    # Every pair is compared, so that the time this takes does not tell which one fits.
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise _refused("The signature does not fit the body.")
    age_seconds = now_seconds - int(time)
    if age_seconds > TOLERANCE_SECONDS:
        raise _refused("The signature is too old.")
    if age_seconds < -TOLERANCE_SECONDS:
        raise _refused("The signature is from the future.")


def _read(header: str | None) -> tuple[str, list[str]]:
    """The time and the signatures that a header holds."""
    if not header or len(header) > HEADER_CHARACTERS_MAX:
        raise _refused("The signature is missing, or no signature.")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == "v1"]
    is_time = len(times) == 1 and times[0].isascii() and times[0].isdigit() and len(times[0]) <= _TIME_DIGITS_MAX
    if not is_time or not signatures:
        raise _refused("The signature is missing, or no signature.")
    return times[0], signatures


def _digest(body: bytes, secret: str, time: str) -> str:
    return hmac.new(secret.encode(), time.encode() + b"." + body, sha256).hexdigest()


def _refused(message: str) -> Refusal:
    return Refusal(Code.FORBIDDEN, message)
