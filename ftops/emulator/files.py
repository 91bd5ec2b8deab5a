"""Files of the data plane: upload, list, read, delete."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import IO

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ftops.emulator.cloud import JSON, Cloud, StoredFile, new_hex
from ftops.emulator.errors import Plane, invalid, not_found, over_quota
from ftops.emulator.http import created, page, plane_of, reply

PURPOSES = ("fine-tune", "assistants", "batch", "evals", "user_data", "vision")
RESULTS = "fine-tune-results"


async def create(cloud: Cloud, request: Request) -> Response:
    """POST /files: multipart with ``purpose`` and ``file``."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise invalid("The request must be multipart/form-data with 'purpose' and 'file'.")
    async with request.form(max_files=1, max_fields=20) as form:
        request.scope["emulator.body_keys"] = sorted(form)
        upload, purpose = _parts(form)
        refuse_beyond_limit(cloud)
        name = f"file-{new_hex()}"
        size = await asyncio.to_thread(keep, upload.file, cloud.content(name))
        filename = upload.filename or "file"
    if size == 0:
        cloud.content(name).unlink()
        raise invalid("The uploaded file is empty.")
    now = cloud.clock.now()
    ready = now + cloud.settings.file_processing_seconds
    file = StoredFile(name, filename, purpose, size, now, ready)
    cloud.files.put(file)
    return created(request, described(cloud, file), f"files/{name}")


def _parts(form: FormData) -> tuple[UploadFile, str]:
    upload, purpose = form.get("file"), form.get("purpose")
    if not isinstance(upload, UploadFile):
        raise invalid("The part 'file' is missing.")
    if purpose not in PURPOSES:
        raise invalid(f"The purpose '{purpose}' is not supported; use one of {PURPOSES}.")
    return upload, str(purpose)


def refuse_beyond_limit(cloud: Cloud) -> None:
    """Raise when the account has as many files as it may."""
    count = sum(file.purpose != RESULTS for file in cloud.files.all())
    if count >= cloud.settings.files_limit:
        raise over_quota(
            cloud.settings,
            f"The resource has {count} files; the limit is {cloud.settings.files_limit}. "
            "Delete files that are no longer needed."
        )


def keep(source: IO[bytes], target: Path) -> int:
    """Write a content to its place; its size in bytes."""
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        size = file.tell()
    temporary.replace(target)
    return size


async def list_all(cloud: Cloud, request: Request) -> Response:
    """GET /files. The dated plane ignores paging and says no ``has_more``."""
    purpose = request.query_params.get("purpose")
    files = [file for file in cloud.files.all() if purpose in (None, file.purpose)]
    wanted = cloud.settings.list_order
    if plane_of(request) is Plane.V1:
        wanted = {"asc": "oldest", "desc": "newest"}.get(request.query_params.get("order", ""), wanted)
    if wanted == "newest":
        files.reverse()
    if plane_of(request) is Plane.DATED:
        return reply({"object": "list", "data": [described(cloud, file) for file in files]})
    some, more = page(request, files, lambda file: file.id, 10000)
    ends = {"first_id": some[0].id, "last_id": some[-1].id} if some else {}
    data = [described(cloud, file) for file in some]
    return reply({"object": "list", "data": data, **ends, "has_more": more})


async def get(cloud: Cloud, request: Request) -> Response:
    """GET /files/{file}."""
    return reply(described(cloud, _existing(cloud, request)))


async def content(cloud: Cloud, request: Request) -> Response:
    """GET /files/{file}/content: the bytes as they were uploaded."""
    file = _existing(cloud, request)
    return FileResponse(cloud.content(file.id), media_type="application/octet-stream")


async def delete(cloud: Cloud, request: Request) -> Response:
    """DELETE /files/{file}; allowed though a job used it."""
    file = _existing(cloud, request)
    cloud.files.remove(file.id)
    cloud.content(file.id).unlink(missing_ok=True)
    return reply({"id": file.id, "object": "file", "deleted": True})


def processed(cloud: Cloud, file: StoredFile) -> bool:
    """Whether the service is done with the upload."""
    return cloud.clock.now() >= file.ready


def described(cloud: Cloud, file: StoredFile) -> JSON:
    """The file on the wire; its size is known only once it is processed."""
    done = processed(cloud, file)
    size = {"bytes": file.bytes} if done else {}
    return {
        "status": "processed" if done else "pending",
        **size,
        "purpose": file.purpose,
        "filename": file.filename,
        "id": file.id,
        "created_at": int(file.created),
        "object": "file",
    }


def _existing(cloud: Cloud, request: Request) -> StoredFile:
    name = request.path_params["file"]
    file = cloud.files.get(name)
    if file is None:
        raise not_found("file", name)
    return file
