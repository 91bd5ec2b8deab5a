"""The emulated account: its identity, its clock and settings, and every object that exists.

``Cloud`` holds values and stores; what the service does with them is in the modules per kind.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ftops.emulator.account.clock import Clock
from ftops.emulator.account.faults import Faults
from ftops.emulator.account.settings import Settings, changed
from ftops.emulator.account.storage import Collection, Counters, T, read_json, write_json

_LIFE = "account.json"
JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """The names under which the control plane knows the account."""

    subscription: str
    group: str
    name: str
    location: str

    @property
    def group_id(self) -> str:
        """The ARM id of the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def id(self) -> str:
        """The ARM id of the account."""
        return f"{self.group_id}/providers/Microsoft.CognitiveServices/accounts/{self.name}"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the data plane; its content lies beside it. Times are virtual seconds."""

    id: str
    filename: str
    purpose: str
    bytes: int
    created: float
    ready: float
    error: str | None = None  # why it cannot be processed
    expires: float | None = None
    source: str | None = None  # the URL of an import, as long as that lasts: it may be signed


@dataclass(frozen=True, slots=True)
class Copy:
    """The copy of a checkpoint to another account."""

    id: str  # job and checkpoint
    created: float
    job: str
    model: str
    destination: str
    region: str
    ends: float


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that comes in parts; they lie beside it until it is complete."""

    id: str
    created: float
    filename: str
    purpose: str
    bytes: int
    expires: float
    parts: dict[str, int] = field(default_factory=dict)  # size by id
    status: str = "pending"
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A fine-tuning job: the request, and what became of it so far."""

    id: str
    created: float
    model: str
    training_file: str
    seed: int
    requested: JSON  # n_epochs, batch_size, learning_rate_multiplier; -1 is "auto"
    validation_file: str | None = None
    suffix: str | None = None
    training_type: str | None = None
    method: JSON | None = None
    metadata: JSON | None = None
    integrations: list[JSON] | None = None
    inference_sku: str | None = None  # of the deployment that the service makes after success
    deployed: bool = False  # whether it has made it
    doom: JSON | None = None  # a fault that waits for this job
    pause: JSON | None = None  # {"at", "step", "ready", "saved"?} while it is paused
    pauses: list[JSON] = field(default_factory=list)  # {"at", "until"}: those that are over
    started: float | None = None  # when it got a place among the running ones
    running: float | None = None  # when it passed validation
    resolved: JSON | None = None
    step_seconds: float | None = None  # the pace, which a restart does not change
    estimated_finish: float | None = None
    outcome: JSON | None = None  # {"status", "at", "error"?}: holds from "at" on
    result_file: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training saved at the end of an epoch."""

    id: str
    created: float
    job: str
    step: int
    model: str
    metrics: JSON


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A tuned model, final or of a checkpoint; its weights lie beside it."""

    id: str
    created: float
    job: str
    base: str  # the id of a base model
    weights: str
    checkpoint: str
    final: bool


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as last written; its state follows from the clock."""

    id: str  # the name in lower case
    created: float
    name: str
    model: JSON
    sku: JSON
    properties: JSON  # what else the caller set
    modified: float
    ready: float  # Creating or Updating before
    etag: str
    tags: JSON | None = None
    fate: str = "Succeeded"  # the state from "ready" on; "Stuck" stays Creating
    error: JSON | None = None
    pending: str = "Creating"
    deleting: float | None = None  # gone from then on
    serving: JSON | None = None  # the model that answers until "ready"
    routed: float = 0.0  # the data plane knows the new model from then on
    last_call: float | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running operation of the control plane; its status follows from the clock."""

    id: str
    created: float
    deployment: str
    word: str  # the status while it runs
    ends: float
    fate: str = "Succeeded"
    error: JSON | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody other than the account's owner, and what their roles allow."""

    id: str  # the object id in tokens; also the client id
    created: float
    roles: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    data_actions: list[str] = field(default_factory=list)
    subject: str | None = None  # of the OIDC assertions that are taken for this principal
    secret: str | None = None


class Cloud:
    """One account and everything in it, kept under ``folder``."""

    def __init__(
        self, folder: Path, account: Account, settings: Settings, clock_rate: float | None = None
    ) -> None:
        self.folder = folder
        self.account = account
        self.settings = self._first_settings = settings
        self.lock = threading.RLock()
        self.clock = Clock(folder / "clock.json", clock_rate)
        self.faults = Faults(folder / "faults.json")
        self.counters = Counters(folder / "counters.json")
        self.files = self._collection("files", StoredFile)
        self.uploads = self._collection("uploads", Upload)
        self.jobs = self._collection("jobs", Job)
        self.checkpoints = self._collection("checkpoints", Checkpoint)
        self.models = self._collection("models", TunedModel)
        self.deployments = self._collection("deployments", Deployment)
        self.operations = self._collection("operations", Operation)
        self.retired = self._collection("retired", Deployment)
        self.copies = self._collection("copies", Copy)
        self.principals = self._collection("principals", Principal)
        self.endpoint = ""
        self._life: JSON = read_json(folder / _LIFE) or {}

    @property
    def exists(self) -> bool:
        """Whether the account is neither deleted nor purged."""
        return not self._life

    @property
    def deleted(self) -> float | None:
        """When the account was deleted, where it still holds its name."""
        return self._life.get("deleted")

    def is_listed(self, created: float) -> bool:
        """Whether lists show by now what was created then."""
        return created <= self.clock.now() - self.settings.list_lag_seconds

    def end_account(self, how: JSON) -> None:
        """``{"deleted": at}``, ``{"purged": True}``, or ``{}``: it exists again."""
        self._life = how
        write_json(self.folder / _LIFE, self._life)

    def change_settings(self, changes: JSON) -> None:
        """Apply and keep new settings."""
        self.settings = changed(self.settings, changes)
        values = {name: getattr(self.settings, name) for name in Settings.__slots__}
        write_json(self.folder / "settings.json", values)

    def forget_objects(self) -> None:
        """Forget everything that the account holds, and ever made."""
        for collection in (
            self.files, self.uploads, self.jobs, self.checkpoints, self.models, self.deployments,
            self.operations, self.retired, self.copies,
        ):  # fmt: skip
            collection.clear()
        self.counters.clear()

    def clear(self) -> None:
        """Forget every object, fault, count and change of settings; the time goes back to the real one."""
        self.forget_objects()
        self.end_account({})
        self.principals.clear()
        self.faults.clear()
        self.clock.reset()
        self.settings = self._first_settings
        (self.folder / "settings.json").unlink(missing_ok=True)

    def content(self, file: str) -> Path:
        """Where the content of a file lies."""
        return self.folder / "files" / f"{file}.content"

    def weights(self, name: str) -> Path:
        """Where weights lie."""
        return self.folder / "models" / name

    def _collection(self, kind: str, of: type[T]) -> Collection[T]:
        return Collection(self.folder / kind, of, self.lock, partial(self.counters.add, kind))


def new_hex() -> str:
    """32 random hexadecimal digits."""
    return uuid.uuid4().hex


def derived_hex(*parts: object) -> str:
    """32 hexadecimal digits that follow from ``parts``: the same again after a restart."""
    text = "/".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
