"""Specs of a small universe, as values; what they want, worked out without ftops; and as a Config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.config import (
    Config,
    Import,
    Lifecycle,
    Move,
    Output,
    ProviderConfig,
    Refactorings,
    Removal,
    Resource,
)
from ftops.core.address import Address, Reference, Secret, Value
from ftops.core.serving import MANAGED_SKU
from tests.explore import exams
from tests.explore.cloud import BASE, Essence, job_essence
from tests.explore.contents import CONTENTS, Content
from tests.explore.policies import policy_of
from tests.explore.serving import OPEN

PLAIN = Lifecycle()
OWNER = Secret("env", "OWNER")
"""A secret that deployments, and jobs that report, are made with."""
ACCOUNTS = ("east", "west")
Model = Address | None
"""The model of that job; None: the base model."""


class Data(Struct, frozen=True):
    """A dataset."""

    content: Content = CONTENTS[0]
    provider: str = "p"
    life: Lifecycle = PLAIN

    def __str__(self) -> str:
        return f"{self.content.name}{_rest(self)}"


class Job(Struct, frozen=True):
    """A job, on a dataset and a base model or the model of another job."""

    training: Address
    model: Model = None
    epochs: int = 1
    seed: int | None = None
    suffix: str = ""
    reports: bool = False
    """To a project that is a secret."""
    base: str = BASE
    """What it begins with, unless that is the model of another job."""
    provider: str = "p"
    life: Lifecycle = PLAIN

    def __str__(self) -> str:
        more = f" seed={self.seed}" * (self.seed is not None) + f" suffix={self.suffix}" * bool(self.suffix)
        more += " reports" * self.reports
        model = f" on {self.model}" if self.model else f" on {OPEN}" * (self.base == OPEN)
        return f"{self.training}{model} epochs={self.epochs}{more}{_rest(self)}"


class Serving(Struct, frozen=True):
    """A deployment."""

    name: str
    model: Model = None
    capacity: int = 1
    sku: str = "Standard"
    blue_green: bool = False
    gate: Address | None = None
    """An evaluation that has to pass first."""
    least: float = exams.BOUNDS[0]
    """What share of right answers that takes."""
    keep: int = 0
    """How many models that it served before are kept."""
    managed: bool = False
    """Whether it serves the open model on GPUs of its own."""
    on: Address | None = None
    """The managed deployment that it is an adapter on."""
    hours: str = ""
    """When it exists; empty: always."""
    best: bool = False
    """Whether it serves the best model of the sweep, instead of a base model."""
    provider: str = "p"
    life: Lifecycle = PLAIN

    @property
    def follows(self) -> bool:
        """Whether it serves the best model of the sweep."""
        return self.best and self.model is None and not (self.managed or self.on)

    def __str__(self) -> str:
        more = (
            f" if {self.gate} >= {self.least}" * (self.gate is not None)
            + " blue_green" * self.blue_green
            + f" sku={self.sku}" * (self.sku != "Standard")
            + f" on {self.on}" * (self.on is not None)
            + f" {self.hours}" * bool(self.hours)
        )
        model = self.model or (f"{OPEN}, managed," if self.managed else BASE)
        model = "the best of the sweep" if self.follows else model
        return f"`{self.name}` serves {model} x{self.capacity}{more}{_rest(self)}"


class Exam(Struct, frozen=True):
    """An evaluation of a job's model."""

    model: Address
    prompts: int = 0
    anew: bool = False
    """Whether kept answers are always too old."""
    stops: bool = False
    """Whether it stops once its gates are decided, if it has any."""
    via: Address | None = None
    """The adapter that is asked: without it, a fine-tuned open model can't be."""
    best: bool = False
    """Whether it is of the best model of the sweep, of which `model` is one job."""
    provider: str = "p"
    life: Lifecycle = PLAIN

    def __str__(self) -> str:
        more = " anew" * self.anew + " stops" * self.stops + f" via {self.via}" * (self.via is not None)
        model = "the best of the sweep" if self.best else self.model
        return f"of {model} by prompts {self.prompts}{more}{_rest(self)}"


