"""Spec from account: the objects of an account → a spec that declares them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from ftops.core.address import Address, Json, encode
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.providers.base import Existing
from ftops.state.state import Status

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
    for existing in sorted(others, key=lambda e: (list(RESOURCE_TYPES).index(e.kind), e.name)):
        _add_other(spec, existing, models)
    return spec


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
        address = _declare(spec, job, suffix or _base_of(str(remote.inputs.get("model"))), inputs)
        _note_models(models, address, remote.attributes)


def _note_models(models: dict[str, str], address: Address, attributes: Mapping[str, Json]) -> None:
    """Notes the names of a job's models, and the references to them."""
    checkpoints = attributes.get("checkpoint")
    for step, name in checkpoints.items() if isinstance(checkpoints, Mapping) else ():
        if step != "best":
            models.setdefault(str(name).casefold(), f"${{{address}.checkpoint.{step}}}")
    if model := attributes.get("fine_tuned_model"):
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


def _base_of(model: str) -> str:
    """The name of a model without its date and the suffix of a training."""
    return re.sub(
        r"-\d{4}-\d{2}-\d{2}$", "", model.partition(".ft-")[0].removeprefix("ft:").partition(":")[0]
    )
