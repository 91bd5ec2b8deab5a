"""Plan document: a plan as the JSON that `plan -o json` prints, and back. Pure.

What is read back is for display: it has everything that views show, but nothing that apply needs, and the
document may come from somebody else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import to_builtins
from msgspec.structs import asdict, replace

from ftops.config.config import OutputsRead
from ftops.config.sweeps import choice_to_json
from ftops.core.address import HIDDEN, Address, Json, Value, encode, stands_for_secret
from ftops.core.codec import Codec
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.errors import Place
from ftops.core.resource_types import kind_of
from ftops.planning.estimate import estimate_from_json, estimate_to_json
from ftops.planning.plan import AttributeChange, Change, Drift, Gate, Held, OutputChange, Plan, Promoted
from ftops.state.entries import Moved
from ftops.state.state import Pin

PLAN_VERSION = 1
_SENSITIVE = "(sensitive)"
_CODEC = Codec()


def plan_to_json(plan: Plan) -> dict[str, Json]:
    """The document that `plan -o json` prints; docs/json-output.md describes it."""
    waits_for = plan.waits_for
    return {
        "format_version": PLAN_VERSION,
        "spec": plan.spec,
        "environment": plan.environment,
        "mode": plan.mode.value,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "changes": [_change(c, waits_for[c.step], plan.places.get(c.address, {})) for c in plan.changes],
        "drift": [drift_to_json(d) for d in plan.drift],
        "outputs": [_output(o) for o in plan.outputs],
        "moves": [{"from": str(source), "to": str(target)} for source, target in plan.moves],
        "settings": [{**s._asdict(), "address": str(s.address)} for s in plan.settings],
        "unchanged": plan.unchanged,
        "held": [held_to_json(one) for one in plan.held],
        "off": [{**one._asdict(), "address": str(one.address)} for one in plan.off],
        "summary": {**plan.summary},
        "choices": [choice_to_json(choice) for choice in plan.choices],
        "pins": [pin_to_json(pin) for pin in plan.pins],
        "pinning": [{**one._asdict(), "address": str(one.address)} for one in plan.pinning],
        "warnings": list(plan.warnings),
        "policy": to_builtins(plan.policy),
        "estimate": estimate_to_json(plan.estimate),
        "destination": to_builtins(plan.destination),
        "known": dict(plan.known),
        "reads": [_read(read) for read in plan.reads],
        "ttl": plan.ttl,
        "expires_at": plan.expires_at,
    }


def _read(read: OutputsRead) -> Json:
    return {**to_builtins(replace(read, values={})), "values": encode(dict(read.values))}


def held_to_json(held: Held) -> dict[str, Json]:
    return {"address": str(held.address), "reasons": list(held.reasons)}


def pin_to_json(pin: Pin) -> dict[str, Json]:
    return {**asdict(pin), "address": str(pin.address), "trained_by": str(pin.trained_by)}


def drift_to_json(drift: Drift) -> dict[str, Json]:
    return {
        "address": str(drift.address),
        "kind": drift.kind,
        "policy": drift.policy,
        "expected": drift.is_expected,
        "attributes": [_attribute(a) for a in drift.attributes],
    }


def _change(change: Change, waits_for: Collection[str], places: Mapping[str, Place]) -> Json:
    optional: dict[str, Json] = {
        "before": encode(dict(change.before)),
        "after": encode(dict(change.after)),
        "attributes": [{**_attribute(a), **place_at(places, a.path)} for a in change.attributes],
        "fingerprint": change.fingerprint,
        "remote_id": change.remote_id,
        "deposed": change.deposed,
        "deposes": change.deposes,
        "gates": [_gate(gate) for gate in change.gates],
        "override": change.override,
        "promoted": _promoted(change.promoted) if change.promoted else None,
        "examples_digest": change.identities.get("content"),
        "facts": dict(change.facts),
    }
    return {
        "step": change.step,
        "address": str(change.address),
        "action": change.action.value,
        "reason": change.reason._asdict(),
        "provider": change.provider,
        "waits_for": list(waits_for),
        **(place_at(places, "") if change.step == str(change.address) else {}),
        **{k: v for k, v in optional.items() if v},
    }


def _promoted(promoted: Promoted) -> Json:
    """With all of its keys."""
    evaluated: list[Json] = [{**one._asdict(), "address": str(one.address)} for one in promoted.evaluated]
    return {
        "environment": promoted.environment,
        "model": promoted.model,
        "trained": promoted.trained,
        "evaluated": evaluated,
    }


def _gate(gate: Gate) -> Json:
    shown = {"model": encode(gate.model), gate.evaluation.kind: str(gate.evaluation)}
    return {**shown, "require": dict(gate.require), "allow_override": gate.allow_override}


def place_at(places: Mapping[str, Place], path: str) -> dict[str, Json]:
    """The file and line as `place`, if it is known."""
    place = places.get(path)
    return {"place": {"file": place.file, "line": place.line}} if place else {}


def _places_from(changes: Collection[Mapping[str, Any]]) -> dict[Address, dict[str, Place]]:
    found: dict[Address, dict[str, Place]] = {}
    for change in changes:
        for path, row in (("", change), *((a["path"], a) for a in change.get("attributes", ()))):
            if "place" in row:
                place = Place(str(row["place"]["file"]), int(row["place"]["line"]), width=0)
                found.setdefault(Address.parse(change["address"]), {})[path] = place
    return found


def _attribute(attribute: AttributeChange) -> dict[str, Json]:
    before, after = _shown(attribute.before), _shown(attribute.after)
    return {**attribute._asdict(), "before": before, "after": after}


def _shown(value: Value) -> Json:
    return _SENSITIVE if stands_for_secret(value) else encode(value)


def _output(output: OutputChange) -> Json:
    shown = output._replace(before=None, after=None) if output.sensitive else output
    return {**shown._asdict(), "before": encode(shown.before), "after": encode(shown.after)}


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """The inverse of `plan_to_json`, for display. Raises KeyError, TypeError or ValueError."""
    raw = dict(document)
    version = raw.pop("format_version", None)
    if version != PLAN_VERSION:
        raise ValueError(f"its format_version is {version}, not {PLAN_VERSION}")
    moves = [Moved(tuple((Address.parse(m["from"]), Address.parse(m["to"])) for m in raw.pop("moves")))]
    names = {"spec", "environment", "lineage", "serial", "changes"} - raw.keys()
    if names:
        raise KeyError(min(names))
    plan: Plan = _CODEC.read(
        Plan,
        {
            **{name: value for name, value in raw.items() if name not in ("estimate", "entries", "room")},
            "changes": [_change_from(change) for change in raw["changes"]],
            "drift": _drift_from(raw.get("drift", ())),
        },
    )
    _check_names(plan)
    return replace(
        plan,
        entries=tuple(moves) if moves[0].moves else (),
        estimate=estimate_from_json(raw["estimate"]),
        is_approvable=raw.get("digest") is not None,
        places=_places_from(raw["changes"]),
    )


def drift_from_json(document: Mapping[str, Any]) -> Plan:
    """What `drift -o json` prints, for display. Raises KeyError, TypeError or ValueError."""
    names = ("spec", "environment", "lineage", "serial")
    known = {**{name: document[name] for name in names}, "drift": _drift_from(document["drift"])}
    plan: Plan = _CODEC.read(Plan, known)
    _check_names(plan)
    return plan


def _drift_from(rows: Collection[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [{**row, "attributes": _attributes_from(row["attributes"])} for row in rows]


def _check_names(plan: Plan) -> None:
    """Raises KeyError for a name that views look up in a table, and that isn't there."""
    for drift in plan.drift:
        DRIFT_CLASSES[drift.kind]
    for address in (
        *(c.address for c in plan.changes),
        *(h.address for h in plan.held),
        *(o.address for o in plan.off),
    ):
        kind_of(address)
    for provider in plan.destination.providers.values():
        provider["type"]
    if plan.destination.state:
        plan.destination.state["backend"]


def _change_from(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what only apply needs, which the document doesn't have."""
    gates = [_gate_from(gate) for gate in raw.get("gates", ())]
    attributes = _attributes_from(raw.get("attributes", ()))
    digest = raw.get("examples_digest")
    identities = {"content": digest} if digest else {}
    return {**raw, "gates": gates, "attributes": attributes, "identities": identities}


def _gate_from(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    known = {name: raw[name] for name in ("model", "require", "allow_override")}
    (evaluation,) = (value for name, value in raw.items() if name not in known)
    return dict(known, evaluation=evaluation)


def _attributes_from(rows: Collection[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """With a stand-in for each secret, which is shown as one."""
    hidden = f"{HIDDEN}0"
    return [
        {**row, **{side: hidden for side in ("before", "after") if row[side] == _SENSITIVE}} for row in rows
    ]
