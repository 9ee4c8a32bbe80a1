"""Sealing: nobody reads it, nobody changes it, nobody moves it, and secrets can be changed."""

import pytest

from server.auth.sealing import Keyring, Unsealable

OLD, NEW = "an old secret of the tests, long enough", "a new secret of the tests, long enough"


def test_what_is_sealed_opens_and_shows_nothing() -> None:
    sealer = Keyring([OLD]).sealer("tokens")
    sealed = sealer.seal(b"ya29.token", bound_to="here")
    assert b"ya29" not in sealed
    assert sealer.open(sealed, bound_to="here") == b"ya29.token"
    assert sealer.seal(b"ya29.token", bound_to="here") != sealed


def test_it_opens_nowhere_else() -> None:
    sealer = Keyring([OLD]).sealer("tokens")
    with pytest.raises(Unsealable):
        sealer.open(sealer.seal(b"token", bound_to="account 1 access_token"), bound_to="account 2 access_token")


def test_it_opens_for_no_other_purpose() -> None:
    keyring = Keyring([OLD])
    with pytest.raises(Unsealable):
        keyring.sealer("notice").open(keyring.sealer("tokens").seal(b"token", bound_to="here"), bound_to="here")


def test_the_first_secret_seals_and_all_open() -> None:
    before = Keyring([OLD]).sealer("tokens")
    both = Keyring([NEW, OLD]).sealer("tokens")
    after = Keyring([NEW]).sealer("tokens")
    assert both.open(before.seal(b"token", bound_to="here"), bound_to="here") == b"token"
    assert after.open(both.seal(b"token", bound_to="here"), bound_to="here") == b"token"
    with pytest.raises(Unsealable):
        after.open(before.seal(b"token", bound_to="here"), bound_to="here")


def test_every_byte_counts() -> None:
    sealer = Keyring([OLD]).sealer("tokens")
    sealed = sealer.seal(b"token", bound_to="here")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(Unsealable):
            sealer.open(bytes(changed), bound_to="here")
    for length in range(len(sealed)):
        with pytest.raises(Unsealable):
            sealer.open(sealed[:length], bound_to="here")


def test_a_keyring_without_a_secret_is_none() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        Keyring([])
