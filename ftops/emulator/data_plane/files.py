"""Files of the data plane: upload, import from a URL, list, read, delete.

Sources: the Azure OpenAI authoring API 2024-10-21, with Files_Import; ``expires_after`` of
2025-04-01-preview. A blob has an ordinary URL, which contains its signature.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from msgspec.structs import replace
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ftops.emulator.account.cloud import JSON, Cloud, StoredFile
from ftops.emulator.http.errors import Plane, ServiceError, invalid, not_found, over_quota
from ftops.emulator.http.messages import created, page, plane_of, read_object, reply
from ftops.emulator.trainer.examples import Failure, read_any

PURPOSES = ("fine-tune", "assistants", "batch", "evals", "user_data", "vision")
RESULTS = "fine-tune-results"
PROCESSING_FAILED = "The file could not be processed due to an internal error."
_EXPIRY_SECONDS = (1209600, 2592000)  # two weeks to thirty days


async def create(cloud: Cloud, request: Request) -> Response:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise invalid("The request must be multipart/form-data with 'purpose' and 'file'.")
    async with request.form(max_files=1, max_fields=20) as form:
        request.scope["emulator.body_keys"] = sorted(form)
        upload, purpose = _parts(form)
        now = cloud.clock.now()
        expires = _expiry(form, now)
        refuse_beyond_limit(cloud)
        name = cloud.new_id("file")
        size = await asyncio.to_thread(write_content, upload.file, cloud.content(name))
        filename = upload.filename or "file"
    if size == 0:
        cloud.content(name).unlink()
        raise invalid("The uploaded file is empty.")
    refuse_too_large(cloud, name, size)
    file = StoredFile(name, now, filename, purpose, size, 0.0, expires=expires)
    file = await asyncio.to_thread(add, cloud, file, request.scope["emulator.fault"].file)
    return created(request, described(cloud, file), f"files/{name}")


def add(cloud: Cloud, file: StoredFile, fault: str | None = None) -> StoredFile:
    """Add a file whose content is stored. It is processed after a while, maybe with an error."""
    error = PROCESSING_FAILED if fault else None
    if error is None and cloud.settings.jsonl_checked == "file" and file.purpose == "fine-tune":
        try:
            read_any(cloud.content(file.id).read_bytes(), "file")
        except Failure as exc:
            error = exc.message
    ready = cloud.clock.now() + cloud.settings.file_processing_seconds
    file = replace(file, ready=ready, error=error)
    cloud.files.put(file)
    return file


def refuse_too_large(cloud: Cloud, name: str, size: int) -> None:
    """Delete the content and raise if ``strict`` is set and the file is too large."""
    settings = cloud.settings
    if settings.strict and size > settings.max_file_bytes:
        cloud.content(name).unlink(missing_ok=True)
        message = f"The file has {size} bytes; the limit is {settings.max_file_bytes}."
        raise ServiceError(settings.file_too_large_status, "invalidPayload", message)


def _expiry(form: FormData, now: float) -> float | None:
    """When the file expires, by ``expires_after``."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    text, (low, high) = str(seconds), _EXPIRY_SECONDS
    is_valid = text.isdecimal() and len(text) < 10 and low <= int(text) <= high
    if anchor != "created_at" or not is_valid:
        raise invalid(f"'expires_after' needs the anchor 'created_at' and seconds from {low} to {high}.")
    return int(now) + int(text)


def _parts(form: FormData) -> tuple[UploadFile, str]:
    upload, purpose = form.get("file"), form.get("purpose")
    if not isinstance(upload, UploadFile):
        raise invalid("The part 'file' is missing.")
    if purpose not in PURPOSES:
        raise invalid(f"The purpose '{purpose}' is not supported; use one of {PURPOSES}.")
    return upload, str(purpose)


def refuse_beyond_limit(cloud: Cloud) -> None:
    """Raise if the account has reached its limit of files."""
    count = sum(file.purpose != RESULTS for file in existing(cloud))
    if count >= cloud.settings.files_limit:
        raise over_quota(
            cloud.settings,
            f"The resource has {count} files; the limit is {cloud.settings.files_limit}. "
            "Delete files that are no longer needed.",
        )


def write_content(source: IO[bytes], target: Path) -> int:
    """Write the content of a file. Returns its size in bytes."""
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        size = file.tell()
    temporary.replace(target)
    return size


