"""Account import (`import --discover`): writes a spec, data and a state for everything in an account.

If something fails, what was written is removed again: half a project would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from ftops import dataset
from ftops.config.config import Config
from ftops.config.data_files import with_data
from ftops.core.address import Address, Json, encode
from ftops.core.confined_files import outside
from ftops.core.dag_executor import Call
from ftops.core.errors import FtopsError, Permanent, UsageError
from ftops.core.model_names import base_of
from ftops.core.plurals import plural
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.planning.plan import Action
from ftops.planning.refresh import Reader
from ftops.providers import Providers
from ftops.providers.base import Discovers, Existing, Provider
from ftops.session.session import Session
from ftops.state.state import Status
from ftops.yaml.formatter import format_text

_HEAD = "# Written by `ftops import --discover`: what the account held. It is yours to edit.\n\n"
Load = Callable[[Path], Config]
"""Reads a spec."""


class ImportRequest(Struct, frozen=True):
    """What to write where: `head` has the sections of the spec that declare the account."""

    spec: Path
    head: Mapping[str, Mapping[str, Json]]
    parallelism: int = 10

    @property
    def folder(self) -> Path:
        return self.spec.parent


class ImportResult(Struct, frozen=True):
    """The result. `differing` are resources that the next plan would still change."""

    spec: Path
    found: Discovered
    data: tuple[Path, ...]
    differing: tuple[Address, ...]
    serial: int


def take_over(wish: ImportRequest, load: Load) -> ImportResult:
    """Raises FtopsError; what was written is removed then."""
    _refuse_to_overwrite(wish)
    written: list[Path] = []
    try:
        return _take_over(wish, load, written)
    except BaseException:
        for path in reversed(written):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _take_over(wish: ImportRequest, load: Load, written: list[Path]) -> ImportResult:
    _write(wish.spec, _text(wish.head, {}), written)
    config = load(wish.spec)
    (name,) = config.providers
    providers = Providers(config.providers, config.project)
    look = _Look(name, providers, wish, written)
    try:
        found = look.everything()
    finally:
        providers.close()
    if not found.declared:
        reasons = "; ".join(f"{one.kind} {one.remote_id}: {one.reason}" for one in found.left_out[:5])
        raise FtopsError("the account holds nothing that a spec could declare", reasons)
    wish.spec.write_text(_text(wish.head, found.sections()), encoding="utf-8")
    config, _ = with_data(load(wish.spec), str)
    with Session.open(config) as session, session.locked("import --discover"):
        if not session.state.is_empty:
            raise FtopsError(
                "a state for this spec already exists",
                f"{session.store.place} records {plural(len(session.state.resources), 'resource')}.",
                "choose another folder, or another --name",
            )
        made = session.import_objects(
            {address: e.remote.remote_id for address, e in found.objects.items()},
            look.digests,
            wish.parallelism,
        )
        differing = tuple(change.address for change in made.changes if change.action is not Action.ADOPT)
        data = tuple(wish.folder / path for _, path, _ in look.files)
        return ImportResult(wish.spec, found, data, differing, session.state.serial)


class _Look(Struct):
    """Lists, checks and downloads the objects of an account."""

    _name: str
    _providers: Providers
    _wish: ImportRequest
    _written: list[Path]
    _left_out: list[LeftOut] = []
    files: list[tuple[Existing, str, str]] = []
    digests: dict[str, str] = {}

    def everything(self) -> Discovered:
        provider: Provider = self._providers(self._name)
        if not isinstance(provider, Discovers):
            raise UsageError("this type of provider has no account to search", "", "name another --type")
        listed = self._gather({kind: partial(_existing, provider, kind) for kind in RESOURCE_TYPES})
        files: list[Existing] = []
        jobs: list[Existing] = []
        others: list[Existing] = []
        for kind, row in RESOURCE_TYPES.items():
            (files if row.is_data else jobs if row.trains else others).extend(listed[kind])
        usable = self._with_models(provider, jobs)
        self._download(provider, files, formats_of(jobs))
        return arrange(self.files, usable, others, self._left_out)

    def _leaves_out(self, existing: Existing, reason: str) -> bool:
        """Notes why an object is left out, if there is a reason."""
        if reason:
            self._left_out.append(LeftOut(existing.kind, existing.remote.remote_id, reason))
        return bool(reason)

    def _with_models(self, provider: Discovers, jobs: Sequence[Existing]) -> list[Existing]:
        """The jobs, without those whose model was deleted."""
        ended = [job for job in jobs if job.remote.status is Status.READY]
        useful = self._gather({j.remote.remote_id: partial(provider.model_exists, j) for j in ended})
        why = {id: "" if is_useful else "its model was deleted" for id, is_useful in useful.items()}
        gone = [job for job in ended if self._leaves_out(job, why[job.remote.remote_id])]
        return [job for job in jobs if job not in gone]

    def _download(self, provider: Discovers, files: Sequence[Existing], formats: Mapping[str, str]) -> None:
        usable = [f for f in files if not self._leaves_out(f, _unfit(f))]
        usable.sort(key=lambda f: (f.created_at, f.remote.remote_id))
        folder = self._wish.folder / "data"
        taken: list[str] = []
        targets: dict[str, Path] = {}
        for file in usable:
            taken.append(name_for(file.name.rpartition(".")[0] or file.name or "data", taken))
            targets[file.remote.remote_id] = folder / f"{taken[-1]}.jsonl"
        if targets and not folder.exists():
            folder.mkdir(parents=True)
            self._written.append(folder)
        digests = self._gather({id: partial(self._fetch, provider, id, to) for id, to in targets.items()})
        for file in usable:
            id = file.remote.remote_id
            self._keep(file, targets[id], formats.get(id, "chat"), digests[id])

    def _keep(self, file: Existing, path: Path, form: str, digest: str) -> None:
        reason = "the service doesn't hand out its content"
        if digest:
            found = dataset.inspect(path, format=form).diagnostics(str(path))
            errors = [d for d in found if d.severity == "error"]
            reason = f"its content doesn't pass the checks: {errors[0].summary}" if errors else ""
        if self._leaves_out(file, reason):
            path.unlink(missing_ok=True)
            return
        self.digests[file.remote.remote_id] = digest
        self.files.append((file, path.relative_to(self._wish.folder).as_posix(), form))

    def _fetch(self, provider: Discovers, id: str, path: Path) -> str:
        """The digest of the downloaded file; empty if the service doesn't provide it."""
        digest = sha256()
        self._written.append(path)
        with path.open("xb") as target:

            def take(piece: bytes) -> None:
                digest.update(piece)
                target.write(piece)

            got = provider.content(id, take)
        return f"sha256:{digest.hexdigest()}" if got else ""

    def _gather(self, turns: Mapping[str, Call]) -> dict[str, Any]:
        named = {key: (self._name, turn) for key, turn in turns.items()}
        return Reader(self._providers, self._wish.parallelism).gather(named)


