"""Bucket services: Azure Blob Storage, S3-compatible services and Google Cloud Storage.

The only module that uses obstore. Credentials come from the usual sources of the service, such as environment
variables, managed identities and `az login`; a spec can't contain any.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.util import find_spec
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import obstore
from msgspec.structs import asdict
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from ftops.core.backend_types import BACKEND_TYPES, BackendType
from ftops.core.errors import StateError
from ftops.core.lazy import resolve
from ftops.core.sign_in import rejected
from ftops.core.trusted_hosts import refusal
from ftops.state.backends.bucket_interface import Bucket, BucketError, Conflict, StoredObject, Tag

RETRIES: Any = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
}
"""Of a single request. The lock retries after that, because it knows for how long."""
MAX_BYTES = 1 << 30
"""Of an object that is read."""
CLIENT: Any = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=30)}


class ObjectBucket:
    """The objects of a bucket with a prefix. See `bucket_interface.Bucket`."""

    def __init__(self, store: ObjectStore, place: str, prefix: str, row: BackendType) -> None:
        self._store = store
        self._row = row
        self._prefix = prefix
        self._place = f"{place}/{prefix}"

    @property
    def place(self) -> str:
        return self._place

    def get(self, name: str) -> StoredObject | None:
        with self._translated():
            try:
                result = obstore.get(self._store, self._path(name))
            except FileNotFoundError as error:
                if _NO_BUCKET.search(str(error)):
                    raise
                return None
            meta = result.meta
            if meta["size"] > MAX_BYTES:
                place = f"{self._place}/{name}"
                raise BucketError(f"the object is too large: {place}", f"it has {meta['size']} bytes.")
            tag = Tag(meta["e_tag"], meta["version"])
            return StoredObject(bytes(result.bytes()), tag, meta["last_modified"].timestamp())

    def create(self, name: str, content: bytes) -> Tag:
        return self._put(name, content, "create")

    def replace(self, name: str, content: bytes, tag: Tag) -> Tag:
        return self._put(
            name, content, {key: value for key, value in asdict(tag).items() if value is not None}
        )

    def delete(self, names: Iterable[str]) -> None:
        with self._translated():
            for name in names:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, self._path(name))

    def names(self, prefix: str) -> list[str]:
        with self._translated():
            return [name for name, _ in self._listed(prefix)]

    def ages(self, prefix: str, limit: int) -> list[tuple[str, float]]:
        with self._translated():
            return list(islice(self._listed(prefix), limit))

    def _listed(self, prefix: str) -> Iterator[tuple[str, float]]:
        start = len(self._prefix) + 1
        for chunk in obstore.list(self._store, self._path(prefix.rstrip("/"))):
            yield from ((meta["path"][start:], meta["last_modified"].timestamp()) for meta in chunk)

    def _put(self, name: str, content: bytes, mode: Any) -> Tag:
        with self._translated():
            try:
                done = obstore.put(self._store, self._path(name), content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                raise Conflict(name) from error
        return Tag(done["e_tag"], done["version"])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> BucketError:
        if _is_signed_out(error):
            return BucketError(f"{self._row.signed_out} (state {self._place})", "", self._row.sign_in)
        message = _message(error)
        status = _status(error, message)
        temporary = status == "429" or (not status and isinstance(error, BaseError)) or status[:1] == "5"
        summary, hint = f"can't use the state at {self._place}", _HINTS.get(status, _HINTS[""])
        return BucketError(summary, message, hint, temporary=temporary)

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}"


def open_bucket(backend: str, settings: Mapping[str, str], prefix: str) -> Bucket:
    """By the settings of a spec. Makes no request. Raises StateError."""
    row = BACKEND_TYPES[backend]
    for (key,), service in row.addresses.items():
        if settings.get(key) and (refused := refusal(settings[key], service, os.environ)):
            raise StateError(*refused)
    try:
        store, place = resolve(row.opens)(settings)
    except (BaseError, ValueError) as error:
        if _is_signed_out(error):
            raise StateError(
                f"{row.signed_out} (state in {settings.get('bucket') or backend})", "", row.sign_in
            ) from error
        raise StateError(
            f"can't use the backend {backend}",
            _message(error),
            "`ftops docs state` lists its settings and credentials",
        ) from error
    return ObjectBucket(store, place, prefix, row)


def open_azure(settings: Mapping[str, str]) -> tuple[ObjectStore, str]:
    url = settings["account_url"].rstrip("/")
    parts = urlsplit(url)
    host = parts.hostname or ""
    account = parts.path.strip("/") or host.partition(".")[0]
    provider: Any = None
    if not any(os.environ.get(name) for name in _AZURE_KEYS):
        from obstore.auth.azure import AzureCredentialProvider

        provider = AzureCredentialProvider()
    container, config = settings["container"], {"account_name": account, "endpoint": url}
    options: Any = {"config": config, "credential_provider": provider, **_options(url)}
    return AzureStore(container, **options), f"{url}/{container}"


def open_s3(settings: Mapping[str, str]) -> tuple[ObjectStore, str]:
    bucket, url = settings["bucket"], settings.get("endpoint_url", "")
    config: Any = {"region": settings["region"]} if "region" in settings else {}
    if url:
        config |= {"endpoint": url, "virtual_hosted_style_request": False}
    provider: Any = None
    if not os.environ.get("AWS_ACCESS_KEY_ID") and find_spec("boto3"):
        from obstore.auth.boto3 import Boto3CredentialProvider

        provider = Boto3CredentialProvider()
    store = S3Store(bucket, config=config, credential_provider=provider, **_options(url))
    return store, f"s3://{bucket}"


def open_gcs(settings: Mapping[str, str]) -> tuple[ObjectStore, str]:
    bucket, url = settings["bucket"], os.environ.get(_GCS_EMULATOR, "")
    config: Any = {"base_url": url, "bearer_token": "none"} if url else {}
    return GCSStore(bucket, config=config, **_options(url)), f"gs://{bucket}"


_AZURE_KEYS = (
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_TOKEN",
)
"""If one of these is set, it is used; otherwise Microsoft Entra ID through DefaultAzureCredential."""
_GCS_EMULATOR = "STORAGE_EMULATOR_HOST"
"""As in Google's libraries: a server that needs no credentials."""


