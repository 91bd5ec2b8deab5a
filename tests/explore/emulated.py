"""The same histories over HTTP: real SDKs, the real Azure provider, an emulator for each account.

What the emulators hold is mirrored after every call, so that the invariants can be judged as they are in
process. Faults, kills and lost replies come from the same plan of mischief, around the real calls. Models are
asked over HTTP, too; only whether they answer rightly is decided as in process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from ftops.core.address import Address, Json
from ftops.evaluation.answers import Answer, Question
from ftops.providers import Providers
from ftops.providers.azure import managed_wire
from ftops.providers.azure.deployment_wire import name_for
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.base import Existing, Request
from ftops.providers.dataplane.evaluations import Evaluations
from ftops.state.state import PendingOperation, RemoteObject, ResourceState
from tests.contract import azure_cloud
from tests.explore.account import Deployments
from tests.explore.cloud import Cloud, Essence, Places, Thing, job_essence
from tests.explore.contents import by_digest
from tests.explore.machine import Explore
from tests.explore.serving import TYPES, Adapters, Managed, Serverless
from tests.explore.spec import ACCOUNTS
from tests.explore.world import Clone, World

_RUNNING = ("pending", "queued", "running", "validating_files", "notRunning", "notrunning")
_ADMIN_KINDS = {
    Serverless.segment: "deployments",
    Managed.segment: "managed",
    Adapters.segment: "adapters",
}


class Mirrored(Thing, frozen=True):
    """An object of an emulator, as it was last seen."""

    state: str = ""

    def status(self, now: float) -> str:
        return self.state

    def losses(self, now: float) -> list[float]:
        """The emulator's, which aren't known here."""
        return []


class Emulator:
    """One account."""

    def __init__(self, name: str, server: azure_cloud.Cloud) -> None:
        self.name = name
        self.server = server
        self.azure: AzureProvider = server.provider()

    def start_anew(self, keeps_notes: bool) -> None:
        self.server.admin("POST", "reset", {})
        settings = {
            **azure_cloud.SETTLED,
            "metadata": "stored" if keeps_notes else "dropped",
            "model_quota": 1000,
            "accelerator_quota": 1000,
        }
        self.server.admin("PATCH", "settings", settings)
        self.server.clear_faults()

    def deployment(self, name: str) -> dict[str, Any] | None:
        """As the control plane shows it."""
        for type_ in TYPES.values():
            reply = self.server.control("GET", path=f"/{type_.segment}/{name}")
            if reply.status_code == 200:
                found: dict[str, Any] = reply.json()
                return found
        return None


class Mirror(Cloud):
    """What all emulators hold."""

    emulators: Mapping[str, Emulator]

    def look(self) -> None:
        """Brings the mirror up to date: what is in the making may be done by now."""
        for name, emulator in self.emulators.items():
            found = emulator.server.admin("GET", "objects")
            states = {("job", job["id"]): job["status"] for job in found["jobs"]}
            served = (deployment for kind in _ADMIN_KINDS.values() for deployment in found[kind])
            states |= {("deployment", d["name"].casefold()): d["state"] for d in served}
            states |= {("dataset", file["id"]): "processed" for file in found["files"]}
            for thing in [t for t in self.things.values() if t.account == name]:
                key = thing.name.casefold() if thing.kind == "deployment" else thing.remote_id
                state = states.get((thing.kind, key))
                if state is None:
                    del self.things[thing.uid]
                else:
                    word = "running" if state in _RUNNING else state
                    self.things[thing.uid] = replace(thing, state=word)

    def put(self, verb: str, thing: Thing) -> Thing:
        self.look()
        return super().put(verb, thing)

    def vanish(self, thing: Thing) -> None:
        kind = {"dataset": "files", "job": "jobs"}.get(thing.kind) or _ADMIN_KINDS[thing.segment]
        admin = self.emulators[thing.account].server.admin
        if thing.kind == "job":
            for model in admin("GET", "objects")["models"]:
                if model["job"] == thing.remote_id:
                    admin("DELETE", f"objects/models/{model['id']}")
        admin("DELETE", f"objects/{kind}/{thing.name or thing.remote_id}")
        self.take_away("delete", thing)

    def cancel(self, job: Thing) -> None:
        azure = self.emulators[job.account].azure
        clients: Any = azure
        clients._clients.data.fine_tuning.jobs.cancel(job.remote_id)
        self.look()

    def resize(self, deployment: Thing, capacity: int) -> None:
        sku = {**deployment.body["sku"], "capacity": capacity}
        server = self.emulators[deployment.account].server
        server.control("PATCH", {"sku": sku}, f"/{deployment.segment}/{deployment.name}")
        super().resize(deployment, capacity)

    def retarget(self, adapter: Thing, base: Thing) -> None:
        server = self.emulators[adapter.account].server
        body = managed_wire.adapter_body(managed_wire.source_of(adapter.body), base.name)
        reply = server.control("PUT", body, f"/{adapter.segment}/{adapter.name}")
        assert reply.status_code == 200, reply.text
        super().retarget(adapter, base)


class Account:
    """The provider protocol: real calls, and what they did told to the mirror."""

    instant = True

    def __init__(self, mirror: Mirror, emulator: Emulator) -> None:
        self._mirror = mirror
        self._emulator = emulator
        self._azure = emulator.azure
        self._exams = Evaluations(self, Deployments(self))

    def create(self, request: Request) -> RemoteObject:
        if request.address.kind == "evaluation":
            return self._exams.create(request)
        if request.address.kind == "job" and self._mirror.fault.fails_a_job():
            self._emulator.server.fault(
                "POST /openai*/fine_tuning/jobs", times=1, job={"fail": "training", "message": "no memory"}
            )
        return self._mirror.fault.call(lambda: self._create(request))

    def _create(self, request: Request) -> RemoteObject:
        kind = request.address.kind
        essence, body = self._made(request)
        remote = self._azure.create(request)
        known = self._mirror.get(self._emulator.name, kind, remote.remote_id)
        if known is None:
            thing = Mirrored(
                uid=self._mirror.next_uid(),
                kind=kind,
                account=self._emulator.name,
                remote_id=remote.remote_id,
                body=body(),
                essence=essence,
                token=request.token,
                address=str(request.address),
                state="running" if kind == "job" else "processed" if kind == "dataset" else "Creating",
            )
            self._mirror.put("create", thing)
            self._mirror.look()
        return remote

    def _made(self, request: Request) -> tuple[Essence, Callable[[], dict[str, Any]]]:
        """What it is going to be made of, and how it looks once it is there."""
        inputs = request.inputs
        if request.address.kind == "dataset":
            return ("file", by_digest(str(inputs["content"])).meaning), dict
        model = self._model(inputs["model"])
        if request.address.kind == "deployment":
            name = name_for(inputs, request.address)
            return ("deployment", model), lambda: self._emulator.deployment(name) or {"name": name}
        return job_essence(inputs, model, self._content), lambda: {"training_file": inputs["training"]}

    def _model(self, name: Json) -> Essence:
        """A suffix follows the name of a model."""
        jobs = self._mirror.of(self._emulator.name, "job")
        return next((job.essence for job in jobs if str(name).startswith(job.model)), ("base", name))

    def _content(self, file: Json) -> str:
        thing = self._mirror.get(self._emulator.name, "dataset", str(file))
        return str(thing.essence[1]) if thing else ""

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        return self._mirror.fault.call(lambda: self._update(request, resource))

    def _update(self, request: Request, resource: ResourceState) -> RemoteObject:
        thing = self._mirror.get(self._emulator.name, resource.address.kind, resource.remote_id)
        remote = self._azure.update(request, resource)
        body = self._emulator.deployment(thing.name) if thing else None
        if thing and body and _settings(body) != _settings(thing.body):
            essence = ("deployment", self._model(request.inputs["model"]))
            self._mirror.put("update", replace(thing, body=body, essence=essence))
        return remote

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        if resource.address.kind == "evaluation":
            return self._exams.delete(resource)
        return self._mirror.fault.call(lambda: self._delete(resource))

    def _delete(self, resource: ResourceState) -> RemoteObject | None:
        self._mirror.look()
        thing = self._thing(resource)
        going = self._azure.delete(resource)
        if thing is not None:
            self._mirror.take_away("delete", thing)
        return going

    def _thing(self, resource: ResourceState) -> Thing | None:
        """A deployment may be known by its name alone."""
        of_its_kind = self._mirror.of(self._emulator.name, resource.address.kind)
        wanted = resource.remote_id.casefold()
        return next((t for t in of_its_kind if wanted in (t.remote_id.casefold(), t.name.casefold())), None)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        if resource.address.kind == "evaluation":
            return self._exams.read(resource)
        self._mirror.fault.read()
        return self._azure.read(resource)

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        if operation.address.kind == "evaluation":
            return self._exams.find_by_token(operation, known)
        self._mirror.fault.read()
        return self._azure.find_by_token(operation, known)

    def existing(self, kind: str) -> list[Existing]:
        self._mirror.fault.read()
        return self._azure.existing(kind)

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        return self._azure.content(remote_id, take)

    def model_exists(self, found: Existing) -> bool:
        return self._azure.model_exists(found)

    def concurrency_key(self, address: Address) -> str | None:
        return self._azure.concurrency_key(address)

    def ask(self, deployment: str, question: Question) -> Answer:
        given = self._azure.ask(deployment, question)
        deployments = self._mirror.of(self._emulator.name, "deployment")
        thing = next(t for t in deployments if t.name.casefold() == deployment.casefold())
        return replace(given, content=self._mirror.reply(thing, question), calls=())

    def grade(self, grader: Mapping[str, Any], sample: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._azure.grade(grader, sample, item)

    def close(self) -> None:
        """The emulators outlive a history."""


class Open(Providers):
    """The accounts of a spec's providers."""

    def __init__(self, mirror: Mirror, accounts: Mapping[str, str]) -> None:
        super().__init__({}, Path())
        self._open = {name: Account(mirror, mirror.emulators[account]) for name, account in accounts.items()}


