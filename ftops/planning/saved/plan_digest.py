"""Plan digest: what a plan does and where, as one number that reviewers and `--expect-digest` compare; and
digests of what a plan was made from, and how they differ from the present ones. Pure.

The digests of inputs are the same on every machine and in every folder; they are keyed by spec and
environment. An approval is for a plan at a destination: the same steps in another account are another plan.
Keys, API versions and folders of this machine aren't part of it.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.json import Encoder
from msgspec.structs import astuple, replace

from ftops.config.accounts import host_of
from ftops.config.config import Config, ProviderConfig, Resource
from ftops.core.address import Address, Json, Secret, Value, encode, references, secrets
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.plan import Change, Destination, Mode, Plan, Reason
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState, State, Status

_VERSION = 2
"""Of what is digested. Another one makes every digest another."""
DIGEST_PREFIX = f"v{_VERSION}:sha256:"
DIGEST = re.compile(rf"{DIGEST_PREFIX}[0-9a-f]{{64}}")
_encoded = Encoder(order="deterministic").encode


def plan_digest(plan: Plan) -> str:
    """`v2:sha256:…` of what a plan does and where: two plans with the same digest make the same calls in the
    same order, in the same accounts, on the same state.

    It is the same on every machine, in every folder, at any time, and whatever else is in the state: reasons,
    drift, findings, the serial and what hosting hours switch don't count.
    """
    drift = plan.drift if plan.mode is Mode.REFRESH_ONLY else ()
    body = (
        _VERSION,
        (plan.spec, plan.environment, plan.mode),
        plan.destination,
        sorted((_essence(change) for change in plan.approved_changes), key=lambda c: c.step),
        sorted(plan.outputs, key=lambda o: o.name),
        sorted(drift, key=_encoded),
        plan.moves,
        *([sorted(plan.settings, key=lambda s: (str(s.address), s.path))] if plan.settings else []),
        *([("reads", [replace(read, serial=0) for read in plan.reads])] if plan.reads else []),
        *([("sweeps", sorted(plan.sweeps.items()))] if plan.sweeps else []),
        *([("stops", sorted(plan.stops.items()))] if plan.stops else []),
        *([("pins", sorted(plan.pinning, key=lambda one: str(one.address)))] if plan.pinning else []),
        *(["stays for good"] if plan.stays_for_good else []),
    )
    return f"{DIGEST_PREFIX}{sha256(_encoded(body)).hexdigest()}"


def differing_step(one: Plan, other: Plan) -> str | None:
    """The first step in which two plans differ, or None."""
    first = {c.step: _essence(c) for c in one.approved_changes}
    second = {c.step: _essence(c) for c in other.approved_changes}
    return next((step for step in sorted({*first, *second}) if first.get(step) != second.get(step)), None)


def _essence(change: Change) -> Change:
    """A change without the words of its reason, and without the path of a derived file: only its content
    counts."""
    reason = Reason(change.reason.code, "")
    after = {name: value for name, value in change.after.items() if name != "file"}
    return replace(change, reason=reason, after=after, waits_for=tuple(sorted(change.waits_for)))


_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_PASSING = frozenset({"message", "resume", "provider", "account"})
"""Fields of a record that matter only while an object is being changed; and its provider and account, which
may be renamed. If they really are different, so are the steps."""
_SWITCHED: Mapping[str, Any] = {
    "remote_id": "",
    "status": Status.READY,
    "outputs": {},
    "token": "",
    "created_at": "",
    "is_off": False,
}
"""Fields of a record that change when its object is deleted or created again by its hosting hours."""
_SHOWN = 5
"""The number of names in a list."""
_CREDENTIALS = frozenset({"api_key", "credential"})
"""Settings of a provider that don't count: another identity may apply the plan."""


class DataFile(Struct, frozen=True):
    """A data file as it was when the plan was made."""

    path: str
    digest: str