def _options(url: str) -> Any:
    """Plain HTTP only for this machine, or if the environment allows it: `refusal` has checked the
    address."""
    client = {**CLIENT, "allow_http": url.lower().startswith("http://")}
    return {"client_options": client, "retry_config": RETRIES}


_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|The specified (bucket|container) does not exist")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_METADATA = re.compile(r"Error performing \w+ http://(169\.254\.169\.254|metadata\.google\.internal)/")
_OUTAGE = re.compile(r"status code: (429|5\d\d)")
_NO_BOTO3 = "Received None from session.get_credentials"
_QUERY = re.compile(r"\?[^\s\"']+")
_HINTS: Mapping[str, str] = {
    "401": "sign in or set credentials: `ftops docs state` lists them",
    "403": "grant the identity of ftops permission to read, write, list and delete objects at this location",
    "404": "create the bucket or container first, or correct its name in `ftops: {state: …}`",
    "429": "wait a while, then try again: all recorded changes are safe",
    "": "check the network and the service, then try again: all recorded changes are safe",
}


def _is_signed_out(error: Exception) -> bool:
    """Whether no source of credentials has any: the last one is the metadata service of a virtual machine."""
    text = str(error)
    asked_machine = _METADATA.search(text) is not None and not _OUTAGE.search(text)
    return rejected(text) == [] or asked_machine or text.endswith(_NO_BOTO3)


def _status(error: Exception, message: str) -> str:
    if isinstance(error, PermissionDeniedError):
        return "403"
    if isinstance(error, UnauthenticatedError):
        return "401"
    match = _STATUS.search(message)
    return match[1] if match else "404" if isinstance(error, FileNotFoundError) else ""


def _message(error: Exception) -> str:
    """The first line, without the signatures of URLs."""
    text = str(error).partition("\n\nDebug source")[0]
    text = " ".join(_QUERY.sub("?…", text).split())
    return text if len(text) < 400 else text[:399] + "…"
