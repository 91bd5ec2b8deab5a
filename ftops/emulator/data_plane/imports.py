"""Imports: files that the service downloads from a URL, on the dated plane only.

Source: the Azure OpenAI authoring API 2024-10-21, Files_Import. A blob has an ordinary URL, which contains
its signature.
"""

from __future__ import annotations

import asyncio
import http.client
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Cloud, StoredFile, new_hex
from ftops.emulator.data_plane import files
from ftops.emulator.http.errors import ServiceError, invalid
from ftops.emulator.http.messages import created, read_object

_UNFINISHED = 1e15  # "ready" of a file that is still being downloaded


async def create(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    url = _checked(body)
    files.refuse_beyond_limit(cloud)
    name, now = f"file-{new_hex()}", cloud.clock.now()
    file = StoredFile(name, now, body["filename"], body["purpose"], 0, _UNFINISHED, source=url)
    cloud.files.put(file)
    _start(cloud, file, request.scope.get("emulator.file_fault"))
    await asyncio.sleep(0)
    return created(request, files.described(cloud, file), f"files/{name}")


def resume(cloud: Cloud) -> None:
    """Start again the downloads of a server that was stopped."""
    for file in cloud.files.all():
        if file.source is not None and file.ready == _UNFINISHED:
            _start(cloud, file, None)


def _start(cloud: Cloud, file: StoredFile, fault: str | None) -> None:
    threading.Thread(target=_fetch, args=(cloud, file, fault), daemon=True).start()


def _checked(body: dict[str, Any]) -> str:
    missing = [key for key in ("purpose", "filename", "content_url") if not body.get(key)]
    if missing:
        raise invalid(f"The field '{missing[0]}' is required.")
    if body["purpose"] not in files.PURPOSES or not isinstance(body["filename"], str):
        raise invalid(f"The purpose '{body['purpose']}' is not supported; use one of {files.PURPOSES}.")
    url = str(body["content_url"])
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise invalid("'content_url' must be an absolute URL of the scheme https or http.")
    return url


def _fetch(cloud: Cloud, file: StoredFile, fault: str | None) -> None:
    """Runs in a thread. Any error becomes the ``status_details`` of the file."""
    done = replace(file, source=None)
    try:
        timeout = cloud.settings.import_timeout_seconds
        with urllib.request.urlopen(str(file.source), timeout=timeout) as reply:  # noqa: S310 - checked
            size = files.write_content(reply, cloud.content(file.id))
        files.refuse_too_large(cloud, file.id, size)
    except (OSError, ValueError, http.client.HTTPException, ServiceError) as exc:
        with cloud.lock:
            if cloud.files.get(file.id) is not None:  # it may have been deleted meanwhile
                cloud.files.put(replace(done, ready=cloud.clock.now(), error=_reason(exc)))
        return
    if cloud.files.get(file.id) is not None:
        files.add(cloud, replace(done, bytes=size), fault)


def _reason(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"fileImportFailed: the source answered with status {exc.code}."
    if isinstance(exc, ServiceError):
        return f"fileImportFailed: {exc.message}"
    if isinstance(exc, http.client.HTTPException):  # its message may contain the URL
        return f"fileImportFailed: the source could not be read ({type(exc).__name__})."
    return f"fileImportFailed: the source could not be read ({exc})."
