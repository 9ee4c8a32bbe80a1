"""What a token endpoint answers, before anything of it is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.auth.providers.authlib_client import TOKEN_CHARACTERS_MAX, tokens_of
from server.auth.providers.provider import ProviderFailure

LONGEST = "t" * TOKEN_CHARACTERS_MAX


def test_the_longest_tokens_are_kept_as_they_are() -> None:
    tokens = tokens_of({"access_token": LONGEST, "refresh_token": LONGEST, "scope": "openid email"})
    assert (tokens.access_token, tokens.refresh_token, tokens.scope) == (LONGEST, LONGEST, "openid email")
    assert (tokens.id_token, tokens.token_type, tokens.expires_at) == (None, None, None)


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token", "token_type", "scope"])
@pytest.mark.parametrize("value", [LONGEST + "t", "t\0", "t\n", "\ud800", "é", 7, True, ["t"], {"t": 1}])
def test_what_is_no_printable_ascii_of_a_usual_length_is_no_token(name: str, value: Any) -> None:
    with pytest.raises(ProviderFailure):
        tokens_of({"access_token": "t", name: value})


@pytest.mark.parametrize("value", [None, ""])
def test_without_an_access_token_there_is_nothing(value: str | None) -> None:
    with pytest.raises(ProviderFailure):
        tokens_of({"access_token": value})


@pytest.mark.parametrize("value", [None, 0, -1, float("nan"), float("inf"), 10**400, "3600", [], 253_402_300_800])
def test_an_end_that_is_none_is_none(value: Any) -> None:
    assert tokens_of({"access_token": "t", "expires_at": value}).expires_at is None


def test_an_end_is_a_moment() -> None:
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    assert tokens_of({"access_token": "t", "expires_at": int(end.timestamp())}).expires_at == end
