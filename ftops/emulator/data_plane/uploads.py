"""Uploads in parts, for files that are too large for one request. Only the dated plane has them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import JSON, Cloud, StoredFile, Upload, new_hex
from ftops.emulator.data_plane import files
from ftops.emulator.http.errors import invalid, not_found, wrong_state
from ftops.emulator.http.messages import read_object, reply

LIFETIME = 2 * 3600.0  # seconds
MAX_BYTES = 9 * 10**9


async def create(cloud: Cloud, request: Request) -> Response:
    body = await read_object(request)
    size, purpose = body.get("bytes"), body.get("purpose")
    if type(size) is not int or not 0 < size <= MAX_BYTES:
        raise invalid(f"'bytes' must be an integer from 1 to {MAX_BYTES}.")
    if purpose not in files.PURPOSES or not isinstance(body.get("filename"), str):
        raise invalid(f"'filename' and 'purpose' (one of {files.PURPOSES}) are required.")
    now = cloud.clock.now()
    upload = Upload(f"{purpose}-{new_hex()}", now, body["filename"], purpose, size, now + LIFETIME)
    cloud.uploads.put(upload)
    location = f"{request.base_url}openai/uploads/runs/{upload.id}"
    return reply(_described(cloud, upload), headers={"location": location})


async def add_part(cloud: Cloud, request: Request) -> Response:
    upload = _open(cloud, request)
    part = f"uplprt-{new_hex()}"
    async with request.form(max_files=1, max_fields=5) as form:
        request.scope["emulator.body_keys"] = sorted(form)
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise invalid("The part 'data' is missing.")
        size = await asyncio.to_thread(files.write_content, data.file, _part(cloud, part))
    with cloud.lock:
        upload = _open(cloud, request)
        cloud.uploads.put(replace(upload, parts={**upload.parts, part: size}))
    body = {"upload_id": upload.id, "azure_block_id": _block(part), "id": part, "object": "upload.part"}
    return reply({**body, "created_at": int(cloud.clock.now())})


async def complete(cloud: Cloud, request: Request) -> Response:
    """Join the parts in the order of ``part_ids``; check the digest, if ``md5`` is given."""
    body = await read_object(request)
    upload = _open(cloud, request)
    parts = _part_ids(upload, body.get("part_ids"))
    files.refuse_beyond_limit(cloud)
    name = cloud.new_id("file")
    digest = await asyncio.to_thread(_join, [_part(cloud, part) for part in parts], cloud.content(name))
    if body.get("md5") not in (None, digest):
        cloud.content(name).unlink()
        raise invalid("The content does not have the given 'md5'.")
    files.refuse_too_large(cloud, name, upload.bytes)
    file = StoredFile(name, cloud.clock.now(), upload.filename, upload.purpose, upload.bytes, 0.0)
    await asyncio.to_thread(files.add, cloud, file, request.scope["emulator.fault"].file)
    done = replace(upload, status="completed", file=name)
    cloud.uploads.put(done)
    _delete_parts(cloud, upload)
    return reply(_described(cloud, done))


async def cancel(cloud: Cloud, request: Request) -> Response:
    upload = replace(_open(cloud, request), status="cancelled")
    cloud.uploads.put(upload)
    _delete_parts(cloud, upload)
    return reply(_described(cloud, upload))


def _open(cloud: Cloud, request: Request) -> Upload:
    name = request.path_params["upload"]
    upload = cloud.uploads.get(name)
    if upload is None:
        raise not_found("upload", name)
    state = _status(cloud, upload)
    if state != "pending":
        raise wrong_state(cloud.settings, f"The upload '{name}' is in status '{state}'.")
    return upload


def _part_ids(upload: Upload, part_ids: Any) -> list[str]:
    if not isinstance(part_ids, list) or not part_ids or len(set(map(str, part_ids))) != len(part_ids):
        raise invalid("'part_ids' must be a list of different parts.")
    # The official example lists the ids of blocks, the SDK those of parts.
    blocks = {_block(part): part for part in upload.parts}
    part_ids = [blocks.get(part, part) for part in part_ids]
    if unknown := [part for part in part_ids if part not in upload.parts]:
        raise invalid(f"The part '{unknown[0]}' does not belong to the upload.")
    size = sum(upload.parts[part] for part in part_ids)
    if size != upload.bytes:
        raise invalid(f"The parts have {size} bytes, but {upload.bytes} were announced.")
    return [str(part) for part in part_ids]


def _block(part: str) -> str:
    return base64.b64encode(bytes.fromhex(part.removeprefix("uplprt-"))).decode()


def _join(parts: list[Path], target: Path) -> str:
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("wb+") as joined:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, joined, 1 << 20)
        joined.seek(0)
        digest = hashlib.file_digest(joined, partial(hashlib.md5, usedforsecurity=False))
    temporary.replace(target)
    return digest.hexdigest()


def _part(cloud: Cloud, part: str) -> Path:
    return cloud.folder / "uploads" / f"{part}.part"


def _delete_parts(cloud: Cloud, upload: Upload) -> None:
    for part in upload.parts:
        _part(cloud, part).unlink(missing_ok=True)


def _status(cloud: Cloud, upload: Upload) -> str:
    expired = upload.status == "pending" and cloud.clock.now() >= upload.expires
    return "expired" if expired else upload.status


def _described(cloud: Cloud, upload: Upload) -> JSON:
    body: JSON = {
        "id": upload.id,
        "object": "upload",
        "bytes": upload.bytes,
        "filename": upload.filename,
        "purpose": upload.purpose,
        "status": _status(cloud, upload),
        "created_at": int(upload.created),
        "expires_at": int(upload.expires),
    }
    file = cloud.files.get(upload.file) if upload.file else None
    return {**body, "file": files.described(cloud, file)} if file else body
