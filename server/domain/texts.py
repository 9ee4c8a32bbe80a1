"""What a message may say: length and characters, not meaning."""

from typing import Final

from server.domain.errors import Code, Refusal

TEXT_CODE_POINTS_MAX: Final = 16_000
IDEM_CODE_POINTS_MIN: Final = 8
IDEM_CODE_POINTS_MAX: Final = 64
TITLE_CODE_POINTS_MAX: Final = 80


def check_text(text: str, limit_code_points: int = TEXT_CODE_POINTS_MAX) -> None:
    """Refuse a text that is blank, too long, or that PostgreSQL cannot hold (U+0000).

    Raises:
        Refusal: `bad_request`, or `too_large` with the figures.
    """
    if len(text) > limit_code_points:
        raise Refusal(
            Code.TOO_LARGE,
            f"A message may have {limit_code_points:,} characters, this one has {len(text):,}.",
            details={"limit": limit_code_points, "length": len(text)},
        )
    if not text.strip():
        raise Refusal(Code.BAD_REQUEST, "A message needs a visible character.")
    if "\0" in text:
        raise Refusal(Code.BAD_REQUEST, "A message may not contain U+0000.")


def check_idem(idem: str) -> None:
    """Refuse an `idem` that is too short to be unique, too long to index, or unprintable."""
    if not IDEM_CODE_POINTS_MIN <= len(idem) <= IDEM_CODE_POINTS_MAX:
        raise Refusal(Code.BAD_REQUEST, f"idem needs {IDEM_CODE_POINTS_MIN} to {IDEM_CODE_POINTS_MAX} characters.")
    if not idem.isprintable():
        raise Refusal(Code.BAD_REQUEST, "idem may only have printable characters.")


def title_of(text: str) -> str:
    """Return the title that a chat gets from its first message: one line, cut at a word where there is one."""
    line = " ".join(text.split())
    if len(line) <= TITLE_CODE_POINTS_MAX:
        return line
    cut = line[: TITLE_CODE_POINTS_MAX - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word or cut).rstrip(" ,.;:") + "…"