async def list_all(cloud: Cloud, request: Request) -> Response:
    """List files. The dated plane has no pages and no ``has_more``."""
    purpose = request.query_params.get("purpose")
    listed = (file for file in existing(cloud) if cloud.is_listed(file.created))
    files = [file for file in listed if purpose in (None, file.purpose)]
    order: str = cloud.settings.list_order
    if plane_of(request) is Plane.V1:
        order = {"asc": "oldest", "desc": "newest"}.get(request.query_params.get("order", ""), order)
    if order == "newest":
        files.reverse()
    data = [described(cloud, file) for file in files]
    if plane_of(request) is Plane.DATED:
        return reply({"object": "list", "data": data})
    body = page(request, data, 10000)
    some = body["data"]
    ends = {"first_id": some[0]["id"], "last_id": some[-1]["id"]} if some else {}
    return reply({**body, **ends})


async def get(cloud: Cloud, request: Request) -> Response:
    return reply(described(cloud, _existing(cloud, request)))


async def content(cloud: Cloud, request: Request) -> Response:
    file = _existing(cloud, request)
    if not cloud.content(file.id).exists():
        raise not_found("file", file.id)
    if file.purpose == RESULTS and cloud.settings.results_encoding == "base64":
        encoded = base64.b64encode(cloud.content(file.id).read_bytes())
        return Response(encoded, media_type="application/octet-stream")
    return FileResponse(cloud.content(file.id), media_type="application/octet-stream")


async def delete(cloud: Cloud, request: Request) -> Response:
    """Delete a file, even if a job has used it."""
    file = _existing(cloud, request)
    cloud.files.remove(file.id)
    cloud.content(file.id).unlink(missing_ok=True)
    return reply({"id": file.id, "object": "file", "deleted": True})


def processed(cloud: Cloud, file: StoredFile) -> bool:
    return cloud.clock.now() >= file.ready


def file_error(cloud: Cloud, file: StoredFile) -> str | None:
    """Why the file couldn't be processed; None until the service reports it."""
    return file.error if processed(cloud, file) else None


def existing(cloud: Cloud) -> list[StoredFile]:
    """The files that have not expired, oldest first."""
    return [file for file in cloud.files.all() if not _expired(cloud, file)]


def find(cloud: Cloud, name: str) -> StoredFile | None:
    """A file by its id, if it has not expired."""
    file = cloud.files.get(name)
    return None if file is None or _expired(cloud, file) else file


def _expired(cloud: Cloud, file: StoredFile) -> bool:
    return file.expires is not None and cloud.clock.now() >= file.expires


def described(cloud: Cloud, file: StoredFile) -> JSON:
    """A file on the wire. A download has no size until it ends."""
    error, is_downloaded = file_error(cloud, file), file.ready != _UNFINISHED
    is_known = processed(cloud, file) or (cloud.settings.pending_file_bytes and is_downloaded)
    more: JSON = {"bytes": file.bytes} if is_known and error is None else {}
    if error is not None:
        more["status_details"] = error
    if file.expires is not None:
        more["expires_at"] = int(file.expires)
    return {
        "status": "error" if error else "processed" if processed(cloud, file) else "pending",
        **more,
        "purpose": file.purpose,
        "filename": file.filename,
        "id": file.id,
        "created_at": int(file.created),
        "object": "file",
    }


def _existing(cloud: Cloud, request: Request) -> StoredFile:
    name = request.path_params["file"]
    file = find(cloud, name)
    if file is None:
        raise not_found("file", name)
    return file


_UNFINISHED = 1e15  # "ready" of a file that is still being downloaded


async def import_from_url(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    url = _checked(body)
    refuse_beyond_limit(cloud)
    name, now = cloud.new_id("file"), cloud.clock.now()
    file = StoredFile(name, now, body["filename"], body["purpose"], 0, _UNFINISHED, source=url)
    cloud.files.put(file)
    _start(cloud, file, request.scope["emulator.fault"].file)
    await asyncio.sleep(0)
    return created(request, described(cloud, file), f"files/{name}")


def resume_imports(cloud: Cloud) -> None:
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
    if body["purpose"] not in PURPOSES or not isinstance(body["filename"], str):
        raise invalid(f"The purpose '{body['purpose']}' is not supported; use one of {PURPOSES}.")
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
            size = write_content(reply, cloud.content(file.id))
        refuse_too_large(cloud, file.id, size)
    except (OSError, ValueError, http.client.HTTPException, ServiceError) as exc:
        with cloud.lock:
            if cloud.files.get(file.id) is not None:  # it may have been deleted meanwhile
                cloud.files.put(replace(done, ready=cloud.clock.now(), error=_reason(exc)))
        return
    if cloud.files.get(file.id) is not None:
        add(cloud, replace(done, bytes=size), fault)


def _reason(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"fileImportFailed: the source answered with status {exc.code}."
    if isinstance(exc, ServiceError):
        return f"fileImportFailed: {exc.message}"
    if isinstance(exc, http.client.HTTPException):  # its message may contain the URL
        return f"fileImportFailed: the source could not be read ({type(exc).__name__})."
    return f"fileImportFailed: the source could not be read ({exc})."