Item = Data | Job | Serving | Exam
SWEEP = Address("job", "m")


class Sweeping(Struct, frozen=True):
    """How the jobs of the sweep are compared, and when they are stopped. `rule` is empty if they aren't."""

    mode: str = "min"
    among: str = ""
    """The only key; empty: all."""
    rule: str = ""
    after: int = 1
    min_jobs: int = 1

    def __str__(self) -> str:
        return f"{self.mode}{f' among {self.among}' * bool(self.among)} {self.rule} after {self.after}"


class Spec(Struct, frozen=True):
    """What a spec declares. `accounts` are those of its providers."""

    items: Mapping[Address, Item] = {}
    accounts: Mapping[str, str] = field(default_factory=lambda: {"p": "east", "q": "west"})
    moved: tuple[tuple[Address, Address], ...] = ()
    removed: tuple[tuple[Address, bool], ...] = ()
    imports: tuple[tuple[Address, str], ...] = ()
    owner: str = "somebody"
    """The value of the secret."""
    key: int = 0
    """The key of that number encrypts the state; 0: it is in the clear."""
    sweeping: Sweeping = Sweeping()
    rules: tuple[str, ...] = ()
    """The rules of the policy that are in force, by name."""

    def account(self, address: Address) -> str:
        return self.accounts[self.items[address].provider]

    def of(self, kind: str) -> list[Address]:
        return sorted((a for a in self.items if a.kind == kind), key=lambda a: a.sort_key)

    def job(self, address: Address) -> Job:
        item = self.items[address]
        assert isinstance(item, Job)
        return item

    def data(self, address: Address) -> Data:
        item = self.items[address]
        assert isinstance(item, Data)
        return item

    def exam(self, address: Address) -> Exam:
        item = self.items[address]
        assert isinstance(item, Exam)
        return item

    def serving(self, address: Address) -> Serving:
        item = self.items[address]
        assert isinstance(item, Serving)
        return item

    def base(self, job: Address) -> str:
        """The base model that the model of a job comes from."""
        model = self.job(job).model
        return self.base(model) if model else self.job(job).base

    def may_serve(self, address: Address) -> bool:
        """Whether a gate lets a deployment get its model."""
        item = self.serving(address)
        exam = self.items[item.gate] if item.gate else None
        if exam is None or item.model is None:
            return exam is None
        is_right = exams.share(self.essence(item.model)) >= item.least
        return isinstance(exam, Exam) and exam.model == item.model and is_right

    def stops_at(self, address: Address) -> list[float]:
        """The bounds at which an evaluation stops, once all of them are decided; none if it asks all."""
        gated = [self.serving(one) for one in self.of("deployment")]
        bounds = {one.least for one in gated if one.gate == address}
        return sorted(bounds) if self.exam(address).stops else []

    def essence(self, address: Address) -> Essence:
        """What an object of this address has to be made of."""
        item = self.items[address]
        if isinstance(item, Data):
            return ("file", item.content.meaning)
        model = self.essence(item.model) if item.model else ("base", _base(item))
        if isinstance(item, Exam):
            return ("evaluation", model, item.prompts)
        if isinstance(item, Serving):
            return ("deployment", model)
        inputs = {
            **_job_settings(item),
            "training": None,
            **({"integrations": _reported(self.owner)} if item.reports else {}),
        }
        return job_essence(inputs, model, lambda _: self.data(item.training).content.meaning)

    @property
    def swept(self) -> list[Address]:
        """The jobs of the sweep of which the best one is chosen."""
        jobs = [job for job in self.of("job") if job.key is not None]
        among = self.sweeping.among
        return [job for job in jobs if among in ("", job.key)]

    def ignores(self, address: Address) -> bool:
        """Whether `ignore_changes`, or what jobs turn out to be, has a say in what it is made of."""
        item = self.items[address]
        if (isinstance(item, Serving) and item.follows) or (isinstance(item, Exam) and item.best):
            return True
        return bool(item.life.ignore_changes) or any(self.ignores(need) for need in needs(item))

    def deletes_first(self, address: Address) -> bool:
        """Whether it, or what it needs, is to be deleted before it is made anew."""
        item = self.items[address]
        return item.life.create_before_destroy is False or any(map(self.deletes_first, needs(item)))

    def lines(self) -> Iterator[str]:
        for address in sorted(self.items, key=lambda a: a.sort_key):
            yield f"{address}: {self.items[address]}"
        yield "providers: " + ", ".join(f"{p} is {account}" for p, account in self.accounts.items())
        yield from (f"moved: {source} to {target}" for source, target in self.moved)
        yield from (f"removed: {address}{' retain' * retain}" for address, retain in self.removed)
        yield from (f"import: {address} from {remote_id}" for address, remote_id in self.imports)
        yield from [f"sweep: {self.sweeping}"] * (self.sweeping != Sweeping())
        yield from [f"policy: {', '.join(self.rules)}"] * bool(self.rules)
        yield from [f"owner: {self.owner}"] * (self.owner != "somebody")
        yield from [f"state encrypted with key {self.key}"] * bool(self.key)

    @property
    def without_gates(self) -> Spec:
        items = {a: replace(i, gate=None) if isinstance(i, Serving) else i for a, i in self.items.items()}
        return replace(self, items=items)

    @property
    def with_all_accounts(self) -> Spec:
        """Whatever exists can be reached."""
        return replace(self, accounts={**self.accounts, **{account: account for account in ACCOUNTS}})

    def with_item(self, address: Address, item: Item) -> Spec:
        return replace(self, items={**self.items, address: item})


