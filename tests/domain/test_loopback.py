"""This machine is told from all others by name and by address."""

import pytest

from server.domain.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.9.8.7", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.example", "127.0.0.1.example", "128.0.0.1", "10.0.0.1", "::2", "[::]"])
def test_any_other(host: str) -> None:
    assert not is_loopback(host)
