"""State and outputs as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ftops.config.outputs import OutputValue
from ftops.core.address import Json, Value, encode, references
from ftops.planning.plan_document import pin_to_json
from ftops.state.file_format import record_to_json
from ftops.state.state import ResourceState, State, Status
from ftops.views.paint import Painter, clean
from ftops.views.pins import pin_line
from ftops.views.values import SENSITIVE, as_meant, leaves, show

_WHOLE = 400
"""Characters of a value: paths and names are there to be copied."""
_STATUS_STYLES: Mapping[Status, str] = {
    Status.READY: "good",
    Status.PENDING: "update",
    Status.TAINTED: "delete",
}


def draw_list(state: State) -> list[str]:
    """An address a line, with a note for old objects and interrupted operations."""
    lines = [f"{r.address}{_off(r)}" for r in _current(state)]
    lines += [f"{a}  (old object {r.remote_id})" for (a, _), r in _deposed(state).items()]
    lines += [f"{a}  (interrupted {p.operation.value})" for a, p in state.pending.items()]
    return list(map(clean, lines))


def list_to_json(state: State) -> dict[str, Json]:
    """The document of `state list -o json`."""
    return {
        "resources": [_row(r) for r in _current(state)],
        "deposed": [{"key": key, **_row(r)} for (_, key), r in _deposed(state).items()],
        "pending": [
            {"address": str(a), "operation": p.operation.value, "started_at": p.started_at}
            for a, p in state.pending.items()
        ],
    }


def state_to_json(state: State, spec: str, environment: str) -> dict[str, Json]:
    """The document of `show -o json`."""
    return {
        "spec": spec,
        "environment": environment,
        "lineage": state.lineage,
        "serial": state.serial,
        "expires_at": state.expires_at,
        "pins": [pin_to_json(pin) for pin in state.pins.values()],
        "resources": [dict(record_to_json(r)) for r in _current(state)],
        "deposed": [{"key": key, **record_to_json(r)} for (_, key), r in _deposed(state).items()],
        "pending": [dict(record_to_json(p)) for p in state.pending.values()],
        "outputs": dict(state.outputs),
    }


def draw_outputs(outputs: Mapping[str, OutputValue], paint: Painter, indent: str = "") -> Iterator[str]:
    """`name = value` lines, aligned."""
    width = max((len(name) for name in outputs), default=0)
    return (f"{indent}{paint(f'{name:{width}}')} = {_output(value)}" for name, value in outputs.items())


def draw_raw(value: Value) -> str:
    """A string without quotes, any other value as JSON: for scripts."""
    return value if isinstance(value, str) else json.dumps(encode(value), ensure_ascii=False)


def output_to_json(output: OutputValue) -> dict[str, Json]:
    """`value` is null if it is sensitive or not known yet."""
    known = is_known(output.value)
    shown = known and not output.sensitive
    return {"value": encode(output.value) if shown else None, "sensitive": output.sensitive, "known": known}


def is_known(value: Value) -> bool:
    """Whether the value has no references."""
    return not references(value)


def _off(resource: ResourceState) -> str:
    """Why a listed object isn't there, or has no model."""
    if resource.stopped:
        return "  (not started: budget)" if resource.is_off else "  (stopped early)"
    return "  (off: hosting hours)" * resource.is_off


def _row(resource: ResourceState) -> dict[str, Json]:
    return {
        "address": str(resource.address),
        "status": "off" if resource.is_off else resource.status.value,
        "remote_id": resource.remote_id,
        "provider": resource.provider,
    }


def _output(output: OutputValue) -> str:
    return SENSITIVE if output.sensitive else show(output.value, 500)


def _current(state: State) -> list[ResourceState]:
    return [state.resources[address] for address in sorted(state.resources, key=lambda a: a.sort_key)]


def _deposed(state: State) -> dict[tuple[object, str], ResourceState]:
    return {k: state.deposed[k] for k in sorted(state.deposed, key=lambda k: (k[0].sort_key, k[1]))}


def draw_state(state: State, subject: str, paint: Painter) -> Iterator[str]:
    """Every recorded object, then the outputs."""
    if state.is_empty:
        yield f"The state of {paint(subject)} is empty."
        return
    if state.expires_at:
        yield from (f"Preview: everything is deleted after {paint(state.expires_at)}.", "")
    for pin in state.pins.values():
        yield from (paint(pin_line(pin)), "")
    for resource in _current(state):
        yield from draw_resource(resource, paint)
        yield ""
    for (_, key), resource in _deposed(state).items():
        yield from draw_resource(resource, paint, f"  (old object, key {key})")
        yield ""
    for pending in state.pending.values():
        what = f"{pending.operation.value} started {pending.started_at}, interrupted"
        yield f"{paint(str(pending.address), 'bold')}  {paint(what, 'update')}"
        yield f"    {paint('the next plan looks for the object', 'dim')}"
        yield from _block("inputs", pending.inputs, paint)
        yield ""
    if state.outputs:
        yield paint("Outputs:", "bold")
        yield from _assignments("  ", list(state.outputs.items()), paint)


def draw_resource(resource: ResourceState, paint: Painter, note: str = "") -> Iterator[str]:
    """One recorded object in full."""
    status = paint("off" if resource.is_off else resource.status.value, _STATUS_STYLES[resource.status])
    yield f"{paint(str(resource.address), 'bold')}  {status}  {paint(resource.remote_id)}{paint(note, 'dim')}"
    if resource.said_message:
        yield f"    {paint(resource.said_message, 'dim')}"
    yield from _block("inputs", as_meant(resource.inputs, resource.identities), paint)
    yield from _block("outputs", resource.outputs, paint)
    yield from _block("metadata", _notes(resource), paint)


def _notes(resource: ResourceState) -> dict[str, Value]:
    """What ftops records in addition to the object, without empty values."""
    notes: dict[str, Value] = {
        "provider": resource.provider,
        "account": resource.account,
        "needs": [str(address) for address in resource.dependencies],
        "fingerprint": resource.fingerprint,
        "prevent_destroy": resource.prevent_destroy,
        "on_destroy": "retain" if resource.retain else None,
        "shared": resource.shared,
    }
    return {name: value for name, value in notes.items() if value or name == "provider"}


def _block(title: str, tree: Mapping[str, Value], paint: Painter) -> Iterator[str]:
    rows = leaves(tree)
    if not rows:
        return
    yield f"    {paint(title, 'dim')}"
    yield from _assignments("      ", rows, paint)


def _assignments(indent: str, rows: Sequence[tuple[str, Value]], paint: Painter) -> Iterator[str]:
    width = min(max(len(name) for name, _ in rows), 26)
    yield from (f"{indent}{paint(f'{name:{width}}')} = {show(value, _WHOLE)}" for name, value in rows)