def needs(item: Item) -> tuple[Address, ...]:
    """What it refers to."""
    if isinstance(item, Data):
        return ()
    model = (item.model,) if item.model else ()
    if isinstance(item, Serving):
        return (*model, *filter(None, (item.gate, item.on)))
    if isinstance(item, Exam):
        return (*model, *filter(None, (item.via,)))
    return (item.training, *model) if isinstance(item, Job) else model


def readdressed(item: Item, names: Mapping[Address, Address]) -> Item:
    """The item, referring to other addresses."""
    if isinstance(item, Data):
        return item
    model = names.get(item.model, item.model) if item.model else None
    if isinstance(item, Job):
        return replace(item, training=names.get(item.training, item.training), model=model)
    if isinstance(item, Serving):
        gate = names.get(item.gate, item.gate) if item.gate else None
        on = names.get(item.on, item.on) if item.on else None
        return replace(item, model=model, gate=gate, on=on)
    if isinstance(item, Exam):
        return replace(item, model=model, via=names.get(item.via, item.via) if item.via else None)
    return replace(item, model=model)


def to_config(spec: Spec, name: str, folder: Path) -> Config:
    """As the loader makes it."""
    addresses = sorted(spec.items, key=lambda a: a.sort_key)
    return Config(
        name=name,
        environment="default",
        folder=folder,
        project=folder,
        resources=tuple(_resource(address, spec) for address in addresses),
        providers={
            provider: ProviderConfig(provider, "memory", {"account": account})
            for provider, account in spec.accounts.items()
        },
        secrets={OWNER: spec.owner},
        policy=policy_of(spec),
        outputs=tuple(_outputs(spec)),
        refactorings=Refactorings(
            tuple(Move(source, target) for source, target in spec.moved),
            tuple(Import(address, remote_id) for address, remote_id in spec.imports),
            tuple(Removal(address, retain) for address, retain in spec.removed),
        ),
    )


