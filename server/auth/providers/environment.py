"""The providers that the environment names; what is wrong is told in sentences, with all the rest of it."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from server.auth.providers.options import ProviderKind, ProviderOptions, SignInOptions
from server.domain.loopback import is_loopback

GOOGLE_ISSUER: Final = "https://accounts.google.com"
PROVIDERS_MAX: Final = 16
NAME_CHARACTERS_MAX: Final = 32
TOKEN_SECRETS_MAX: Final = 4
SHORTEST_SECRET_CHARACTERS: Final = 32
DEVELOPMENT_VARIABLE: Final = "TALLYLIGHT_DEVELOPMENT_SIGN_IN"
SECRETS_VARIABLE: Final = "TALLYLIGHT_TOKEN_SECRETS"
RESERVED: Final = frozenset({"google", "github", "facebook", "development"})

_NAMED: Final = (
    ("google", "Google", ProviderKind.OIDC, GOOGLE_ISSUER),
    ("github", "GitHub", ProviderKind.GITHUB, None),
    ("facebook", "Facebook", ProviderKind.FACEBOOK, None),
)
_ISSUER: Final = re.compile(r"TALLYLIGHT_OIDC_([A-Z0-9_]+)_(ISSUER|CLIENT_ID|CLIENT_SECRET|LABEL)", re.ASCII)
_WORDS: Final = {"": False, "off": False, "on": True}


def read_sign_in(environment: Mapping[str, str], *, is_production: bool) -> tuple[SignInOptions, list[str]]:
    """How people sign in, by these variables.

    Args:
        environment: names and values; an empty value counts as none.
        is_production: then nobody may be whoever they like.

    Returns:
        The options, and what is wrong with them: one sentence each.
    """
    texts = {name: text.strip() for name, text in environment.items() if text.strip()}
    problems: list[str] = []
    found = [
        _complete(texts, f"TALLYLIGHT_{name.upper()}", ProviderOptions(name, label, kind, "", "", url), problems)
        for name, label, kind, url in _NAMED
    ]
    names = {match[1] for name in texts if (match := _ISSUER.fullmatch(name))}
    found += [_issuer(texts, name, problems) for name in sorted(names)]
    providers = [one for one in found if one is not None]
    if len(providers) > PROVIDERS_MAX:
        problems.append(f"At most {PROVIDERS_MAX} providers of TALLYLIGHT_OIDC_… can be on one page.")
    development = texts.get(DEVELOPMENT_VARIABLE, "")
    if development not in _WORDS:
        problems.append(f"{DEVELOPMENT_VARIABLE} is {development!r}; it may be on, off.")
    is_development = _WORDS.get(development, False)
    if is_development and is_production:
        problems.append(f"{DEVELOPMENT_VARIABLE} is on, where anybody may be anybody: not in production.")
    secrets = tuple(text.strip() for text in texts.get(SECRETS_VARIABLE, "").split(",") if text.strip())
    if len(secrets) > TOKEN_SECRETS_MAX or any(len(secret) < SHORTEST_SECRET_CHARACTERS for secret in secrets):
        problems.append(
            f"{SECRETS_VARIABLE} holds at most {TOKEN_SECRETS_MAX} secrets, separated by commas, the newest first, "
            f"of at least {SHORTEST_SECRET_CHARACTERS} random characters each."
        )
    return SignInOptions(tuple(providers), secrets, is_development), problems


def _issuer(texts: Mapping[str, str], variable: str, problems: list[str]) -> ProviderOptions | None:
    prefix, name = f"TALLYLIGHT_OIDC_{variable}", variable.lower().replace("_", "-").strip("-")
    if name in RESERVED or not 0 < len(name) <= NAME_CHARACTERS_MAX:
        problems.append(f"{prefix}_…: the name is taken, empty or longer than {NAME_CHARACTERS_MAX} characters.")
    issuer = texts.get(f"{prefix}_ISSUER", "")
    if not _is_issuer(issuer):
        problems.append(
            f"{prefix}_ISSUER is not an address like https://login.example, exactly as the issuer names itself."
        )
    label = texts.get(f"{prefix}_LABEL", name.replace("-", " ").capitalize())
    options = ProviderOptions(name, label, ProviderKind.OIDC, "", "", issuer)
    return _complete(texts, prefix, options, problems, is_wanted=True)


def _complete(
    texts: Mapping[str, str], prefix: str, options: ProviderOptions, problems: list[str], *, is_wanted: bool = False
) -> ProviderOptions | None:
    """With client id and secret; None where neither is set and nothing else asks for this provider."""
    client_id, secret = texts.get(f"{prefix}_CLIENT_ID", ""), texts.get(f"{prefix}_CLIENT_SECRET", "")
    if not client_id and not secret and not is_wanted:
        return None
    for name, text in (("CLIENT_ID", client_id), ("CLIENT_SECRET", secret)):
        if not text:
            problems.append(f"{prefix}_{name} is not set; {options.label} gives both for an application.")
    return ProviderOptions(options.name, options.label, options.kind, client_id, secret, options.base_url)


def _is_issuer(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
