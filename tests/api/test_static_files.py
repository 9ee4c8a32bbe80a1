"""Static files: how long they may be kept, who may load them, and that nothing else is reached."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from server.api.static_files import Assets
from server.storage.postgres import Postgres
from tests.api.site import Site

FILES = {
    "site.css": "a{}" * 400,
    "widget/channel-chat.js": "export {}",
    "embed/v1/loader.js": "export {}",
    "vendor/marked-18.2.1.js": "export {}",
    "vendor/font.woff2": "font",
    "pages/enhance.js": "export {}",
}
FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    return root


@pytest.fixture
async def client(postgres: Postgres, folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with Site(postgres, static_path=folder).client() as browser:
        yield browser


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("site.css", "no-cache"),
        ("site.css?v=000000000000", "no-cache"),
        ("widget/channel-chat.js", "no-cache"),
        ("embed/v1/loader.js", "public, max-age=300"),
        ("vendor/marked-18.2.1.js", FOREVER),
    ],
)
async def test_how_long_a_file_may_be_kept(client: httpx2.AsyncClient, path: str, kept: str) -> None:
    answer = await client.get(f"/static/{path}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, kept)


async def test_an_address_with_the_right_fingerprint_may_be_kept_for_ever(
    client: httpx2.AsyncClient, folder: Path
) -> None:
    url = Assets(folder).url("site.css")
    assert url.startswith("/static/site.css?v=")
    assert (await client.get(url)).headers["cache-control"] == FOREVER


def test_another_content_has_another_address(folder: Path) -> None:
    before = Assets(folder).url("site.css")
    (folder / "site.css").write_text("b{}")
    assert Assets(folder).url("site.css") != before


def test_a_template_that_names_an_absent_file_is_a_mistake(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Assets(folder).url("absent.css")


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("widget/channel-chat.js", True),
        ("embed/v1/loader.js", True),
        ("vendor/font.woff2", True),
        ("site.css", False),
        ("pages/enhance.js", False),
    ],
)
async def test_foreign_pages_may_load_the_widget_and_nothing_else(
    client: httpx2.AsyncClient, path: str, *, shared: bool
) -> None:
    answer = await client.get(f"/static/{path}", headers={"origin": "https://fan.example"})
    assert (answer.headers.get("access-control-allow-origin") == "*") is shared


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("site.css", "text/css; charset=utf-8"),
        ("widget/channel-chat.js", "text/javascript; charset=utf-8"),
        ("vendor/font.woff2", "font/woff2"),
    ],
)
async def test_the_type_does_not_depend_on_the_machine(client: httpx2.AsyncClient, path: str, media_type: str) -> None:
    assert (await client.get(f"/static/{path}")).headers["content-type"] == media_type


async def test_a_file_that_did_not_change_is_304(client: httpx2.AsyncClient) -> None:
    first = await client.get("/static/site.css")
    again = await client.get("/static/site.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("encoding", ["gzip", "br"])
async def test_text_is_compressed_as_the_browser_wants(client: httpx2.AsyncClient, encoding: str) -> None:
    answer = await client.get("/static/site.css", headers={"accept-encoding": encoding})
    assert answer.headers["content-encoding"] == encoding
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert answer.text == FILES["site.css"]


@pytest.mark.parametrize(
    "path", ["", "/", "/vendor", "/link.txt", "/absent.css", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%00"]
)
async def test_what_is_no_file_of_the_folder_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(f"/static{path}", headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert "secret" not in answer.text
