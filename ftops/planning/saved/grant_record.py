"""Grant record: what a grant continues from, as text: the approved plan, and the spec that it was made from.

It contains no secrets: of these, the spec has only expressions. Nor does it say how to reach an account: that
comes from the spec in the working copy, and must lead to the same place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Config, Lifecycle, Output, OutputsRead, Refactorings, Resource
from ftops.config.policy import Policy
from ftops.core.address import Address, Json, Secrets, Value
from ftops.core.codec import Codec, Form
from ftops.core.errors import FtopsError
from ftops.planning.saved.plan_digest import plan_digest
from ftops.planning.saved.plan_file import SavedPlan
from ftops.state.entries import Entry, Failed, Recorded, Removed
from ftops.state.file_format import entry_from_json, entry_to_json
from ftops.state.state import Grant, carried_over


class RecordedResource(Struct, frozen=True):
    """A declared resource, with the content of its data."""

    address: Address
    provider: str
    inputs: Mapping[str, Value]
    depends_on: tuple[Address, ...] = ()
    lifecycle: Lifecycle = Lifecycle()
    sources: Mapping[str, str] = {}
    facts: Mapping[str, Json] = {}
    identities: Mapping[str, str] = {}


class RecordedSpec(Struct, frozen=True):
    """What a plan is made from, except the settings of providers and of the state."""

    resources: tuple[RecordedResource, ...]
    outputs: tuple[Output, ...] = ()
    refactorings: Refactorings = Refactorings()
    drift: Mapping[str, str] = {}
    variables: Mapping[str, str] = {}
    given: tuple[str, ...] = ()
    reads: tuple[OutputsRead, ...] = ()


class GrantRecord(Struct, frozen=True):
    """The plan as it was applied at first, and its spec."""

    saved: SavedPlan
    spec: RecordedSpec


_CODEC = Codec(strict=True, forms={Entry: Form(entry_to_json, entry_from_json)})


def record_text(saved: SavedPlan, config: Config) -> str:
    """Entries, costs and findings of the plan are left out, but the costs of its jobs."""
    estimate = replace(saved.plan.estimate, hosting=(), data=(), asking=())
    entries = tuple(entry for entry in saved.plan.entries if not isinstance(entry, _OBSERVED))
    plan = replace(saved.plan, entries=entries, findings=(), estimate=estimate, drift=(), places={})
    record = GrantRecord(replace(saved, plan=plan), _recorded(config))
    return json.dumps(_CODEC.write(record), sort_keys=True, separators=(",", ":"))


def read_record(grant: Grant) -> GrantRecord:
    """Raises FtopsError if it isn't the record of the plan that was approved."""
    try:
        record = _CODEC.read(GrantRecord, json.loads(grant.record))
    except (TypeError, ValueError, KeyError) as error:
        raise _unusable(f"another version of ftops wrote it ({error})") from error
    if plan_digest(record.saved.plan) != grant.digest:
        raise _unusable("it is that of another plan")
    return record


def recorded_config(record: GrantRecord, working: Config, known: Secrets) -> Config:
    """The recorded spec, with the providers, state and folders of the working copy, and these secrets.
    Without a policy: all of the plan was judged when it was approved; what is left is judged by itself."""
    spec = record.spec
    resources = tuple(Resource(**carried_over(resource, Resource)) for resource in spec.resources)
    return replace(
        working,
        resources=resources,
        outputs=spec.outputs,
        refactorings=spec.refactorings,
        drift=spec.drift,
        variables=spec.variables,
        given=spec.given,
        reads=spec.reads,
        secrets=known,
        policy=Policy(),
        warnings=(),
        is_outline=False,
    )


_OBSERVED = (Recorded, Removed, Failed)


def _recorded(config: Config) -> RecordedSpec:
    resources = (RecordedResource(**carried_over(r, RecordedResource)) for r in config.resources)
    blocks = config.refactorings
    return RecordedSpec(
        tuple(resources),
        tuple(replace(output, place=None) for output in config.outputs),
        Refactorings(
            moves=tuple(replace(move, place=None) for move in blocks.moves),
            imports=tuple(replace(one, place=None) for one in blocks.imports),
            removals=tuple(replace(removal, place=None) for removal in blocks.removals),
        ),
        config.drift,
        config.variables,
        config.given,
        config.reads,
    )


def _unusable(why: str) -> FtopsError:
    return FtopsError("the record of the approval can't be used", f"{why}.", "plan again, and approve that")
