"""What somebody who is not signed in may be called."""

import re

import pytest

from server.domain.display_names import DISPLAY_NAME_CHARACTERS_MAX, DISPLAY_NAME_PATTERN, display_name_of
from server.domain.errors import Code, Refusal


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (None, None),
        ("", None),
        ("   ", None),
        ("\u200b", None),
        ("\u00a0\u3164", None),
        ("  Mara ", "Mara"),
        ("\u00a0Mara\u2003", "Mara"),
        ("<b>Mara</b>", "<b>Mara</b>"),
        ("Zoë 👩\u200d🔬", "Zoë 👩\u200d🔬"),
        ("a" * DISPLAY_NAME_CHARACTERS_MAX, "a" * DISPLAY_NAME_CHARACTERS_MAX),
        (" " + "a" * DISPLAY_NAME_CHARACTERS_MAX + " ", "a" * DISPLAY_NAME_CHARACTERS_MAX),
    ],
)
def test_a_name_is_what_can_be_seen_of_it(text: str | None, name: str | None) -> None:
    assert display_name_of(text) == name


@pytest.mark.parametrize(
    "text",
    ["a\0b", "\0", "a\nb", "Mara\n", "\tMara", "a\x7f", "a\x9fb", "a\u2028b", "\u202eoof", "\u2066x\u2069", "\x1b[31m"],
)
def test_control_characters_are_refused_wherever_they_stand(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        display_name_of(text)
    assert refused.value.code is Code.BAD_REQUEST
    assert text.endswith("\n") or re.search(DISPLAY_NAME_PATTERN, text) is None


def test_a_name_of_41_characters_is_refused() -> None:
    with pytest.raises(Refusal, match="at most 40 characters"):
        display_name_of("a" * (DISPLAY_NAME_CHARACTERS_MAX + 1))
