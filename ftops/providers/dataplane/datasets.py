"""Datasets: files of the data plane. The remote name contains the token, by which a file is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError
from ftops.providers.base import Existing, Request
from ftops.providers.dataplane.client import DataPlane, items_of, plain, unusable
from ftops.providers.dataplane.errors import absent_is_none, unless_refused
from ftops.providers.dataplane.job_wire import status_of
from ftops.providers.dataplane.listing import existing_file
from ftops.providers.dataplane.uploads import Upload, check, send
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_PURPOSE = "fine-tune"
_PURPOSES = frozenset({"fine-tune", "evals", "batch", "assistants"})
"""The purposes of datasets. Files with other purposes are written by the service."""
_PIECE = 1 << 20
_NEWEST_JOBS = 100
"""Running jobs are among the newest."""
_SECONDS_BETWEEN_READS = 5.0


class Datasets:
    """Uploads, reads and deletes files."""

    def __init__(self, clients: DataPlane) -> None:
        self._clients = clients
        self._pause = min(clients.account.poll_interval, _SECONDS_BETWEEN_READS)
        self._uploads: dict[str, Upload] = {}
        """Uploads that may have to continue, by token."""

    def create(self, request: Request) -> RemoteObject:
        action = f"upload {request.address}"
        body = self._import(request, action) if request.inputs.get("url") else self._upload(request, action)
        return self._describe(body, request.inputs)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        action = f"read {resource.address}"
        body = self._clients.look_up(self._files.retrieve, resource.remote_id, action)
        if body is None or body.get("status") == "deleted":
            return None
        inputs = plain(resource.inputs)
        return self._with_digest(self._describe(body, inputs), inputs, resource.outputs)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        raise unchangeable(request, "The service can't change a file.")

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Fails while a job reads the file. The jobs of this state have ended by now, but another state may
        have adopted the file."""
        self._refuse_while_read(resource)
        delete_file(self._clients, resource.remote_id, f"delete {resource.address}")
        return None

    def _refuse_while_read(self, resource: ResourceState) -> None:
        action = f"look for users of {resource.address}"
        with self._clients.calling(action):
            jobs = self._clients.data.fine_tuning.jobs.with_raw_response.list(limit=_NEWEST_JOBS)
            page = next(items_of(lambda: jobs, action), [])
        for job in page:
            read = (job.get("training_file"), job.get("validation_file"))
            if resource.remote_id in read and status_of(job) is Status.PENDING:
                raise Permanent(
                    f"delete {resource.address}: {job['id']} is training on it",
                    "The job isn't in this state: another state has adopted the file, or the job was removed "
                    "from this state.",
                    "delete it after the job has ended, or keep it: `lifecycle: {on_destroy: retain}`",
                    code="InUse",
                )

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        action = f"look for {operation.address}"
        mark = f".{operation.token}."
        with self._clients.calling(action):
            for page in items_of(self._files.list, action):
                for body in page:
                    if mark in str(body.get("filename") or "") and body["id"] not in known:
                        self._accept(operation.token, str(body["id"]))
                        return self._describe(body, plain(operation.inputs))
        return None

    def existing(self) -> list[Existing]:
        """Every file that training can use, so without result files."""
        action = "list the files"
        with self._clients.calling(action):
            bodies = [body for page in items_of(self._files.list, action) for body in page]
        wanted = (b for b in bodies if str(b.get("purpose") or _PURPOSE).lower() in _PURPOSES)
        present = (b for b in wanted if str(b.get("status") or "").lower() not in ("deleting", "deleted"))
        return [existing_file(body, self._describe(body, {})) for body in present]

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        """The content as it was uploaded, in chunks."""

        def read() -> bool:
            with self._clients.data.files.with_streaming_response.content(remote_id) as reply:
                for piece in reply.iter_bytes(_PIECE):
                    take(piece)
            return True

        with self._clients.calling(f"read the content of {remote_id}"):
            # Some purposes and plans have no download, nor has a file whose content has expired.
            return bool(unless_refused(read, 400, 403, 404, 405, 410))

    @property
    def _files(self) -> Any:
        return self._clients.data.files.with_raw_response

    def _upload(self, request: Request, action: str) -> dict[str, Any]:
        derived = request.inputs.get("file")
        path = request.folder / str(derived or request.inputs.get("path") or "")
        name = f"{request.address.name}.jsonl" if derived else path.name
        purpose = str(request.inputs.get("purpose") or _PURPOSE)
        planned = str(request.inputs.get("content") or "").lower()
        new = Upload(path, remote_name(name, request), purpose, request.report, planned)
        upload = self._uploads.setdefault(request.token, new)
        try:
            body = send(self._clients, upload, action)
        except OSError as exc:
            raise Permanent(
                f"{action}: {path} can't be read",
                exc.strerror or str(exc),
                "check `path`; it is relative to the spec file",
                code="Unreadable",
            ) from exc
        self._accept(request.token, str(body["id"]))
        return body

    def _accept(self, token: str, remote_id: str) -> None:
        """Ends an upload of this process. Deletes the remote file if the local one changed meanwhile."""
        upload = self._uploads.pop(token, None)
        if upload is None or upload.planned in ("", upload.digest):
            return
        try:
            delete_file(self._clients, remote_id, f"delete {remote_id}")
            left = ""
        except ProviderError:
            left = f" {remote_id} was uploaded and could not be deleted."
        check(upload, upload.digest, left)

    def _import(self, request: Request, action: str) -> dict[str, Any]:
        if not self._clients.dialect.fetches_files:
            raise Permanent(
                f"{action}: {self._clients.dialect.service} can't fetch files",
                hint="download the file and name it with `path`",
                code="NoImport",
            )
        url = str(request.inputs["url"])
        name = url.split("?")[0].rsplit("/", 1)[-1] or "data.jsonl"
        body = {
            "purpose": request.inputs.get("purpose") or _PURPOSE,
            "filename": remote_name(name, request),
            "content_url": url,
        }
        # Only the dated routes can fetch a file; both kinds of routes list it.
        with self._clients.calling(action, creates=True):
            imported: Any = self._clients.extras.post("/files/import", body=body, cast_to=object)
        if not isinstance(imported, dict) or not imported.get("id"):
            raise unusable(action, creates=True)
        return imported

    def _with_digest(
        self, remote: RemoteObject, inputs: Mapping[str, Json], known: Mapping[str, Json]
    ) -> RemoteObject:
        """Downloads a file that the service has fetched, once: its digest isn't known otherwise."""
        if not inputs.get("url") or remote.status is not Status.READY:
            return remote
        digest = known.get("digest")
        if not digest:
            sha = sha256()
            try:
                got = self.content(remote.remote_id, sha.update)
            except ProviderError:
                got = False  # the file is usable; the next read tries again
            digest = f"sha256:{sha.hexdigest()}" if got else None
        return replace(remote, attributes={**remote.attributes, "digest": digest}) if digest else remote

    def _describe(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> RemoteObject:
        state = str(body.get("status") or "").lower()
        status = self._clients.dialect.file_status.get(state, Status.PENDING)
        attributes: dict[str, Json] = {"id": str(body["id"]), "status": state or "unknown"}
        size, purpose = body.get("bytes"), body.get("purpose")
        return RemoteObject(
            remote_id=str(body["id"]),
            status=status,
            attributes=attributes | ({"bytes": size} if isinstance(size, int) else {}),
            inputs={"purpose": str(purpose)} if "purpose" in inputs and purpose else {},
            message=_message(body, status, state),
            requeue_after=self._pause if status is Status.PENDING else None,
        )


def remote_name(name: str, request: Request) -> str:
    """The remote name of a file: its own name, for people, then its digest and its token."""
    path, digest = Path(name), str(request.inputs.get("content") or "").removeprefix("sha256:")[:16]
    marks = f"{digest}.{request.token}" if digest else request.token
    return f"{path.stem}.{marks}{path.suffix or '.jsonl'}"


def unchangeable(request: Request, why: str) -> Permanent:
    return Permanent(f"{request.address} can't be changed in place", why, "replace it: `ftops plan`")


def delete_file(clients: DataPlane, remote_id: str, action: str) -> None:
    """Deletes a file, if it exists."""
    with clients.calling(action):
        absent_is_none(lambda: clients.data.files.with_raw_response.delete(remote_id))


def _message(body: Mapping[str, Any], status: Status, state: str) -> str:
    if status is Status.TAINTED:
        details = body.get("status_details")
        if isinstance(details, Mapping):
            details = details.get("message") or details.get("code")
        return str(details or f"the service could not process the file ({state})")
    return "" if status is Status.READY else f"the service is processing the file ({state or 'no status'})"
