"""Names of devices, from what browsers say."""

import pytest

from server.domain.devices import DEVICE_CHARACTERS_MAX, device_of

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (CHROME, "Chrome on Linux"),
        (EDGE, "Edge on Windows"),
        (PHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Android 16; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0", "Firefox on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on macOS"),
        ("Chrome/1", "Chrome"),
        ("curl/8.5.0", "curl"),
        ("<script>alert(1)</script>", None),
        ("\u202egnp.exe", None),
        ("", None),
        (None, None),
    ],
)
def test_a_device_is_named_by_its_browser_and_system(user_agent: str | None, device: str | None) -> None:
    assert device_of(user_agent) == device


@pytest.mark.parametrize("length", [DEVICE_CHARACTERS_MAX, DEVICE_CHARACTERS_MAX + 1])
def test_a_long_name_is_cut_off(length: int) -> None:
    assert device_of("x" * length) == "x" * DEVICE_CHARACTERS_MAX
