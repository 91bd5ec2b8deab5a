"""Desired: declared inputs with references and secrets resolved, to be compared with recorded inputs.

Training data is the same while its digest is, whatever id the file has. A secret is the same while its keyed
digest is; its value appears nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct, field

from ftops.config.config import Resource
from ftops.config.sweeps import NO_SWEEPS, Sweeps, chosen, is_best, named_by, no_best
from ftops.core.address import (
    EXPRESSIONS,
    HIDDEN,
    SCALARS,
    Address,
    Json,
    Reference,
    Secret,
    Template,
    Value,
    encode,
    fill,
    references,
)
from ftops.core.errors import Diagnostic
from ftops.core.nested import object_at
from ftops.core.normal_form import Spelling, canonical, normal
from ftops.core.resource_types import RESOURCE_TYPES, kind_of, meaning_of
from ftops.core.snippets import command
from ftops.planning.plan import Change
from ftops.state.state import ResourceState

WITHHELD = f"{HIDDEN}withheld"
"""The identity of a secret that an untrusted spec doesn't get: it may have changed."""

Outputs = Callable[[Address], Mapping[str, Json] | None]
"""The known computed attributes of an address; None if it has yet to be created."""


class Desired(Struct, frozen=True):
    """A resource's inputs, the identities among them (by dotted path), and their fingerprint."""

    inputs: Mapping[str, Value]
    identities: Mapping[str, str]
    fingerprint: str
    """Empty if its data or model isn't known yet."""
    bytes: Mapping[str, str] = {}
    """The digests of the bytes of data, by input: for records that have no digest of the examples."""


class Resolver(Struct):
    """Resolves resources in dependency order; remembers the fingerprint of each."""

    outputs: Outputs
    facts: Mapping[Address, Mapping[str, Json]]
    secret_digests: Mapping[Secret, str]
    sweeps: Sweeps = {}
    fingerprints: dict[Address, str] = field(default_factory=dict)
    contents: dict[Address, str] = field(default_factory=dict)
    """What is in the files of datasets."""
    digests: dict[Address, str] = field(default_factory=dict)
    """The digests of their bytes."""

    @classmethod
    def of_records(
        cls,
        records: Mapping[Address, ResourceState],
        facts: Mapping[Address, Mapping[str, Json]] = {},
        secret_digests: Mapping[Secret, str] = {},
        sweeps: Sweeps = NO_SWEEPS,
    ) -> Resolver:
        """For which all recorded outputs are known."""
        return cls(lambda a: records[a].outputs if a in records else None, facts, secret_digests, sweeps)

    def resolve(self, resource: Resource) -> Desired:
        kind = RESOURCE_TYPES[resource.address.kind]
        inputs: dict[str, Value] = {}
        identities: dict[str, str] = dict(resource.identities)
        essence: dict[str, object] = {}
        for name, value in resource.inputs.items():
            found: dict[str, str] = {}
            if name in kind.by_text and isinstance(value, Template):
                inputs[name] = fill(value, self.look_up)
                essence[name] = encode(value)
                continue
            inputs[name] = self._leaf(value, name, name in kind.compared_by_content, found)
            identities.update(found)
            meaning = resource.identities.get(name) or _meaning(value, found, kind.spelling, name)
            if name not in kind.local and meaning != kind.meant_defaults.get(name):
                essence[name] = meaning
        digest = str(self.facts.get(resource.address, {}).get("digest") or "")
        self.digests[resource.address] = digest
        self.contents[resource.address] = resource.identities.get("content", digest)
        fingerprint = ""
        meant = (resource.inputs.get(name) for name in kind.compared_by_content)
        if all(self._is_known(value) for value in meant if isinstance(value, Reference)):
            fingerprint = sha256(canonical([resource.address.kind, essence])).hexdigest()
        self.fingerprints[resource.address] = fingerprint
        return Desired(inputs, identities, fingerprint, self._bytes(resource))

    def _is_known(self, reference: Reference) -> bool:
        """Whether the content or fingerprint that a reference is compared by is known."""
        meaning = meaning_of(reference)
        known = self.fingerprints if meaning == "fingerprint" else self.contents
        return meaning is None or bool(known[reference.address])

    def _bytes(self, resource: Resource) -> Mapping[str, str]:
        found = {
            name: self.digests[value.address]
            for name in RESOURCE_TYPES[resource.address.kind].compared_by_content
            if isinstance(value := resource.inputs.get(name), Reference) and meaning_of(value) == "content"
        }
        own = resource.inputs.get("content")
        return {**found, "content": own} if isinstance(own, str) and resource.identities else found

    def keep(self, recorded: ResourceState, known_as: Collection[str] = ()) -> None:
        """What is recorded stays: who refers to it means what it is, not how it would be made today. Of data
        whose bytes alone are on record (they were imported), the examples are known if the declared file has
        the same bytes; unless somebody on record knows them by their bytes, too: `known_as`."""
        address = recorded.address
        if recorded.fingerprint:
            self.fingerprints[address] = recorded.fingerprint
        if kind_of(address).is_data:
            content = content_of(recorded)
            digest = str(recorded.inputs.get("content") or recorded.outputs.get("digest") or "")
            is_declared = digest == self.digests.get(address) and "content" not in recorded.identities
            if not is_declared or content in known_as:
                self.contents[address] = content
            self.digests[address] = digest

    def look_up(self, reference: Reference | Secret) -> Value:
        """The value of a reference; the reference itself if it isn't known."""
        if isinstance(reference, Secret):
            return reference
        named = chosen(reference, self.sweeps, self.outputs)
        if not isinstance(named, Reference):
            return reference if named is None else named
        known = self.outputs(named.address)
        value = None if known is None else at(known, named.attribute)
        if value is None:
            value = at(self.facts.get(reference.address, {}), reference.attribute)
        return reference if value is None else value

    def known(self, changes: Iterable[Change]) -> Mapping[str, Json]:
        """The values of references in the inputs to send, if they are known before the apply."""
        values = (value for change in changes for value in change.after.values())
        named = {r for value in values if not isinstance(value, SCALARS) for r in references(value)}
        found = {str(reference): self.look_up(reference) for reference in sorted(named, key=str)}
        return {text: encode(value) for text, value in found.items() if not isinstance(value, Reference)}

    def _leaf(self, value: Value, path: str, compared_by_content: bool, found: dict[str, str]) -> Value:
        if isinstance(value, SCALARS):
            return value
        if isinstance(value, EXPRESSIONS):
            identity = self._identity(value, compared_by_content)
            if identity:
                found[path] = identity
            return fill(value, self.look_up)
        if isinstance(value, dict):
            return {k: self._leaf(v, f"{path}.{k}", compared_by_content, found) for k, v in value.items()}
        return [self._leaf(v, f"{path}.{i}", compared_by_content, found) for i, v in enumerate(value)]

    def _identity(self, value: Reference | Secret | Template, compared_by_content: bool) -> str:
        if isinstance(value, Template):
            return "+".join(self._identity(p, False) for p in value.parts if isinstance(p, Secret))
        if isinstance(value, Secret):
            return f"{HIDDEN}{self.secret_digests[value]}"
        meaning = meaning_of(value) if compared_by_content else None
        if meaning == "fingerprint":
            known = self.fingerprints[value.address]
            return f"fingerprint:{known}" if known else ""
        return self.contents[value.address] if meaning else ""


