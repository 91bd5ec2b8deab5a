"""Datasets: files of the data plane. One is found again by the token in its remote name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError
from ftops.providers.base import Existing, Request
from ftops.providers.dataplane.client import DataPlane, items_of, object_of, plain, unusable
from ftops.providers.dataplane.errors import absent_is_none, refusal_from
from ftops.providers.dataplane.job_wire import status_of
from ftops.providers.dataplane.listing import existing_file
from ftops.providers.dataplane.uploads import Sending, check, send
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status

_PURPOSE = "fine-tune"
_PURPOSES = frozenset({"fine-tune", "evals", "batch", "assistants"})
"""What a dataset of a spec may be for; of other purposes are files that the service writes itself."""
_PIECE = 1 << 20
_NEWEST_JOBS = 100
"""Those that run are among the newest."""
_SECONDS_BETWEEN_READS = 5.0


class Datasets:
    """Uploads, reads and deletes files."""

    def __init__(self, clients: DataPlane) -> None:
        self._clients = clients
        self._sending: dict[str, Sending] = {}
        """By token, uploads that may have to go on."""

    def create(self, request: Request) -> RemoteObject:
        action = f"upload {request.address}"
        body = self._import(request, action) if request.inputs.get("url") else self._upload(request, action)
        return self._describe(body, request.inputs)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        action = f"read {resource.address}"
        files = self._clients.data.files.with_raw_response
        with self._clients.calling(action):
            reply = absent_is_none(lambda: files.retrieve(resource.remote_id))
        if reply is None:
            return None
        body = object_of(reply, action)
        if body.get("status") == "deleted":
            return None
        inputs = plain(resource.inputs)
        return self._with_digest(self._describe(body, inputs), inputs, resource.outputs)

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        raise Permanent(
            f"{request.address} can't be changed in place",
            "A file of the service can't be changed.",
            "replace it: `ftops plan`",
        )

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        """Refused while a job reads the file: those of this state have ended by now, but another state may
        have adopted it."""
        self._refuse_while_read(resource)
        delete_file(self._clients, resource.remote_id, f"delete {resource.address}")
        return None

    def _refuse_while_read(self, resource: ResourceState) -> None:
        action = f"look who uses {resource.address}"
        with self._clients.calling(action):
            jobs = self._clients.data.fine_tuning.jobs.with_raw_response.list(limit=_NEWEST_JOBS)
            page = next(items_of(lambda after: jobs, action), [])
        for job in page:
            read = (job.get("training_file"), job.get("validation_file"))
            if resource.remote_id in read and status_of(job) is Status.PENDING:
                raise Permanent(
                    f"delete {resource.address}: {job['id']} is being trained on it",
                    "That job isn't in this state, or isn't any more: another state has adopted the file, or "
                    "the job was forgotten.",
                    "delete it once the job has ended, or keep it: `lifecycle: {on_destroy: retain}`",
                    code="InUse",
                )

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        action = f"look for {operation.address}"
        mark = f".{operation.token}."
        with self._clients.calling(action):
            for page in items_of(self._list, action):
                for body in page:
                    if mark in str(body.get("filename") or "") and body["id"] not in known:
                        self._accept(operation.token, str(body["id"]))
                        return self._describe(body, plain(operation.inputs))
        return None

    def existing(self) -> list[Existing]:
        """Every file that training may use; those that jobs have written are none."""
        action = "list the files"
        with self._clients.calling(action):
            bodies = [body for page in items_of(self._list, action) for body in page]
        wanted = (b for b in bodies if str(b.get("purpose") or _PURPOSE).lower() in _PURPOSES)
        there = (b for b in wanted if str(b.get("status") or "").lower() not in ("deleting", "deleted"))
        return [existing_file(body, self._describe(body, {})) for body in there]

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        """As it was uploaded, piece by piece."""
        with self._clients.calling(f"read the content of {remote_id}"):
            try:
                with self._clients.data.files.with_streaming_response.content(remote_id) as reply:
                    for piece in reply.iter_bytes(_PIECE):
                        take(piece)
            except Exception as exc:
                refusal = refusal_from(exc)
                # Some purposes and some plans have no download; a file whose content expired has none either.
                if refusal is not None and refusal.status in (400, 403, 404, 405, 410):
                    return False
                raise
        return True

    def _list(self, after: str | None) -> Any:
        files = self._clients.data.files.with_raw_response
        return files.list(after=after) if after else files.list()

    def _upload(self, request: Request, action: str) -> dict[str, Any]:
        made = request.inputs.get("file")
        path = request.folder / str(made or request.inputs.get("path") or "")
        name = f"{request.address.name}.jsonl" if made else path.name
        purpose = str(request.inputs.get("purpose") or _PURPOSE)
        planned = str(request.inputs.get("content") or "").lower()
        begun = Sending(path, remote_name(name, request), purpose, request.report, planned)
        sending = self._sending.setdefault(request.token, begun)
        try:
            body = send(self._clients, sending, action)
        except OSError as exc:
            raise _unreadable(action, path, exc) from exc
        self._accept(request.token, str(body["id"]))
        return body

    def _accept(self, token: str, remote_id: str) -> None:
        """Ends an upload of this process. A file that changed while it was sent is taken back."""
        sending = self._sending.pop(token, None)
        if sending is None or sending.is_as_planned:
            return
        try:
            delete_file(self._clients, remote_id, f"take {remote_id} back")
            left = ""
        except ProviderError:
            left = f" {remote_id} was uploaded and could not be deleted."
        check(sending, sending.digest, left)

    def _import(self, request: Request, action: str) -> dict[str, Any]:
        if not self._clients.dialect.fetches_files:
            raise Permanent(
                f"{action}: {self._clients.dialect.service} fetches no files",
                hint="fetch it, and name it with `path`",
                code="NoImport",
            )
        url = str(request.inputs["url"])
        name = url.split("?")[0].rsplit("/", 1)[-1] or "data.jsonl"
        body = {
            "purpose": request.inputs.get("purpose") or _PURPOSE,
            "filename": remote_name(name, request),
            "content_url": url,
        }
        # Only the dated routes can fetch a file; what they fetch is seen by both.
        with self._clients.calling(action, creates=True):
            imported: Any = self._clients.extras.post("/files/import", body=body, cast_to=object)
        if not isinstance(imported, dict) or not imported.get("id"):
            raise unusable(action, creates=True)
        return imported

    def _with_digest(
        self, remote: RemoteObject, inputs: Mapping[str, Json], known: Mapping[str, Json]
    ) -> RemoteObject:
        """A file that the service has fetched is read back once: nothing else says what it fetched."""
        if not inputs.get("url") or remote.status is not Status.READY:
            return remote
        digest = known.get("digest")
        if not digest:
            sha = sha256()
            try:
                got = self.content(remote.remote_id, sha.update)
            except ProviderError:
                got = False  # the file is fine all the same; the next look asks again
            digest = f"sha256:{sha.hexdigest()}" if got else None
        return replace(remote, attributes={**remote.attributes, "digest": digest}) if digest else remote

    def _describe(self, body: Mapping[str, Any], inputs: Mapping[str, Json]) -> RemoteObject:
        state = str(body.get("status") or "").lower()
        status = self._clients.dialect.file_status.get(state, Status.PENDING)
        attributes: dict[str, Json] = {"id": str(body["id"]), "status": state or "unknown"}
        if isinstance(body.get("bytes"), int):
            attributes["bytes"] = body["bytes"]
        observed: dict[str, Json] = {}
        if "purpose" in inputs and body.get("purpose"):
            observed["purpose"] = str(body["purpose"])
        return RemoteObject(
            remote_id=str(body["id"]),
            status=status,
            attributes=attributes,
            inputs=observed,
            message=_message(body, status, state),
            requeue_after=self._pause if status is Status.PENDING else None,
        )

    @property
    def _pause(self) -> float:
        return min(self._clients.account.poll_interval, _SECONDS_BETWEEN_READS)


def remote_name(name: str, request: Request) -> str:
    """The remote name of a file: it tells a person what it is, and ftops whose, and what is in it."""
    path, digest = Path(name), str(request.inputs.get("content") or "").removeprefix("sha256:")[:16]
    marks = f"{digest}.{request.token}" if digest else request.token
    return f"{path.stem}.{marks}{path.suffix or '.jsonl'}"


def delete_file(clients: DataPlane, remote_id: str, action: str) -> None:
    """Deletes a file; one that is gone already is as good."""
    with clients.calling(action):
        absent_is_none(lambda: clients.data.files.with_raw_response.delete(remote_id))


def _message(body: Mapping[str, Any], status: Status, state: str) -> str:
    if status is Status.TAINTED:
        details = body.get("status_details")
        if isinstance(details, Mapping):
            details = details.get("message") or details.get("code")
        return str(details or f"the service could not process the file ({state})")
    return "" if status is Status.READY else f"the service is processing the file ({state or 'no status'})"


def _unreadable(action: str, path: Path, exc: OSError) -> Permanent:
    return Permanent(
        f"{action}: {path} can't be read",
        exc.strerror or str(exc),
        "check `path`; it is relative to the file that names it",
        code="Unreadable",
    )
