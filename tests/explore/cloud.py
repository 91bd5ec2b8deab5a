"""A cloud in this process: the objects of several accounts, what happens to them, and the log of that.

It knows what each object is made of (`Essence`): what ftops writes on an object tells nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.evaluation.answers import Question
from ftops.providers.azure import managed_wire
from tests.explore.exams import answer
from tests.explore.faults import Fault
from tests.explore.serving import Body, Managed, type_of

Essence = tuple[Any, ...]
"""What an object is made of: nested tuples of plain values."""

BASE = "gpt-4o-mini-2024-07-18"
TRAINING_SECONDS = 4.0
_STEPS = 4
"""Of a training, each of which has a loss."""


class Places(NamedTuple):
    """How many jobs of an account run and wait at most."""

    running: int
    queued: int


class Thing(Struct, frozen=True):
    """One object. `uid` counts all objects of all accounts; an id may be used again, a uid never is."""

    uid: int
    kind: str
    account: str
    remote_id: str
    body: Body
    essence: Essence
    token: str = ""
    """Of the request that made it; empty: it was made outside ftops."""
    address: str = ""
    starts_at: float = 0.0
    ready_at: float = 0.0
    fails: bool = False
    cancelled: bool = False
    cancelled_at: float = 0.0
    former: str = ""
    """The target that an adapter was on before: it serves until the new one is ready."""

    @property
    def name(self) -> str:
        return str(self.body.get("name", ""))

    def status(self, now: float) -> str:
        """In the service's word for the kind."""
        if self.kind == "dataset":
            return "processed"
        if self.kind == "deployment":
            return "Succeeded" if now >= self.ready_at else "Creating"
        if self.cancelled:
            return "cancelled"
        if now < self.ready_at:
            return "running" if now >= self.starts_at else "pending"
        return "failed" if self.fails else "succeeded"

    def shown(self, now: float) -> dict[str, Any]:
        """As the service shows it."""
        status = self.status(now)
        if self.kind == "deployment":
            return {**self.body, "properties": {**self.body["properties"], "provisioningState": status}}
        made = {"fine_tuned_model": self.model} if status == "succeeded" and self.kind == "job" else {}
        return {**self.body, "status": status, **made}

    def losses(self, now: float) -> list[float]:
        """Of the steps of a job so far. What it is made of says what they are, so that jobs are overtaken."""
        if self.kind != "job" or now < self.starts_at:
            return []
        mark = sha256(repr(self.essence).encode()).digest()
        until = min(now, self.cancelled_at) if self.cancelled else now
        done = min(_STEPS, int((until - self.starts_at) * _STEPS / TRAINING_SECONDS))
        return [mark[0] % 8 + (_STEPS - step) * (mark[1] % 4) / 2 for step in range(1, done + 1)]

    @property
    def model(self) -> str:
        """That a job makes."""
        return f"{root(self.essence)}.ft-{self.remote_id.removeprefix('ftjob-')}"

    @property
    def served(self) -> str:
        """The model of a deployment."""
        return type_of(self.remote_id, {}).model(self.body)

    def is_on(self, base: Thing, now: float) -> bool:
        """Whether it is an adapter on a managed deployment, or is about to be."""
        names = {managed_wire.target_of(self.body)} | ({self.former} if now < self.ready_at else set())
        is_base = (base.account, base.segment) == (self.account, Managed.segment)
        return is_base and base.name.casefold() in {name.casefold() for name in names}

    @property
    def segment(self) -> str:
        """Of the ID of a deployment: its type."""
        return self.remote_id.rpartition("/")[0].rpartition("/")[2]

    def is_unfinished(self, now: float) -> bool:
        return self.status(now) in ("pending", "running")

    def is_usable(self, now: float) -> bool:
        return self.status(now) not in ("failed", "cancelled")


class Event(Struct, frozen=True):
    """One effect, and what there was right before it."""

    verb: str
    """create, update, delete; outside: those of people."""
    thing: Thing
    now: float
    there: Mapping[int, Thing]

    def __str__(self) -> str:
        return f"{self.verb} {self.thing.remote_id} ({self.thing.address or 'outside'})"