def content_of(recorded: ResourceState) -> str:
    """The content of a recorded dataset: the digest of its examples, or else of its bytes; empty if neither
    is known."""
    digest = recorded.inputs.get("content") or recorded.outputs.get("digest")
    return recorded.identities.get("content") or str(digest or "")


def comparable(
    desired: Desired, recorded: ResourceState, seen: Mapping[str, Value]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """(before, after), for `differences`. `seen` are inputs as the service shows them now; they take
    precedence over recorded ones."""
    kind = RESOURCE_TYPES[recorded.address.kind]
    known = {**kind.defaults, **recorded.inputs, **seen}
    before: dict[str, Value] = {k: v for k, v in known.items() if k not in kind.local}
    wanted = {**kind.defaults, **desired.inputs}
    after: dict[str, Value] = {k: v for k, v in wanted.items() if k not in kind.local}
    for path, identity in desired.identities.items():
        if path not in recorded.identities:
            continue
        old, new = at(recorded.inputs, path), at(desired.inputs, path)
        by_bytes = desired.bytes.get(path)
        if by_bytes and by_bytes in (old, recorded.identities[path]):
            put(after, path, before.get(path))
        elif identity.startswith(HIDDEN) and old != new:
            put(before, path, old)  # the secret or the text around it has changed
            put(after, path, new)
        elif not _is_as_known(identity, recorded.identities[path]):
            put(before, path, recorded.identities[path])
            put(after, path, identity)
    return before, after


def _is_as_known(identity: str, recorded: str) -> bool:
    """Whether some secrets are withheld and the others are unchanged. Then their expressions are compared."""
    parts, before = identity.split("+"), recorded.split("+")
    return (
        WITHHELD in parts
        and len(parts) == len(before)
        and all(part in (WITHHELD, old) for part, old in zip(parts, before, strict=True))
    )


def at(tree: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path such as `checkpoint.best`, or None. `checkpoint.*`: those of all numbers, in
    their order."""
    value: Any = tree
    for name in path.split("."):
        if name == "*" and isinstance(value, Mapping):
            value = [value[key] for key in sorted(filter(str.isdigit, value), key=int)]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def missing_values(
    resource: Resource,
    desired: Desired,
    outputs: Callable[[Address], Mapping[str, Json] | None],
    sweeps: Sweeps,
) -> list[Diagnostic]:
    """Errors for references to attributes that ready objects don't have. `outputs` is None if an object may
    still get some."""
    found = []
    for value in desired.inputs.values():
        for reference in () if isinstance(value, SCALARS) else references(value):
            if all(outputs(address) is not None for address in named_by(reference, sweeps)):
                place = resource.reference_places.get(reference.address, resource.place)
                found.append(Diagnostic(*lacking(reference, sweeps, outputs), place))
    return found


def lacking(
    reference: Reference, sweeps: Sweeps, outputs: Callable[[Address], Mapping[str, Json] | None]
) -> tuple[str, str, str]:
    """The error for a reference without a value, which may be to the best of a sweep."""
    if is_best(reference) and (why := no_best(reference, sweeps, outputs)):
        return why
    named = chosen(reference, sweeps, outputs)
    reference = named if isinstance(named, Reference) else reference
    return no_value(reference, outputs(reference.address) or {})


def no_value(reference: Reference, outputs: Mapping[str, Json]) -> tuple[str, str, str]:
    """The error for a reference without a value: summary, detail and hint."""
    address, path = reference.address, reference.attribute
    head, _, last = path.rpartition(".")
    siblings = at(outputs, head) if head else None
    if isinstance(siblings, Mapping) and siblings:
        there = ", ".join(sorted(siblings, key=lambda name: (name.isdigit(), len(name), name)))
        detail = f"There is no {head} {last} of {address}. There are: {there}."
        return f"{reference} has no value", detail, f"write one of these, such as ${{{address}.{head}.best}}"
    if outputs.get("stopped"):
        detail = f"{address} was stopped early, so it has no {path}."
        hint = f"train it again with --replace '{address}', or use `best` of its sweep"
        return f"{reference} has no value", detail, hint
    return (
        f"{reference} has no value",
        f"{address} exists, but the service reported no {path}.",
        f"look at it with {command('ftops', 'state', 'show', address)}",
    )


def _meaning(value: Value, identities: Mapping[str, str], spelling: Spelling, name: str) -> object:
    """The part of an input that goes into the fingerprint: not the id of an object whose content is known."""
    if not identities:
        return normal(value, spelling, name)
    return identities if isinstance(value, Reference) else [normal(value, spelling, name), identities]


def covers(paths: Iterable[str], path: str) -> bool:
    """Whether one of the paths is this one, or leads to it."""
    return any(path == one or path.startswith(f"{one}.") for one in paths)


def put(tree: dict[str, Value], path: str, leaf: Value) -> None:
    """Replaces the leaf at a dotted path, copying what is above it: inputs are shared values. A list becomes
    a mapping by position; None removes the leaf."""
    head, dot, rest = path.partition(".")
    if not dot:
        if leaf is None:
            tree.pop(head, None)
        else:
            tree[head] = leaf
        return
    child = tree.get(head)
    if isinstance(child, list):
        child = {str(i): v for i, v in enumerate(child)}
    branch = dict(child) if isinstance(child, dict) else {}
    put(branch, rest, leaf)
    tree[head] = branch


def training_steps(
    job: ResourceState, records: Iterable[ResourceState], reported: Mapping[str, Json] | None = None
) -> int | None:
    """The number of steps of a recorded job, from the examples of its file among these records and its
    hyperparameters, as the service `reported` them last; None if one isn't known, as long as the service
    chooses it."""
    epochs, batch = _counts(job, reported).values()
    file = job.inputs.get("training")
    found = (_count(record.outputs.get("examples")) for record in records if record.remote_id == file)
    examples = next(found, None) if epochs and batch else None
    return -(-examples // batch) * epochs if examples and epochs and batch else None


def unreported_counts(job: ResourceState, reported: Mapping[str, Json] | None = None) -> list[str]:
    """The hyperparameters that decide the number of steps, and whose values the service hasn't said."""
    return [name for name, count in _counts(job, reported).items() if count is None]


def _counts(job: ResourceState, reported: Mapping[str, Json] | None) -> dict[str, int | None]:
    chosen, recorded = (object_at(values, "hyperparameters") for values in (job.inputs, job.outputs))
    known = (reported or {}, recorded, chosen)
    found = {name: [_count(values.get(name)) for values in known] for name in ("n_epochs", "batch_size")}
    return {name: next(filter(None, counts), None) for name, counts in found.items()}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