class PlanInputs(Struct, frozen=True):
    """The inputs of a plan: if one of them differs, so may the plan.

    `spec` has a digest for each part of the spec: `job.copilot`, `provider azure`, `output model`.
    `data` has the files of the datasets, by address; `secrets` keyed digests of those that the plan sends.
    `state` has a digest of what was recorded of each resource that the plan touches or depends upon.
    """

    spec: Mapping[str, str] = {}
    data: Mapping[str, DataFile] = {}
    secrets: Mapping[str, str] = {}
    state: Mapping[str, str] = {}
    reads: Mapping[str, str] = {}
    """A digest of each output of another spec, by state and output: `shared.model`."""


def basis_of(config: Config, state: State, plan: Plan, secret_digests: Mapping[Secret, str]) -> PlanInputs:
    """Of a plan for this config and state. The config has its data, if the plan creates any."""
    key = f"{config.name}/{config.environment}".encode()

    def digest(value: Json) -> str:
        return hmac.new(key, _canonical(value).encode(), "sha256").hexdigest()[:16]

    sent = {secret for change in plan.changes for secret in secrets(list(change.after.values()))}
    return PlanInputs(
        spec={name: digest(part) for name, part in _parts(config, plan)},
        data={
            str(r.address): DataFile(str(r.inputs.get("path", "")), str(r.inputs["content"]))
            for r in config.resources
            if "content" in r.inputs
        },
        secrets={str(s): secret_digests[s] for s in sent if s in secret_digests},
        state={name: digest(record) for name, record in _records(state, _touched(plan))},
        reads={
            f"{read.name}.{name}": digest([read.lineage, encode(value)])
            for read in config.reads
            for name, value in read.values.items()
        },
    )


