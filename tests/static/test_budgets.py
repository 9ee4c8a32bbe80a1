"""What a reader's browser downloads, in bytes of gzip, file by file as they are served.

The sources are served as they are written, comments included. The chat's own modules are therefore larger than a
minified bundle (12 kB) would be; what counts in the end is the sum that a chat costs.
"""

import gzip
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[2] / "static"
KILOBYTE = 1024

LAZY = {"markdown-walker.js"}
LOOKS = {"styles.js"}
WIDGET = {path.name for path in (STATIC / "widget").glob("*.js")}


def gzipped_bytes(*paths: str) -> int:
    return sum(len(gzip.compress((STATIC / path).read_bytes(), 9, mtime=0)) for path in paths)


def widget(names: set[str]) -> list[str]:
    return [f"widget/{name}" for name in sorted(names)]


CHAT = [*widget(WIDGET), "vendor/marked-18.2.1.js", "site.css", "pages/live-channel.js"]


@pytest.mark.parametrize(
    ("files", "limit_kilobytes"),
    [
        pytest.param(widget(WIDGET - LAZY - LOOKS), 26.5, id="component, socket, scroll, strings"),
        pytest.param(widget(LOOKS), 4, id="looks of the component"),
        pytest.param([*widget(LAZY), "vendor/marked-18.2.1.js"], 20, id="markdown, loaded with the first answer"),
        pytest.param(["site.css"], 8, id="looks of the pages"),
        pytest.param(["pages/live-channel.js"], 2, id="live figures"),
        pytest.param(["pages/session-bar.js"], 1.2, id="who is signed in, on every page"),
        pytest.param(["vendor/bricolage-grotesque-5.3.0.woff2"], 24, id="font"),
        pytest.param(CHAT, 53, id="everything a chat needs but the font"),
    ],
)
def test_downloads_stay_within_their_budget(files: list[str], limit_kilobytes: float) -> None:
    assert gzipped_bytes(*files) <= limit_kilobytes * KILOBYTE


def test_the_channel_page_preloads_every_module_but_the_lazy_one() -> None:
    template = (STATIC.parent / "templates" / "channel.html").read_text()
    entry = {"channel-chat.js"}
    assert {name for name in WIDGET if f'"{name.removesuffix(".js")}"' in template} == WIDGET - LAZY - entry