def _unfit(file: Existing) -> str:
    """Why a file is no training data; empty if it may be."""
    if file.remote.status is Status.TAINTED:
        return file.remote.message or "the service could not process it"
    purpose = file.remote.inputs.get("purpose")
    return "" if purpose == "fine-tune" else f"its purpose is {purpose}"


def _existing(provider: Discovers, kind: str) -> list[Existing]:
    """The objects of a kind. Without a control plane, deployments can't be listed."""
    try:
        return provider.existing(kind)
    except Permanent as error:
        if RESOURCE_TYPES[kind].by_control_plane and error.code == "Settings":
            return []
        raise


def _text(head: Mapping[str, Mapping[str, Json]], sections: Mapping[str, Mapping[str, Json]]) -> str:
    parts = [
        yaml.safe_dump({name: dict(section)}, sort_keys=False, allow_unicode=True, width=1000)
        for name, section in {**head, **sections}.items()
    ]
    return format_text(_HEAD + "\n".join(parts), "ftops.yaml")


def _write(path: Path, text: str, written: list[Path]) -> None:
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            written.append(path.parent)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FtopsError(f"can't write {path}: {error.strerror}", "", "choose another --out") from error
    written.append(path)


def _refuse_to_overwrite(wish: ImportRequest) -> None:
    folder = wish.folder
    data = folder / "data"
    if (place := outside(data, folder)) is not None:
        raise FtopsError(f"{data} is {place}", "a link leads out of the folder.", "choose an empty folder")
    there = [wish.spec] if wish.spec.exists() else []
    if folder.is_dir():
        there += sorted(folder.glob("*.y*ml"))
        there += [data] if any(data.glob("*")) else []
    if there:
        raise FtopsError(
            f"{there[0]} exists already",
            "nothing is overwritten, and a second spec beside another would be merged with it.",
            "choose an empty folder: --out FOLDER",
        )


_LONGEST = 63
_FORMATS: Mapping[str, str] = {"dpo": "preference", "reinforcement": "reinforcement"}
"""By method of the jobs that learn from it, the format of a file; else it is chat."""
_STEM = re.compile(r"\.jsonl?$", re.IGNORECASE)


class LeftOut(Struct, frozen=True):
    """An object that a spec can't declare, and why."""

    kind: str
    remote_id: str
    reason: str


class Discovered(Struct):
    """A new spec. `declared` are its resources in order; `objects` the object of each."""

    declared: dict[Address, dict[str, Any]] = field(default_factory=dict)
    objects: dict[Address, Existing] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def sections(self) -> dict[str, dict[str, Any]]:
        """The resources as the sections of a spec."""
        found: dict[str, dict[str, Any]] = {}
        for address, block in self.declared.items():
            found.setdefault(RESOURCE_TYPES[address.kind].section, {})[address.name] = block
        return found


