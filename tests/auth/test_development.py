"""The development issuer refuses what a real one refuses."""

from dataclasses import dataclass, field

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from server.auth.development import (
    CODE_SECONDS,
    KEPT_MAX,
    PEOPLE,
    DevelopmentClient,
    DevelopmentIssuer,
    OAuthRefusal,
    person_of,
)

OURS = DevelopmentClient("ours", "secret of ours", ["https://ours.example/callback"])
THEIRS = DevelopmentClient("theirs", "secret of theirs", ["https://theirs.example/callback"])
VERIFIER = "a-verifier-of-43-characters-or-more-as-rfc-7636-says"


@dataclass
class Desk:
    """The issuer, a clock, and a browser that came the right way."""

    seconds: float = 1_000_000.0
    query: dict[str, str] = field(
        default_factory=lambda: {
            "client_id": "ours",
            "redirect_uri": "https://ours.example/callback",
            "response_type": "code",
            "scope": "openid email",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": create_s256_code_challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
    )

    def __post_init__(self) -> None:
        self.issuer = DevelopmentIssuer(
            "https://issuer.example", "https://issuer.example", [OURS, THEIRS], now=lambda: self.seconds
        )

    def code(self) -> str:
        return self.issuer.grant(self.issuer.asked(self.query), PEOPLE[0])

    def exchange(self, code: str, *, client: DevelopmentClient = OURS, **changed: str) -> dict[str, object]:
        fields = {"code": code, "redirect_uri": "https://ours.example/callback", "code_verifier": VERIFIER}
        return dict(self.issuer.exchange(client, fields | changed))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refused(desk: Desk, code: str, *, client: DevelopmentClient = OURS, **changed: str) -> str:
    with pytest.raises(OAuthRefusal) as refusal:
        desk.exchange(code, client=client, **changed)
    return refusal.value.error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", "nobody"),
        ("redirect_uri", "https://ours.example/callback/"),
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "https://theirs.example/callback"),
    ],
)
def test_a_client_or_a_way_back_that_is_not_known_is_told_to_nobody(desk: Desk, name: str, value: str) -> None:
    with pytest.raises(OAuthRefusal) as refusal:
        desk.issuer.asked(desk.query | {name: value})
    assert not refusal.value.is_for_browser


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_type", "token"),
        ("scope", "email"),
        ("code_challenge", ""),
        ("code_challenge", "short"),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
    ],
)
def test_what_is_missing_is_told_to_the_client(desk: Desk, name: str, value: str) -> None:
    with pytest.raises(OAuthRefusal) as refusal:
        desk.issuer.asked(desk.query | {name: value})
    assert refusal.value.is_for_browser


def test_a_code_works_once(desk: Desk) -> None:
    code = desk.code()
    assert desk.exchange(code)["id_token"]
    assert refused(desk, code) == "invalid_grant"


@pytest.mark.parametrize(("seconds", "works"), [(CODE_SECONDS - 1, True), (CODE_SECONDS, False)])
def test_a_code_works_for_a_minute(desk: Desk, seconds: float, *, works: bool) -> None:
    code = desk.code()
    desk.seconds += seconds
    if works:
        assert desk.exchange(code)
    else:
        assert refused(desk, code) == "invalid_grant"


def test_a_code_is_for_its_client_its_way_back_and_its_verifier(desk: Desk) -> None:
    assert refused(desk, desk.code(), client=THEIRS) == "invalid_grant"
    assert refused(desk, desk.code(), redirect_uri="https://theirs.example/callback") == "invalid_grant"
    assert refused(desk, desk.code(), code_verifier="another verifier, as long as that") == "invalid_grant"
    assert refused(desk, desk.code(), code_verifier="") == "invalid_grant"


def test_a_code_that_was_tried_is_gone(desk: Desk) -> None:
    code = desk.code()
    refused(desk, code, code_verifier="wrong")
    assert refused(desk, code) == "invalid_grant"


def test_a_refresh_token_works_once_and_for_its_client(desk: Desk) -> None:
    first = str(desk.exchange(desk.code())["refresh_token"])
    second = str(desk.issuer.refresh(OURS, {"refresh_token": first})["refresh_token"])
    for token, client in ((first, OURS), (second, THEIRS)):
        with pytest.raises(OAuthRefusal):
            desk.issuer.refresh(client, {"refresh_token": token})


def test_a_client_proves_who_it_is(desk: Desk) -> None:
    assert desk.issuer.client("ours", "secret of ours") is OURS
    for name, secret in (("ours", "secret of theirs"), ("nobody", "secret of ours"), ("", "")):
        with pytest.raises(OAuthRefusal) as refusal:
            desk.issuer.client(name, secret)
        assert refusal.value.error == "invalid_client"


def test_only_so_many_codes_are_kept(desk: Desk) -> None:
    codes = [desk.code() for _ in range(KEPT_MAX + 1)]
    assert refused(desk, codes[0]) == "invalid_grant"
    assert desk.exchange(codes[1])


def test_somebody_is_chosen_or_named() -> None:
    chosen = person_of({"person": "mara"})
    assert chosen is PEOPLE[0]
    named = person_of({"name": " Ada  Lovelace "})
    assert named is not None
    assert named.name == "Ada Lovelace"
    assert named.email is None
    assert person_of({"name": "n" * 60}) is not None
    for fields in ({}, {"person": "nobody"}, {"name": "n" * 61}, {"name": "a\u202eb"}):
        assert person_of(fields) is None


def test_a_challenge_that_is_no_ascii_is_no_challenge(desk: Desk) -> None:
    desk.query["code_challenge"] = "é" * 43
    assert refused(desk, desk.code()) == "invalid_grant"
