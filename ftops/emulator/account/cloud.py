"""The emulated account: its identity, clock, settings and objects.

``Cloud`` holds values and stores; what the service does with them is in a module for each kind of object.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import string
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import asdict

from ftops.emulator.account.faults import Faults
from ftops.emulator.account.managed import Adapter, ManagedDeployment, ModelVersion
from ftops.emulator.account.settings import Settings, changed
from ftops.emulator.account.storage import Collection, Stored, T, read_json, write_json

_DELETION = "account.json"
_COUNTS = "counters.json"
JSON = dict[str, Any]


class Account(Struct, frozen=True):
    """The names of the account in the control plane. ``id``, ``group_id`` and ``location_id`` are
    ARM ids."""

    subscription: str
    group: str
    name: str
    location: str

    @property
    def group_id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"

    @property
    def id(self) -> str:
        return f"{self.group_id}/providers/Microsoft.CognitiveServices/accounts/{self.name}"

    @property
    def location_id(self) -> str:
        provider = f"/subscriptions/{self.subscription}/providers/Microsoft.CognitiveServices"
        return f"{provider}/locations/{self.location}"


class StoredFile(Stored, frozen=True):
    """A file of the data plane. Its content is in a file of its own."""

    filename: str
    purpose: str
    bytes: int
    ready: float
    error: str | None = None  # why it can't be processed
    expires: float | None = None
    source: str | None = None  # the URL of an import while it runs: the URL may be signed


class Copy(Stored, frozen=True):
    """The copy of a checkpoint to another account. Its id names the checkpoint."""

    job: str
    model: str
    destination: str
    region: str
    ends: float


class Upload(Stored, frozen=True):
    """An upload in parts. They are kept in files of their own until it is complete."""

    filename: str
    purpose: str
    bytes: int
    expires: float
    parts: dict[str, int] = field(default_factory=dict)  # size by id
    status: str = "pending"
    file: str | None = None


class Job(Stored, frozen=True):
    """A fine-tuning job: the request and its progress so far."""

    model: str
    training_file: str
    seed: int
    requested: JSON  # n_epochs, batch_size, learning_rate_multiplier; -1 is "auto"
    validation_file: str | None = None
    suffix: str | None = None
    training_type: str | None = None
    method: JSON | None = None
    auto: list[str] = field(default_factory=list)  # hyperparameters that were left to the service
    metadata: JSON | None = None
    integrations: list[JSON] | None = None
    inference_sku: str | None = None  # of the deployment that the service creates if the job succeeds
    deployed: bool = False  # whether the service has created it
    fault: JSON | None = field(default=None, name="doom")
    pause: JSON | None = None  # while it is paused: {"at", "step", "ready", "saved"?}
    pauses: list[JSON] = field(default_factory=list)  # past ones: {"at", "until"}
    started: float | None = None  # when it left the queue
    running: float | None = None  # when it passed validation
    resolved: JSON | None = None
    step_seconds: float | None = None  # stays the same if the server is restarted
    estimated_finish: float | None = None
    outcome: JSON | None = None  # {"status", "at", "error"?}: valid from "at" on
    result_file: str | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None


class Checkpoint(Stored, frozen=True):
    """What training saved at the end of an epoch."""

    job: str
    step: int
    model: str
    metrics: JSON


class TunedModel(Stored, frozen=True):
    """A tuned model, final or of a checkpoint. Its weights are in a file of their own."""

    job: str
    base: str  # the id of a base model
    weights: str
    checkpoint: str
    final: bool


class Deployment(Stored, frozen=True):
    """A deployment as last written. Its state depends on the clock; its id is the name in lower case."""

    collection: ClassVar[str] = "deployments"
    name: str
    model: JSON
    sku: JSON
    properties: JSON  # what else the caller has set
    modified: float
    ready: float  # until then it is Creating or Updating
    etag: str
    tags: JSON | None = None
    final_state: str = field(default="Succeeded", name="fate")  # from "ready" on; "Stuck" stays Creating
    error: JSON | None = None
    pending: str = "Creating"
    deleting: float | None = None  # when it is gone
    serving: JSON | None = None  # the model that answers until "ready"
    routed: float = 0.0  # when the data plane knows the new model
    last_call: float | None = None
    paused: bool = False
    unready: bool = False  # provisioned, but no call is ever answered


class Operation(Stored, frozen=True):
    """A long-running operation of the control plane. Its status depends on the clock."""

    deployment: str
    running_status: str = field(name="word")
    ends: float
    final_status: str = field(default="Succeeded", name="fate")
    error: JSON | None = None
    collection: str = "deployments"  # of the deployment


class Principal(Stored, frozen=True):
    """A caller other than the account's owner. Its id is both the object id in tokens and the client id."""

    roles: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    data_actions: list[str] = field(default_factory=list)
    subject: str | None = None  # of the OIDC assertions that are accepted for it
    secret: str | None = None


