"""Files that the service fetches from a URL: POST /files/import, on the dated plane only.

Source: the Azure OpenAI authoring API 2024-10-21, Files_Import. A blob is a URL as any other: what
signs the access to it is part of the URL.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Cloud, StoredFile, new_hex
from ftops.emulator.data_plane.files import (
    PURPOSES,
    described,
    keep,
    refuse_beyond_limit,
    refuse_too_large,
    stored,
)
from ftops.emulator.http.errors import ServiceError, invalid
from ftops.emulator.http.messages import created, read_object

_NOT_YET = 1e15  # when an import is ready that has not ended


async def create(cloud: Cloud, request: Request) -> Response:
    """POST /files/import: ``purpose``, ``filename`` and ``content_url``."""
    body = await read_object(request)
    url = _checked(body)
    refuse_beyond_limit(cloud)
    name, now = f"file-{new_hex()}", cloud.clock.now()
    file = StoredFile(name, body["filename"], body["purpose"], 0, now, _NOT_YET, source=url)
    cloud.files.put(file)
    fault = request.scope.get("emulator.file_fault")
    threading.Thread(target=_fetch, args=(cloud, file, fault), daemon=True).start()
    await asyncio.sleep(0)
    return created(request, described(cloud, file), f"files/{name}")


def resume(cloud: Cloud) -> None:
    """Fetch again what a stopped server was fetching."""
    for file in cloud.files.all():
        if file.source is not None and file.ready == _NOT_YET:
            threading.Thread(target=_fetch, args=(cloud, file, None), daemon=True).start()


def _checked(body: dict[str, Any]) -> str:
    missing = [key for key in ("purpose", "filename", "content_url") if not body.get(key)]
    if missing:
        raise invalid(f"The field '{missing[0]}' is required.")
    if body["purpose"] not in PURPOSES or not isinstance(body["filename"], str):
        raise invalid(f"The purpose '{body['purpose']}' is not supported; use one of {PURPOSES}.")
    url = str(body["content_url"])
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise invalid("'content_url' must be an absolute URL of the scheme https or http.")
    return url


def _fetch(cloud: Cloud, file: StoredFile, fault: str | None) -> None:
    """Runs in a thread; whatever goes wrong becomes the file's ``status_details``."""
    ended = dataclasses.replace(file, source=None)
    try:
        size = _download(cloud, file)
    except (OSError, ValueError, http.client.HTTPException, ServiceError) as exc:
        now = cloud.clock.now()
        failed = dataclasses.replace(ended, ready=now, error=_reason(exc))
        _put(cloud, failed)
        return
    if cloud.files.get(file.id) is not None:
        stored(cloud, dataclasses.replace(ended, bytes=size), fault)


def _download(cloud: Cloud, file: StoredFile) -> int:
    timeout = cloud.settings.import_timeout_seconds
    with urllib.request.urlopen(str(file.source), timeout=timeout) as reply:  # noqa: S310 - checked
        size = keep(reply, cloud.content(file.id))
    refuse_too_large(cloud, file.id, size)
    return size


def _reason(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"fileImportFailed: the source answered with status {exc.code}."
    if isinstance(exc, ServiceError):
        return f"fileImportFailed: {exc.message}"
    if isinstance(exc, http.client.HTTPException):  # its text may quote the URL
        return f"fileImportFailed: the source could not be read ({type(exc).__name__})."
    return f"fileImportFailed: the source could not be read ({exc})."


def _put(cloud: Cloud, file: StoredFile) -> None:
    with cloud.lock:
        if cloud.files.get(file.id) is not None:  # else it was deleted meanwhile
            cloud.files.put(file)
