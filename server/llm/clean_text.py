"""Text of a model, made fit for storing and sending: U+0000 and lone surrogates become U+FFFD.

Nothing else is changed. A model's JSON may escape the two halves of one character in two chunks; they are joined first.
"""

REPLACEMENT = "\ufffd"


class Cleaner:
    """Cleans chunk after chunk; keeps back the first half of a pair until the second one may have come."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def clean(self, text: str) -> str:
        """What may be passed on now; empty when all of it is kept back."""
        if text.isascii() and not self._half:
            return text.replace("\0", REPLACEMENT)
        if self._half:
            text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return joined(text).replace("\0", REPLACEMENT)

    def size_if_clean(self, text: str) -> int | None:
        """The length in UTF-8 of a text that `clean` would pass on as it is; None where it would not."""
        if self._half or "\0" in text:
            return None
        if text.isascii():
            return len(text)
        try:
            return len(text.encode())
        except UnicodeEncodeError:
            return None

    def flush(self) -> str:
        """What is passed on at the end: a half that stayed alone, as U+FFFD; mostly nothing."""
        half, self._half = self._half, ""
        return REPLACEMENT if half else ""


def joined(text: str) -> str:
    """The text with pairs of surrogates joined and lone ones replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