def formats_of(jobs: Iterable[Existing]) -> Mapping[str, str]:
    """Ids of files → the format that the jobs that train on them need."""
    found: dict[str, str] = {}
    for job in jobs:
        form = _FORMATS.get(str(job.remote.inputs.get("method")), "chat")
        for name in ("training", "validation"):
            found[str(job.remote.inputs.get(name, ""))] = form
    return found


def arrange(
    files: Sequence[tuple[Existing, str, str]],
    jobs: Sequence[Existing],
    others: Sequence[Existing],
    left_out: Iterable[LeftOut] = (),
) -> Discovered:
    """The spec. Files come with their path and format. The oldest object gets the shortest name."""
    spec = Discovered(left_out=list(left_out))
    data: dict[str, Address] = {}
    for file, path, form in files:
        inputs = {"path": path, "format": form, **file.remote.inputs}
        address = _declare(spec, file, _STEM.sub("", file.name) or "data", inputs)
        data[file.remote.remote_id] = address
    models: dict[str, str] = {}
    for job in sorted(jobs, key=lambda job: (job.created_at, job.remote.remote_id)):
        _add_job(spec, job, data, models)
    for existing in sorted(others, key=_order):
        _add_other(spec, existing, models)
    return spec


def _order(existing: Existing) -> tuple[int, bool, str]:
    """Those that name others come after them."""
    references = RESOURCE_TYPES[existing.kind].references
    names_others = not references.keys().isdisjoint(existing.remote.inputs)
    return list(RESOURCE_TYPES).index(existing.kind), names_others, existing.name


def name_for(text: str, taken: Collection[str]) -> str:
    """A valid name for a spec, similar to the text and not taken."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not base[:1].isalpha():
        base = f"x-{base}".strip("-")
    base = base[:_LONGEST].rstrip("-")
    number, name = 1, base
    while name in taken:
        number += 1
        end = f"-{number}"
        name = base[: _LONGEST - len(end)].rstrip("-") + end
    return name


def _add_job(spec: Discovered, job: Existing, data: Mapping[str, Address], models: dict[str, str]) -> None:
    remote = job.remote
    files = {n: str(remote.inputs[n]) for n in ("training", "validation") if n in remote.inputs}
    gone = [id for id in files.values() if id not in data]
    if remote.status is Status.TAINTED:
        spec.left_out.append(LeftOut(job.kind, remote.remote_id, remote.message or "it failed"))
    elif gone or "training" not in files:
        reason = f"its data ({', '.join(gone) or 'unknown'}) can't be had any more"
        spec.left_out.append(LeftOut(job.kind, remote.remote_id, reason))
    else:
        inputs = {**remote.inputs, **{name: data[id].name for name, id in files.items()}}
        inputs["model"] = models.get(str(remote.inputs.get("model")).casefold(), remote.inputs.get("model"))
        suffix = str(inputs.get("suffix") or "")
        base = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", base_of(str(remote.inputs.get("model"))))
        address = _declare(spec, job, suffix or base, inputs)
        checkpoints = remote.attributes.get("checkpoint")
        for step, name in checkpoints.items() if isinstance(checkpoints, Mapping) else ():
            if step != "best":
                models.setdefault(str(name).casefold(), f"${{{address}.checkpoint.{step}}}")
        if model := remote.attributes.get("fine_tuned_model"):
            models[str(model).casefold()] = f"${{{address}.fine_tuned_model}}"


def _add_other(spec: Discovered, existing: Existing, models: Mapping[str, str]) -> None:
    """A deployment, or another object that is neither a file nor a job."""
    remote, kind = existing.remote, RESOURCE_TYPES[existing.kind]
    if remote.status is Status.TAINTED:
        spec.left_out.append(LeftOut(existing.kind, existing.name, remote.message or "it failed"))
        return
    names = {declared.remote.remote_id: address.name for address, declared in spec.objects.items()}
    inputs: dict[str, Any] = dict(remote.inputs)
    for name in inputs.keys() & kind.references.keys():
        inputs[name] = names.get(str(inputs[name]), inputs[name])
    if "model" in inputs:
        inputs["model"] = models.get(str(inputs["model"]).casefold(), inputs["model"])
    name = name_for(existing.name, ())
    if name == existing.name and Address(existing.kind, name) not in spec.declared:
        inputs.pop(kind.named_by, None)
    _declare(spec, existing, existing.name, inputs)


def _declare(spec: Discovered, existing: Existing, near: str, inputs: Mapping[str, Any]) -> Address:
    taken = {address.name for address in spec.declared if address.kind == existing.kind}
    address = Address(existing.kind, name_for(near, taken))
    usual = RESOURCE_TYPES[existing.kind].usual_inputs
    spec.declared[address] = {
        name: value if name == "model" and str(value).startswith("${") else encode(value)
        for name, value in inputs.items()
        if usual.get(name) != value
    }
    spec.objects[address] = existing
    return address
