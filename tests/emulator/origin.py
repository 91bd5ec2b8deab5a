"""A web server with a few fixed files on 127.0.0.1, from which imports are fetched."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from tests.support.http_server import Handler, Server, serving


def origin_of(contents: Mapping[str, bytes]) -> AbstractContextManager[Server]:
    """Serves the contents by path. Other paths are 403, as a blob without a valid signature."""

    class Files(Handler):
        def do_GET(self) -> None:
            content = contents.get(urlsplit(self.path).path)
            self.answer(403 if content is None else 200, content or b"")

    return serving(Server(Files))