class StoredResponse(Stored, frozen=True):
    """A response of the Responses API: its own input, its reply, and the response before it."""

    input: list[JSON]
    reply: JSON
    previous: str | None = None


class StoredEval(Stored, frozen=True):
    """An eval: how its rows look, and its criteria with their ids, in the format of the wire."""

    name: str
    config: JSON  # as requested
    criteria: list[JSON]
    updated: float
    metadata: JSON | None = None


class EvalRun(Stored, frozen=True):
    """A run of an eval. Its items are in a file of their own."""

    eval: str
    name: str
    source: JSON
    metadata: JSON | None = None
    outcome: JSON | None = None  # counts, usage and error, once it is computed
    canceled: bool = False


class ResourceGroup(Stored, frozen=True):
    """A resource group beside that of the account. Its id is its name in lower case."""

    name: str
    location: str
    tags: JSON | None = None


class RaiPolicy(Stored, frozen=True):
    """A content filter of the account's own. Its id is its name in lower case."""

    name: str
    properties: JSON


_END_OF_TIME = 221_845_392_000.0
"""The year 9000. Dates of the year 10000 can't be written."""


class Clock:
    """The time of the emulated service, in seconds since the epoch."""

    def __init__(self, path: Path, rate: float | None = None) -> None:
        self._path = path
        stored = read_json(path) or {}
        real = time.time()
        self._real = float(stored.get("real", real))
        self._virtual = float(stored.get("virtual", real))
        self.rate = float(stored.get("rate", 1.0))
        """Virtual seconds per real second."""
        if rate is not None and rate != self.rate:
            self.set(rate=rate)
        elif not stored:
            self._save()
        self._first_rate = self.rate

    def now(self) -> float:
        return min(self._virtual + (time.time() - self._real) * self.rate, _END_OF_TIME)

    def set(self, *, advance: float = 0.0, now: float | None = None, rate: float | None = None) -> None:
        """Move forward by ``advance`` seconds, or to ``now``, and change the rate. Raises ValueError."""
        real, virtual = time.time(), self.now()
        target = virtual + advance if now is None else now
        is_going_on = virtual <= target <= _END_OF_TIME and (rate is None or 0 <= rate < math.inf)
        if not is_going_on:  # also for NaN
            raise ValueError("the clock only goes forward, to the year 9000 at most, at a rate of 0 or more")
        self._real, self._virtual = real, target
        self.rate = self.rate if rate is None else rate
        self._save()

    def reset(self) -> None:
        """Back to the real time and the first rate. Nothing else turns the clock back."""
        self._real = self._virtual = time.time()
        self.rate = self._first_rate
        self._save()

    def _save(self) -> None:
        write_json(self._path, {"real": self._real, "virtual": self._virtual, "rate": self.rate})


