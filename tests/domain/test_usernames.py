"""What may be a username, and where a form may lead."""

import pytest

from server.domain.site_paths import SITE_PATH_CHARACTERS_MAX, site_path_of
from server.domain.usernames import USERNAME_CHARACTERS_MAX, USERNAME_CHARACTERS_MIN, UsernameState, refused_state_of


@pytest.mark.parametrize(
    "name", ["mara_k", "MaraK", "3-2", "a" * USERNAME_CHARACTERS_MIN, "a" * USERNAME_CHARACTERS_MAX]
)
def test_a_username_has_letters_digits_hyphens_and_underscores(name: str) -> None:
    assert refused_state_of(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "a" * (USERNAME_CHARACTERS_MIN - 1),
        "a" * (USERNAME_CHARACTERS_MAX + 1),
        "_mara",
        "-mara",
        "mara k",
        "mara.k",
        "mära",
        "маrа",
        "mara\n",
        "mara\0",
        "",
    ],
)
def test_nothing_else_is_a_username(name: str) -> None:
    assert refused_state_of(name) is UsernameState.INVALID


@pytest.mark.parametrize("name", ["admin", "Tallylight", "a_d-min", "Anonymous-Supporter", "SIGNOUT"])
def test_what_stands_for_the_site_or_for_nobody_is_reserved_however_it_is_written(name: str) -> None:
    assert refused_state_of(name) is UsernameState.RESERVED


@pytest.mark.parametrize("path", ["/", "/c/deep-sea-lab?x=1#y", "/" + "a" * (SITE_PATH_CHARACTERS_MAX - 1)])
def test_a_path_of_this_site_is_taken(path: str) -> None:
    assert site_path_of(path, "/me") == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "c/x",
        "//evil.example",
        "/\\evil.example",
        "/x\\..\\y",
        "https://evil.example",
        "javascript:alert(1)",
        "/\n/evil.example",
        "/a b",
        "/ä",
        "/" + "a" * SITE_PATH_CHARACTERS_MAX,
    ],
)
def test_nothing_else_is_led_to(path: str) -> None:
    assert site_path_of(path, "/me") == "/me"
