"""The files below `/static`: their addresses with a fingerprint, how long they may be kept, who may load them."""

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from server.api.operations import ANY, Answer, Operation
from server.api.paths import StaticPath
from server.domain.errors import Code

STATIC_PREFIX: Final = "/static"
FINGERPRINT_CHARACTERS: Final = 12

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
"""Kept, but asked for each time; the answer is 304 when nothing changed. Modules import each other by this way."""

LOADER: Final = "embed/v1/loader.js"
LOADER_CACHE: Final = "public, max-age=300"
"""The loader's address never changes: foreign pages name it."""

SHARED_FOLDERS: Final = ("widget/", "embed/", "vendor/")
"""What foreign pages load: module scripts are fetched with CORS, so without the header they get nothing."""

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Said here, because a machine's own list may lack one, and a script of another type does not run (nosniff)."""


class Assets:
    """The addresses of static files: with a fingerprint of the content, which may be kept for ever."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fingerprints: dict[str, str] = {}

    def url(self, path: str) -> str:
        """The address of a file below the folder, such as ``site.css``.

        Raises:
            FileNotFoundError: a template names a file that is not there.
        """
        return f"{STATIC_PREFIX}/{path}?v={self.fingerprint(path)}"

    def fingerprint(self, path: str) -> str:
        """The beginning of the SHA-256 of a file; read once, files of a running server do not change."""
        known = self._fingerprints.get(path)
        if known is None:
            digest = hashlib.sha256((self._folder / path).read_bytes()).hexdigest()
            known = self._fingerprints[path] = digest[:FINGERPRINT_CHARACTERS]
        return known


class StaticFolder(StaticFiles):
    """The files that pages and the widget load. The answer is the whole file, whatever range was asked for."""

    operation: Final = Operation(
        "Pages",
        {200: Answer("The file.", media_type=ANY), 304: Answer("The file that the caller has.", media_type=None)},
        path=StaticPath,
        refusals=(Code.NOT_FOUND,),
    )

    def __init__(self, folder: Path, assets: Assets) -> None:
        super().__init__(directory=folder)
        self._assets = assets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as if no range was asked for: the files are small, and parts of them cannot be compressed well."""
        whole = [(name, value) for name, value in scope["headers"] if name != b"range"]
        await super().__call__({**scope, "headers": whole}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file, or 304; a folder is not found."""
        response = await super().get_response(path, scope)
        name = Path(path).as_posix()
        response.headers["cache-control"] = self._cache_control(name, scope)
        response.headers["accept-ranges"] = "none"
        if name.startswith(SHARED_FOLDERS):
            response.headers["access-control-allow-origin"] = "*"
            response.headers["cross-origin-resource-policy"] = "cross-origin"
        media_type = MEDIA_TYPES.get(Path(path).suffix)
        if media_type is not None and "content-type" in response.headers:
            response.headers["content-type"] = media_type
        return response

    def _cache_control(self, name: str, scope: Scope) -> str:
        if name == LOADER:
            return LOADER_CACHE
        if name.startswith("vendor/"):  # the version is in the name
            return FOREVER
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("v")
        return FOREVER if asked == [self._assets.fingerprint(name)] else ASK_AGAIN