class Cloud:
    """One account and everything in it, kept under ``folder``."""

    def __init__(self, folder: Path, account: Account, settings: Settings, clock_rate: float | None) -> None:
        self.folder = folder
        self.account = account
        self.settings = self._first_settings = settings
        self.lock = threading.RLock()
        self.clock = Clock(folder / "clock.json", clock_rate)
        self.faults = Faults(folder / "faults.json")
        self.created = Counter(read_json(folder / _COUNTS))
        """How many objects of each kind were ever created."""
        self.files = self._collection("files", StoredFile)
        self.uploads = self._collection("uploads", Upload)
        self.jobs = self._collection("jobs", Job)
        self.checkpoints = self._collection("checkpoints", Checkpoint)
        self.models = self._collection("models", TunedModel)
        self.deployments = self._collection("deployments", Deployment)
        self.operations = self._collection("operations", Operation)
        self.retired = self._collection("retired", Deployment)
        self.copies = self._collection("copies", Copy)
        self.managed = self._collection("managed", ManagedDeployment)
        self.adapters = self._collection("adapters", Adapter)
        self.versions = self._collection("versions", ModelVersion)
        self.principals = self._collection("principals", Principal)
        self.responses = self._collection("responses", StoredResponse)
        self.evals = self._collection("evals", StoredEval)
        self.eval_runs = self._collection("eval_runs", EvalRun)
        self.groups = self._collection("groups", ResourceGroup)
        self.rai_policies = self._collection("rai_policies", RaiPolicy)
        self._deletion: JSON = read_json(folder / _DELETION) or {}

    @property
    def exists(self) -> bool:
        return not self._deletion

    @property
    def deleted(self) -> float | None:
        """When the account was deleted; None if it exists, or was purged."""
        return self._deletion.get("deleted")

    def new_id(self, prefix: str) -> str:
        """Of a file or a job: `file-` or `ftjob-` and 32 hexadecimal digits, or as the preview has them."""
        if self.settings.job_dialect == "dated":
            return f"{prefix}-{new_hex()}"
        return f"{prefix}-" + "".join(secrets.choice(_LETTERS) for _ in range(_PREVIEW_LENGTHS[prefix]))

    def is_listed(self, created: float) -> bool:
        """Whether lists already show what was created at that time."""
        return created <= self.clock.now() - self.settings.list_lag_seconds

    def set_deletion(self, deletion: JSON) -> None:
        """``{"deleted": at}``, ``{"purged": True}``, or ``{}`` if the account exists again."""
        self._deletion = deletion
        write_json(self.folder / _DELETION, self._deletion)

    def change_settings(self, changes: JSON) -> None:
        """Apply settings and keep them for later starts. Raises ValueError."""
        self.settings = changed(self.settings, changes)
        write_json(self.folder / "settings.json", asdict(self.settings))

    def forget_objects(self) -> None:
        """Delete every object of the account, and the counts."""
        for collection in (
            self.files, self.uploads, self.jobs, self.checkpoints, self.models, self.deployments,
            self.operations, self.retired, self.copies, self.managed, self.adapters, self.versions,
            self.responses, self.evals, self.eval_runs,
            self.rai_policies,
        ):  # fmt: skip
            collection.clear()
        self.created.clear()
        (self.folder / _COUNTS).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete every object, fault and count; reset the clock and the settings."""
        self.forget_objects()
        self.set_deletion({})
        self.principals.clear()
        self.groups.clear()
        self.faults.clear()
        self.clock.reset()
        self.settings = self._first_settings
        (self.folder / "settings.json").unlink(missing_ok=True)

    def content(self, file: str) -> Path:
        return self.folder / "files" / f"{file}.content"

    def eval_items(self, run: str) -> Path:
        return self.folder / "eval_runs" / f"{run}.items.jsonl"

    def weights(self, name: str) -> Path:
        return self.folder / "models" / name

    def remove_model(self, model: TunedModel) -> None:
        self.models.remove(model.id)
        self.weights(model.weights).unlink(missing_ok=True)

    def remove_results(self, job: str, after: float, *, models: bool = True) -> None:
        """Delete the checkpoints of a job, and its models, that were created after a time."""
        for checkpoint in self.checkpoints.all():
            if checkpoint.job == job and checkpoint.created > after:
                self.checkpoints.remove(checkpoint.id)
        for model in self.models.all() if models else ():
            if model.job == job and model.created > after:
                self.remove_model(model)

    def _collection(self, name: str, kind: type[T]) -> Collection[T]:
        def count() -> None:
            self.created[name] += 1
            write_json(self.folder / _COUNTS, self.created)

        return Collection(self.folder / name, kind, self.lock, count)


_LETTERS = string.ascii_letters + string.digits
_PREVIEW_LENGTHS = {"file": 22, "ftjob": 24}


def new_hex() -> str:
    return uuid.uuid4().hex


def derived_hex(*parts: object) -> str:
    """32 hexadecimal digits: always the same for the same ``parts``, also after a restart."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]
