"""A web server of a few fixed answers on 127.0.0.1: where imports are fetched from."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Origin:
    """Serves ``contents`` by path; everything else is 403, as a blob without a valid signature."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = contents.get(urlsplit(self.path).path)
                self.send_response(200 if content is not None else 403)
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Origin:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
