"""The work of the encoder, counted."""

import pytest
import tiktoken


class Encoded:
    """Counts what is encoded from now on.

    Attributes:
        characters: how many in all, the same ones again each time.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.characters = 0
        encode = tiktoken.Encoding.encode_ordinary

        def counting(encoding: tiktoken.Encoding, text: str) -> list[int]:
            self.characters += len(text)
            return encode(encoding, text)

        monkeypatch.setattr(tiktoken.Encoding, "encode_ordinary", counting)