def differences(old: PlanInputs, new: PlanInputs) -> list[str]:
    """What has changed, in words; empty if nothing has."""
    paths = {address: (new.data.get(address) or old.data[address]).path for address in {*old.data, *new.data}}
    files = [
        f"{paths[address]} ({address})" if paths[address] else f"those of {address}"
        for address in _differing(old.data, new.data)
    ]
    moved = sorted({name.partition("#")[0] for name in _differing(old.state, new.state)})
    said = {
        "changed in the spec": _differing(old.spec, new.spec),
        "changed files": files,
        "changed secrets": _differing(old.secrets, new.secrets),
        "changed by another run": moved,
        "changed outputs of other specs": _differing(old.reads, new.reads),
    }
    return [f"{words}: {_listed(names)}" for words, names in said.items() if names]


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join([*names[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _parts(config: Config, plan: Plan) -> Iterator[tuple[str, Json]]:
    for resource in config.resources:
        yield str(resource.address), _declared(resource)
    used = plan.providers_of() | config.used_providers
    for provider in config.providers.values():
        if provider.name in used:
            yield f"provider {provider.name}", _configured(provider, str(config.project))
    for output in config.outputs:
        yield f"output {output.name}", [encode(output.value), output.sensitive]


def _declared(resource: Resource) -> Json:
    lifecycle = resource.lifecycle
    inputs = {name: encode(value) for name, value in resource.inputs.items() if name != "content"}
    needs: Json = sorted(str(a) for a in resource.depends_on)
    kept = astuple(replace(lifecycle, ignore_changes=tuple(sorted(lifecycle.ignore_changes))))
    return [resource.provider, inputs, needs, kept]


def _configured(provider: ProviderConfig, project: str) -> Json:
    """Settings that are paths start at the project, wherever that is."""
    settings = {
        name: value.removeprefix(project) if isinstance(value, str) else encode(value)
        for name, value in provider.settings.items()
        if name not in _CREDENTIALS
    }
    return [provider.type, settings]


def _touched(plan: Plan) -> set[Address]:
    """The resources that the plan changes, waits for or refers to."""
    touched: set[Address] = {d.address for d in plan.drift} | {source for source, _ in plan.moves}
    touched |= {target for _, target in plan.moves} | {setting.address for setting in plan.settings}
    for change in plan.changes:
        touched.add(change.address)
        touched.update(change.dependencies)
        touched.update(reference.address for reference in references(list(change.after.values())))
    return touched


def _records(state: State, addresses: set[Address]) -> Iterator[tuple[str, Json]]:
    for address in addresses:
        if address in state.resources:
            yield str(address), _recorded(state.resources[address])
    for (address, key), old in state.deposed.items():
        if address in addresses:
            yield f"{address}#{key}", {"remote_id": old.remote_id}
    for address, operation in state.pending.items():
        if address in addresses:
            yield f"{address}#pending", _lasting(record_to_json(operation))


def _recorded(resource: ResourceState) -> Json:
    """Of what has hosting hours, only what doesn't change when it is switched."""
    if "hosting" in resource.inputs:
        return _lasting(record_to_json(replace(resource, **_SWITCHED)))
    return _lasting(record_to_json(resource))


def _lasting(written: dict[str, Json]) -> Json:
    return {key: value for key, value in written.items() if key not in _PASSING}


_NO_PLACE = frozenset({"encryption", "history", "lease", "plan_max_age", "approval_max_age"})
"""Settings of a state that don't say where it is."""


def destination_of(config: Config, plan: Plan) -> Destination:
    """That of a plan of this config."""
    used = plan.providers_of() | config.used_providers
    project = f"{config.project}/"
    limits = {name: getattr(config.budget, name) for name in ("training", "hosting_per_hour")}
    return Destination(
        providers={
            name: _leads_to(provider, project) for name, provider in config.providers.items() if name in used
        },
        state={**dict(_state_of(config)), **({"lineage": plan.lineage} if plan.lineage else {})},
        variables=given_variables(config),
        policies={
            **{f"drift.{kind}": policy for kind, policy in sorted(config.drift.items())},
            **({"ttl": config.ttl} if config.ttl else {}),
            **{f"budget.{name}": str(limit) for name, limit in limits.items() if limit is not None},
            **({"policy": digest} if (digest := config.policy.digest) else {}),
            **{f"override.{lifted.rule}": lifted.reason for lifted in plan.policy.overridden},
        },
    )


def given_variables(config: Config) -> dict[str, str]:
    """Variables that are given from outside, without the values of sensitive ones."""
    return {name: config.variables.get(name, "(sensitive)") for name in config.given}


def elsewhere(approved: Destination, now: Destination) -> list[str]:
    """How the destination differs from the approved one, in words; empty if it doesn't. A state that was
    created since counts as the same."""
    before = {"lineage": now.state.get("lineage", ""), **approved.state}
    said = [
        f"provider {name} is {_place_shown(now.providers.get(name, {}))}, not {_place_shown(provider)}"
        for name, provider in approved.providers.items()
        if now.providers.get(name, {}) != provider
    ]
    said += [f"provider {name} is new" for name in now.providers.keys() - approved.providers.keys()]
    if {k: v for k, v in before.items() if v} != {k: v for k, v in now.state.items() if v}:
        said.append(f"the state is {_place_shown(now.state)}, not {_place_shown(approved.state)}")
    for what, old, new in (
        ("variable", approved.variables, now.variables),
        ("setting", approved.policies, now.policies),
    ):
        said += [
            f"the {what} {k} has another value" for k in sorted({*old, *new}) if old.get(k) != new.get(k)
        ]
    return said


def _place_shown(place: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in place.items()) or "missing"


def _leads_to(provider: ProviderConfig, project: str) -> Mapping[str, str]:
    settings = provider.settings
    row = PROVIDER_TYPES[provider.type]
    found = {"type": provider.type, "host": host_of(settings.get(row.address) or row.default_address)}
    if row.data_folder and not found["host"]:
        found["data"] = str(settings.get(row.data_folder) or "").removeprefix(project)
    found |= {name: str(settings.get(name) or "") for name in row.account_settings}
    found["tenant"] = _below(settings, "credential", "tenant_id")
    found["cloud"] = host_of(_below(settings, "control_plane", "endpoint"))
    found["set_from"] = ", ".join(provider.sources)
    return {name: value for name, value in found.items() if value}


def _below(settings: Mapping[str, Value], block: str, key: str) -> str:
    inner = settings.get(block)
    return str(inner.get(key) or "") if isinstance(inner, Mapping) else ""


def _state_of(config: Config) -> Iterator[tuple[str, str]]:
    state = config.state
    yield "backend", state.backend
    if not state.is_in_bucket:
        yield "path", state.path
    for name, value in sorted(state.settings.items()):
        if name not in _NO_PLACE and value is not None:
            yield name, str(value)