class EmulatedWorld(World):
    """A world whose accounts are emulators."""

    emulators: Mapping[str, Emulator]

    def open_cloud(self, keeps_notes: bool) -> Mirror:
        for emulator in self.emulators.values():
            emulator.start_anew(keeps_notes)
        mirror = Mirror(self.clock.now, keeps_notes)
        mirror.emulators = self.emulators
        return mirror

    def open_accounts(self, accounts: Mapping[str, str]) -> Providers:
        assert isinstance(self.cloud, Mirror)
        return Open(self.cloud, accounts)

    def limit(self, places: Places) -> None:
        """The wrapped accounts don't look for room: they are refused."""
        settings = {"running_jobs_limit": places.running, "queued_jobs_limit": places.queued}
        for emulator in self.emulators.values():
            emulator.server.admin("PATCH", "settings", settings)

    def prepare(self, clone: Clone) -> None:
        for address in clone.spec.of("dataset"):
            text = clone.spec.data(address).content.text
            (clone.folder / f"{address.name}.jsonl").write_text(text, encoding="utf-8")

    def look(self) -> None:
        assert isinstance(self.cloud, Mirror)
        self.cloud.look()


def _settings(body: Mapping[str, Any]) -> tuple[Any, ...]:
    return body.get("sku"), body["properties"].get("model"), managed_wire.target_of(body)


@contextmanager
def emulated() -> Iterator[type[Explore]]:
    """The machine, with emulators that run until the end of the block."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        running: dict[str, Emulator] = {}
        for name in ACCOUNTS:
            server = stack.enter_context(azure_cloud.running_cloud(folder / name, "--account", name))
            running[name] = Emulator(name, server)
        world = type("EmulatedWorld", (EmulatedWorld,), {"emulators": running})
        yield type("Emulated", (Explore,), {"world_of": world})
