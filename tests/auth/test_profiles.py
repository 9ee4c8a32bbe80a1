"""What providers tell of people, made fit to be kept."""

from typing import Any

import pytest

from server.auth.providers.profiles import (
    EMAIL_CHARACTERS_MAX,
    IMAGE_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    SUBJECT_CHARACTERS_MAX,
    profile_of,
    profile_of_claims,
)
from server.auth.providers.provider import ProviderFailure


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "",
        7,
        True,
        ["s"],
        "s" * (SUBJECT_CHARACTERS_MAX + 1),
        "s\0",
        "s\n",
        "\ud800",
        "\N{RIGHT-TO-LEFT OVERRIDE}s",
    ],
)
def test_nobody_is_known_by_what_is_no_usual_subject(subject: Any) -> None:
    with pytest.raises(ProviderFailure):
        profile_of(subject=subject)


def test_the_longest_subject_is_kept_as_it_is() -> None:
    subject = " Ä" * (SUBJECT_CHARACTERS_MAX // 2) + "x"
    assert profile_of(subject=subject).subject == subject


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("Mara Keller", "Mara Keller"),
        ("n" * 10_000, "n" * NAME_CHARACTERS_MAX),
        ("Mara\N{RIGHT-TO-LEFT OVERRIDE}relleK\N{POP DIRECTIONAL FORMATTING}", "Mara relleK"),
        ("\0Mara\r\n\tKeller\x1b[31m", "Mara Keller [31m"),
        ("M\N{ZERO WIDTH SPACE}ara", "M ara"),
        ("\ud800", None),
        ("  ", None),
        ("", None),
        (None, None),
        (7, None),
        ({"first": "Mara"}, None),
        ("n" * (NAME_CHARACTERS_MAX - 1) + " x", "n" * (NAME_CHARACTERS_MAX - 1)),
        ("<script>", "<script>"),
    ],
)
def test_a_name_is_short_and_printable(told: Any, kept: str | None) -> None:
    assert profile_of(subject="s", name=told).name == kept


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("mara@people.example", "mara@people.example"),
        ("m" * (EMAIL_CHARACTERS_MAX - 10) + "@a.example", "m" * (EMAIL_CHARACTERS_MAX - 10) + "@a.example"),
        ("m" * (EMAIL_CHARACTERS_MAX - 9) + "@a.example", None),
        ("mara", None),
        ("@people.example", None),
        ("mara@", None),
        ("mara @people.example", None),
        ("mara@people.example\r\nBcc: x", None),
        ("mara@people.example\0", None),
        ("", None),
        (None, None),
        (7, None),
        (["mara@people.example"], None),
    ],
)
def test_an_address_is_one_or_none(told: Any, kept: str | None) -> None:
    profile = profile_of(subject="s", email=told, email_verified=True)
    assert (profile.email, profile.email_verified) == (kept, kept is not None)


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("https://a.example/me.png", True),
        ("https://a.example/" + "x" * (IMAGE_CHARACTERS_MAX - 18), True),
        ("https://a.example/" + "x" * (IMAGE_CHARACTERS_MAX - 17), False),
        ("http://a.example/me.png", False),
        ("//a.example/me.png", False),
        ("javascript:alert(1)", False),
        ("data:image/png;base64,AAAA", False),
        ("https://", False),
        ("https://[", False),
        ("https://a.example/\nx", False),
        ("", False),
        (None, False),
        ({"url": "https://a.example"}, False),
    ],
)
def test_a_picture_is_an_https_address(told: Any, *, kept: bool) -> None:
    assert profile_of(subject="s", image=told).image == (told if kept else None)


@pytest.mark.parametrize(
    ("said", "is_verified"),
    [(True, True), ("true", True), (False, False), ("false", False), ("yes", False), (None, False), ([], False)],
)
def test_an_address_is_proven_where_the_issuer_says_so(said: Any, *, is_verified: bool) -> None:
    claims = {"sub": "s", "email": "mara@people.example", "email_verified": said}
    assert profile_of_claims(claims).email_verified is is_verified


def test_who_has_no_name_is_called_by_what_they_are_called_elsewhere() -> None:
    assert profile_of_claims({"sub": "s", "name": "", "preferred_username": None, "nickname": "Mo"}).name == "Mo"
    assert profile_of_claims({"sub": "s"}).name is None
