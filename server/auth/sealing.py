"""What is sealed with keys of the configuration: tokens of providers at rest, and what a browser keeps for us.

AES-256-GCM (NIST SP 800-38D) with a random nonce. Each purpose has keys of its own, made from the configured secrets
with HKDF (RFC 5869); the first secret seals, all of them open, so a secret is changed by putting a new one in front.
What is sealed is bound to where it belongs: moved to another row or cookie, it does not open.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_ID_BYTES: Final = 4
_VERSION: Final = b"\x01"
_HEAD_BYTES: Final = len(_VERSION) + KEY_ID_BYTES + NONCE_BYTES


class Unsealable(Exception):
    """It was sealed with a key that is not known any more, belongs elsewhere, or was changed."""


class Keyring:
    """The secrets of the configuration."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Keep them.

        Args:
            secrets: at least one, each with 256 bits of chance; the first one seals.
        """
        if not secrets:
            raise ValueError("at least one secret is needed")
        self._secrets = [secret.encode() for secret in secrets]

    def sealer(self, purpose: str) -> "Sealer":
        """What seals for one purpose; nothing that another purpose sealed can be opened with it."""
        return Sealer([_derive(secret, purpose) for secret in self._secrets])


class Sealer:
    """Seals and opens."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {sha256(key).digest()[:KEY_ID_BYTES]: AESGCM(key) for key in keys}
        self._current = next(iter(self._ciphers))

    def seal(self, content: bytes, *, bound_to: str) -> bytes:
        """Encrypt.

        Args:
            content: what nobody may read or change.
            bound_to: where it belongs, such as a table, row and column; opening needs the same.
        """
        nonce = os.urandom(NONCE_BYTES)
        head = _VERSION + self._current + nonce
        return head + self._ciphers[self._current].encrypt(nonce, content, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Decrypt.

        Raises:
            Unsealable: see there.
        """
        key_id, nonce = sealed[1 : 1 + KEY_ID_BYTES], sealed[1 + KEY_ID_BYTES : _HEAD_BYTES]
        cipher = self._ciphers.get(key_id)
        if not sealed.startswith(_VERSION) or cipher is None or len(nonce) < NONCE_BYTES:
            raise Unsealable("sealed with a key that is not known")
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES:], bound_to.encode())
        except InvalidTag as error:
            raise Unsealable("changed, or of another place") from error


def _derive(secret: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"tallylight " + purpose.encode()).derive(secret)