def _resource(address: Address, spec: Spec) -> Resource:
    item = spec.items[address]
    inputs: dict[str, Value]
    facts: dict[str, Any] = {}
    identities: dict[str, str] = {}
    if isinstance(item, Data):
        content = item.content
        inputs = {"path": f"{address.name}.jsonl", "format": "chat", "purpose": "fine-tune"}
        inputs["content"] = content.digest
        facts = {"digest": content.digest, "bytes": len(content.text), "examples": 10}
        identities = {"content": content.identity}
    elif isinstance(item, Job):
        inputs = {
            **_job_settings(item),
            "model": _model(item),
            "training": Reference(item.training, "id"),
            "training_type": "global_standard" if spec.base(address) == OPEN else "standard",
        }
        if address.key is not None:
            inputs |= _compared(spec.sweeping)
    elif isinstance(item, Exam):
        asked = exams.inputs(item.prompts, anew=item.anew, until=spec.stops_at(address))
        inputs = {**asked, "model": _model(item)}
    else:
        inputs = {
            "name": item.name,
            "model": _model(item),
            "replace": "blue_green" if item.blue_green else "recreate",
            **({"keep_models": item.keep} if item.keep else {}),
            **_served(item),
        }
        if item.hours:
            inputs["hosting"] = {"hours": item.hours}
        facts = {} if item.blue_green else {"name": item.name}
        if item.gate:
            required = exams.require(item.least)
            gate: Value = {"on": Reference(item.gate, "id"), "require": required, "allow_override": True}
            inputs["gate"] = [gate]
    waits: tuple[Address, ...] = (item.via,) if isinstance(item, Exam) and item.via else ()
    if (isinstance(item, Serving) and item.follows) or (isinstance(item, Exam) and item.best):
        inputs["model"] = Reference(min(spec.swept), "best.fine_tuned_model")
        waits = tuple(spec.swept)
    return Resource(
        address,
        item.provider,
        inputs,
        lifecycle=item.life,
        facts=facts,
        identities=identities,
        depends_on=waits,
    )


def _compared(sweeping: Sweeping) -> dict[str, Value]:
    """`best` and `stop` of the jobs of the sweep."""
    among: dict[str, Value] = {"among": [sweeping.among]} if sweeping.among else {}
    best: Value = {"metric": "train_loss", "mode": sweeping.mode, **among}
    if not sweeping.rule:
        return {"best": best}
    stop: Value = {"rule": sweeping.rule, "after": sweeping.after, "min_jobs": sweeping.min_jobs}
    return {"best": best, "stop": stop}


def _job_settings(job: Job) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "method": "supervised",
        "hyperparameters": {"n_epochs": job.epochs},
    }
    if job.reports:
        settings["integrations"] = _reported(OWNER)
    if job.seed is not None:
        settings["seed"] = job.seed
    if job.suffix:
        settings["suffix"] = job.suffix
    return settings


def _reported(project: Secret | str) -> list[Any]:
    return [{"type": "wandb", "wandb": {"project": project}}]


def _served(item: Serving) -> dict[str, Value]:
    """What a deployment takes, by how it serves its model."""
    if item.on:
        return {"target": Reference(item.on, "id")}
    if item.managed:
        return {"sku": {"name": MANAGED_SKU, "capacity": item.capacity}}
    return {"sku": {"name": item.sku, "capacity": item.capacity}, "tags": {"owner": OWNER}}


def _model(item: Job | Exam | Serving) -> Value:
    return Reference(item.model, "fine_tuned_model") if item.model else _base(item)


def _base(item: Job | Exam | Serving) -> str:
    if isinstance(item, Job):
        return item.base
    return OPEN if isinstance(item, Serving) and item.managed else BASE


def _outputs(spec: Spec) -> Iterator[Output]:
    for address in spec.of("deployment"):
        yield Output(str(address), Reference(address, "name"))
    for address in spec.of("job"):
        yield Output(str(address), Reference(address, "fine_tuned_model"))


def _rest(item: Item) -> str:
    life = item.life
    words = [f"at {item.provider}"] if item.provider != "p" else []
    words += ["prevent_destroy"] if life.prevent_destroy else []
    words += ["retain"] if life.on_destroy == "retain" else []
    words += [f"ignores {','.join(life.ignore_changes)}"] if life.ignore_changes else []
    if life.create_before_destroy is not None:
        words.append(f"create_before_destroy={life.create_before_destroy}")
    return "".join(f" {word}" for word in words)
