"""What providers tell of people, made fit to be kept: short, printable, and nothing that only looks like an address."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from server.auth.providers.provider import Profile, ProviderFailure, Trouble

SUBJECT_CHARACTERS_MAX: Final = 255
"""OpenID Connect Core 1.0, 2: "sub"."""
NAME_CHARACTERS_MAX: Final = 100
EMAIL_CHARACTERS_MAX: Final = 254
"""RFC 5321, 4.5.3.1.3, without the angle brackets."""
IMAGE_CHARACTERS_MAX: Final = 2_000


def profile_of(
    *, subject: Any, name: Any = None, email: Any = None, email_verified: bool = False, image: Any = None
) -> Profile:
    """The profile; what is not right is left out, but for the subject.

    Raises:
        ProviderFailure: untrusted: there is no subject.
    """
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        raise ProviderFailure(Trouble.UNTRUSTED, "nobody in particular: there is no usual subject")
    address = _email(email)
    return Profile(
        subject=subject,
        name=_name(name),
        email=address,
        email_verified=email_verified and address is not None,
        image=_image(image),
    )


def profile_of_claims(claims: Mapping[str, Any]) -> Profile:
    """The profile that standard claims describe (OpenID Connect Core 1.0, 5.1)."""
    return profile_of(
        subject=claims.get("sub"),
        name=claims.get("name") or claims.get("preferred_username") or claims.get("nickname"),
        email=claims.get("email"),
        # Some issuers send the word.
        email_verified=claims.get("email_verified") in (True, "true"),
        image=claims.get("picture"),
    )


def _name(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return name[:NAME_CHARACTERS_MAX].strip() or None


def _email(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > EMAIL_CHARACTERS_MAX or not value.isprintable() or " " in value:
        return None
    mailbox, _, host = value.rpartition("@")
    return value if mailbox and host else None


def _image(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > IMAGE_CHARACTERS_MAX or not value.isprintable():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme == "https" and parts.hostname else None