class Asked(NamedTuple):
    """A prompt that a model of an account was asked."""

    account: str
    model: str
    prompt: str
    made_of: Essence
    """The model."""


@dataclass
class Cloud:
    """Several accounts, each with its own objects."""

    now: Callable[[], float]
    keeps_notes: bool = True
    """Whether jobs keep the metadata that they were given."""
    things: dict[int, Thing] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    questions: list[Asked] = field(default_factory=list)
    fault: Fault = field(default_factory=Fault)
    uids: int = 0
    places: Places | None = None
    """For jobs, in each account; None: any number."""
    refused: list[str] = field(default_factory=list)
    """The addresses of jobs for which there was no room."""

    def of(self, account: str, kind: str) -> list[Thing]:
        return [t for t in self.things.values() if t.account == account and t.kind == kind]

    def get(self, account: str, kind: str, remote_id: str) -> Thing | None:
        wanted = remote_id.casefold()
        found = (t for t in self.of(account, kind) if t.remote_id.casefold() == wanted)
        return next(found, None)

    def put(self, verb: str, thing: Thing) -> Thing:
        """Adds or changes one."""
        self.log.append(Event(verb, thing, self.now(), dict(self.things)))
        self.things[thing.uid] = thing
        return thing

    def take_away(self, verb: str, thing: Thing) -> None:
        self.log.append(Event(verb, thing, self.now(), dict(self.things)))
        del self.things[thing.uid]

    def reply(self, deployment: Thing, question: Question) -> str:
        """What its model says."""
        model, prompt = deployment.served, question.messages[-1]["content"]
        made_of = deployment.essence[1]
        self.questions.append(Asked(deployment.account, model, prompt, made_of))
        return answer(made_of, prompt)

    def queue(self, account: str) -> list[Thing]:
        """The jobs that wait to run."""
        return [job for job in self.of(account, "job") if job.status(self.now()) == "pending"]

    def begins(self, account: str) -> float:
        """When a job that is submitted now will run."""
        now = self.now()
        ends = sorted(job.ready_at for job in self.of(account, "job") if job.is_unfinished(now))
        running = self.places.running if self.places else len(ends) + 1
        return now if len(ends) < running else ends[-running]

    # what people do without ftops

    def vanish(self, thing: Thing) -> None:
        self.take_away("delete", thing)

    def cancel(self, job: Thing) -> None:
        self.put("update", replace(job, cancelled=True, cancelled_at=self.now()))

    def stop(self, job: Thing) -> None:
        """Somebody's run cancels it."""
        self.put("stop", replace(job, cancelled=True, cancelled_at=self.now()))

    def resize(self, deployment: Thing, capacity: int) -> None:
        sku = {**deployment.body["sku"], "capacity": capacity}
        self.put("update", replace(deployment, body={**deployment.body, "sku": sku}))

    def retarget(self, adapter: Thing, base: Thing) -> None:
        properties = {**adapter.body["properties"], "targetDeploymentName": base.name}
        self.put("update", replace(adapter, body={**adapter.body, "properties": properties}))

    def next_uid(self) -> int:
        self.uids += 1
        return self.uids


def root(essence: Essence) -> str:
    """The base model that a model comes from."""
    return str(essence[1]) if essence[0] == "base" else root(essence[1])


def job_essence(inputs: Mapping[str, Any], model: Essence, content: Callable[[Json], str]) -> Essence:
    """What a job is made of, its inputs as they are asked for."""
    settings: Iterable[tuple[str, object]] = (inputs.get("hyperparameters") or {}).items()
    return (
        "job",
        model,
        inputs.get("method", "supervised"),
        content(inputs["training"]),
        tuple(sorted(settings)),
        inputs.get("suffix") or "",
        inputs.get("seed"),
        tuple(i["wandb"]["project"] for i in inputs.get("integrations") or ()),
    )
