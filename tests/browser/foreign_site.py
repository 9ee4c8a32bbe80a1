"""A site of somebody else on this machine: one page at another origin, with whatever a test puts on it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class ForeignSite:
    """Serves `html` at every path of an origin of its own.

    Attributes:
        origin: as browsers write it.
        html: the body of the page.
    """

    def __init__(self) -> None:
        self.html = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = f"<!doctype html><html lang='en'><title>A shop</title><body>{site.html}".encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def frame(self, url: str, *, width: int = 800, height: int = 600) -> None:
        """Show this address in a frame, as the snippet for a site's owner does."""
        self.html = f"<iframe src='{url}' title='Chat' width='{width}' height='{height}' style='border:0'></iframe>"
