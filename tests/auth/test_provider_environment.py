"""Which providers the environment names, and what is said of a mistake."""

import pytest

from server.auth.providers.environment import read_sign_in
from server.auth.providers.options import ProviderKind, SignInOptions

SECRET = "s" * 32


def read(**variables: str) -> tuple[SignInOptions, list[str]]:
    return read_sign_in(variables, is_production=True)


def problems(**variables: str) -> str:
    return "\n".join(read(**variables)[1])


def test_nothing_is_configured_by_nothing() -> None:
    assert read() == (SignInOptions(), [])
    assert read(TALLYLIGHT_GOOGLE_CLIENT_ID="  ", TALLYLIGHT_OIDC_OWN_ISSUER="") == (SignInOptions(), [])


def test_every_kind_is_read_and_the_named_ones_come_first() -> None:
    options, wrong = read(
        TALLYLIGHT_OIDC_MY_CLUB_ISSUER="https://login.club.example/realms/fans",
        TALLYLIGHT_OIDC_MY_CLUB_CLIENT_ID="c",
        TALLYLIGHT_OIDC_MY_CLUB_CLIENT_SECRET="d",
        TALLYLIGHT_OIDC_MY_CLUB_LABEL="The Club",
        TALLYLIGHT_FACEBOOK_CLIENT_ID="e",
        TALLYLIGHT_FACEBOOK_CLIENT_SECRET="f",
        TALLYLIGHT_GOOGLE_CLIENT_ID="a",
        TALLYLIGHT_GOOGLE_CLIENT_SECRET="b",
        TALLYLIGHT_TOKEN_SECRETS=f"{SECRET}, {SECRET}2",
    )
    assert wrong == []
    assert [(one.name, one.label, one.kind, one.base_url, one.client_id) for one in options.providers] == [
        ("google", "Google", ProviderKind.OIDC, "https://accounts.google.com", "a"),
        ("facebook", "Facebook", ProviderKind.FACEBOOK, None, "e"),
        ("my-club", "The Club", ProviderKind.OIDC, "https://login.club.example/realms/fans", "c"),
    ]
    assert options.token_secrets == (SECRET, f"{SECRET}2")


def test_secrets_are_in_no_text_of_the_options() -> None:
    options, _ = read(
        TALLYLIGHT_GITHUB_CLIENT_ID="a", TALLYLIGHT_GITHUB_CLIENT_SECRET="canary", TALLYLIGHT_TOKEN_SECRETS=SECRET
    )
    assert "canary" not in repr(options)
    assert SECRET not in repr(options)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TALLYLIGHT_GOOGLE_CLIENT_ID": "a"}, "TALLYLIGHT_GOOGLE_CLIENT_SECRET is not set"),
        ({"TALLYLIGHT_GITHUB_CLIENT_SECRET": "a"}, "TALLYLIGHT_GITHUB_CLIENT_ID is not set"),
        ({"TALLYLIGHT_OIDC_OWN_CLIENT_ID": "a"}, "TALLYLIGHT_OIDC_OWN_ISSUER is not an address"),
        ({"TALLYLIGHT_OIDC_OWN_ISSUER": "http://login.example"}, "TALLYLIGHT_OIDC_OWN_ISSUER is not an address"),
        ({"TALLYLIGHT_OIDC_OWN_ISSUER": "https://a:b@login.example"}, "TALLYLIGHT_OIDC_OWN_ISSUER is not an address"),
        ({"TALLYLIGHT_OIDC_OWN_ISSUER": "https://login.example:x"}, "TALLYLIGHT_OIDC_OWN_ISSUER is not an address"),
        ({"TALLYLIGHT_OIDC_GOOGLE_ISSUER": "https://login.example"}, "the name is taken"),
        ({f"TALLYLIGHT_OIDC_{'A' * 33}_ISSUER": "https://login.example"}, "the name is taken"),
        ({"TALLYLIGHT_TOKEN_SECRETS": "short"}, "TALLYLIGHT_TOKEN_SECRETS"),
        ({"TALLYLIGHT_TOKEN_SECRETS": ",".join([SECRET] * 5)}, "TALLYLIGHT_TOKEN_SECRETS"),
        ({"TALLYLIGHT_DEVELOPMENT_SIGN_IN": "yes"}, "it may be on, off"),
        ({"TALLYLIGHT_DEVELOPMENT_SIGN_IN": "on"}, "not in production"),
    ],
)
def test_a_mistake_is_told_with_its_variable(variables: dict[str, str], told: str) -> None:
    assert told in problems(**variables)


def test_an_issuer_on_this_machine_may_be_on_plain_http() -> None:
    told = problems(TALLYLIGHT_OIDC_OWN_ISSUER="http://127.0.0.1:9000")
    assert "ISSUER" not in told


def test_the_development_sign_in_is_for_development() -> None:
    options, wrong = read_sign_in({"TALLYLIGHT_DEVELOPMENT_SIGN_IN": "on"}, is_production=False)
    assert options.development
    assert wrong == []


def test_more_providers_than_fit_a_page_are_refused() -> None:
    def issuers(count: int) -> dict[str, str]:
        made: dict[str, str] = {}
        for number in range(count):
            prefix = f"TALLYLIGHT_OIDC_N{number}"
            made |= {
                f"{prefix}_ISSUER": "https://a.example",
                f"{prefix}_CLIENT_ID": "a",
                f"{prefix}_CLIENT_SECRET": "b",
            }
        return made

    assert problems(**issuers(16)) == ""
    assert "At most 16 providers" in problems(**issuers(17))
