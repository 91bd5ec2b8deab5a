"""Refactorings: `moved`, `import` and `removed` blocks, checked against the resources and each other."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from msgspec import Struct

from ftops.config.config import Import, Move, Refactorings, Removal
from ftops.config.loader.expressions import Evaluator, Scope
from ftops.config.loader.phases import NAMES
from ftops.config.loader.references import Linker, no_kind
from ftops.config.loader.source import Entry, Source
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import Unknown
from ftops.config.schema.refactorings import REFACTORINGS
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, Place
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import nearest

Blocks = list[tuple[Entry, Any]]
"""Entries, each with its block."""


def read_refactorings(source: Source, linker: Linker, scope: Scope) -> Refactorings:
    """The refactorings, with findings about blocks that are invalid or contradict the spec or each other."""
    blocks: dict[str, Blocks] = {name: [] for name in REFACTORINGS}
    for name, found in blocks.items():
        for entry in source.lists.get(name, ()):
            block = _read(entry, scope)
            if block is not None:
                found.append((entry, block))
    reader = _Reader(linker, scope.findings, scope.warnings)
    moves = list(reader.moves(blocks["moved"]))
    removals = list(reader.removals(blocks["removed"], moves))
    return Refactorings(tuple(moves), tuple(reader.imports(blocks["import"])), tuple(removals))


def _read(entry: Entry, scope: Scope) -> Any:
    """The block, or None: with a finding, or because its `id` is empty in this environment."""
    data = Evaluator(entry, scope, NAMES).evaluate(entry.data)
    if isinstance(data, dict):
        if any(isinstance(value, Unknown) for value in data.values()):
            return None
        if entry.section == "import" and entry.data.get("id") and not data.get("id"):
            return None
    return read_block(REFACTORINGS[entry.section], data, entry, scope.findings)


class _Reader(Struct, frozen=True):
    _linker: Linker
    _findings: list[Diagnostic]
    _warnings: list[Diagnostic]

    def moves(self, blocks: Blocks) -> Iterator[Move]:
        by_source: dict[Address, Move] = {}
        by_target: dict[Address, Move] = {}
        places: dict[Move, Place] = {}
        for entry, block in blocks:
            source, target = self._address(block.from_, "from", entry), self._address(block.to, "to", entry)
            if source is None or target is None or not self._fits(source, target, entry):
                continue
            move = Move(source, target, entry.place())
            twin, rival = by_source.get(source), by_target.get(target)
            if twin is not None and twin.target == target:
                continue
            if twin is not None:
                summary, detail = f"{source} is moved twice", f"It is also moved to {twin.target}"
                self._contradiction(summary, detail, twin.place, entry, "to")
            elif rival is not None:
                summary, detail = f"two resources move to {target}", f"{rival.source} is moved there too"
                self._contradiction(summary, detail, rival.place, entry, "to")
            elif self._is_gone(source, source.key is None and target.key is None, "moved", entry):
                by_source[source] = by_target[target] = move
                places[move] = entry.place(("to",))
        self._check_cycles(by_source)
        for move in by_source.values():
            self._check_target(move.target, by_source, places[move])
        yield from by_source.values()

    def imports(self, blocks: Blocks) -> Iterator[Import]:
        seen: dict[Address, Import] = {}
        for entry, block in blocks:
            target = self._address(block.to, "to", entry)
            if (
                target is None
                or target in self._linker.declared.disabled
                or not self._is_declared(target, entry)
            ):
                continue
            twin = seen.get(target)
            if twin is not None:
                detail = f"{twin.remote_id} is imported too"
                self._contradiction(f"{target} is imported twice", detail, twin.place, entry, "to")
            else:
                seen[target] = Import(target, str(block.id), entry.place())
        yield from seen.values()

    def removals(self, blocks: Blocks, moves: list[Move]) -> Iterator[Removal]:
        moved = {move.source: move for move in moves}
        for entry, block in blocks:
            source = self._address(block.from_, "from", entry)
            if source is None or not self._is_gone(source, source.key is None, "removed", entry):
                continue
            move = moved.get(source)
            if move is None:
                yield Removal(source, block.retain, entry.place())
            else:
                summary, detail = f"{source} is moved and removed", f"It is moved to {move.target}"
                self._contradiction(summary, detail, move.place, entry, "from")

    def _check_target(self, target: Address, moved: Container[Address], place: Place) -> None:
        """A warning if the target isn't declared, and is nearly the name of a resource that is."""
        names = [name for kind, name in self._linker.declared.keys if kind == target.kind]
        near = nearest(target.name, names) if target.name not in names and target not in moved else None
        if near:
            detail = "What is moved there is deleted, since the spec doesn't declare it."
            hint = f"Did you mean `{target.kind}.{near}`? If not, remove the entry."
            self._warnings.append(Diagnostic(f"{target} isn't declared", detail, hint, place, "warning"))

    def _fits(self, source: Address, target: Address, entry: Entry) -> bool:
        if source.kind != target.kind:
            summary = f"a {source.kind} can't be moved to a {target.kind}"
            detail = "Moving changes only the address of an object."
            self._report(entry, "to", summary, detail, "Correct one of the two addresses.")
        elif source == target:
            self._report(entry, "to", f"{source} can't be moved to its own address", "", "Remove the entry.")
        return source.kind == target.kind and source != target

    def _is_gone(self, source: Address, whole: bool, section: str, entry: Entry) -> bool:
        """Whether the spec no longer declares an address; `whole`: nor any other key of it."""
        keys = self._linker.declared.keys.get((source.kind, source.name), {})
        addresses = (source._replace(key=key) for key in keys if whole or key == source.key)
        declared = next((a for a in addresses if a not in self._linker.declared.disabled), None)
        if declared is None:
            return True
        detail = f"`{section}` is for resources that the spec no longer declares, but it declares {declared}."
        hint = "Rename or remove it there, or remove this entry."
        self._report(entry, "from", f"{source} is still declared", detail, hint)
        return False

    def _is_declared(self, target: Address, entry: Entry) -> bool:
        keys = self._linker.declared.keys.get((target.kind, target.name), {})
        if target.key is None and keys and None not in keys:
            example = target._replace(key=next(iter(keys)))
            detail = f"Its `for_each` creates {len(keys)} resources, and an object can be only one of them."
            self._report(entry, "to", f"{target} needs a key", detail, f"Write `to: '{example}'`.")
            return False
        return self._linker.exists(target, entry, ("to",), str(target))

    def _address(self, text: str, key: str, entry: Entry) -> Address | None:
        try:
            address = Address.parse(text)
        except ValueError:
            hint = "Write an address such as `job.copilot`."
            detail = "An address is a kind and a name."
            self._report(entry, key, f"`{text}` isn't a valid address", detail, hint)
            return None
        if address.kind in RESOURCE_TYPES:
            return address
        self._report(entry, key, *no_kind(address))
        return None

    def _check_cycles(self, by_source: dict[Address, Move]) -> None:
        done: set[Address] = set()
        for start in by_source:
            path: dict[Address, None] = {}
            at = start
            while at in by_source and at not in done and at not in path:
                path[at] = None
                at = by_source[at].target
            if at in path:
                cycle = [*list(path)[list(path).index(at) :], at]
                detail = f"{' → '.join(map(str, cycle))}: it isn't clear which object gets which address."
                hint = "Move one of them to a temporary address and apply that first."
                place = by_source[cycle[-2]].place
                self._findings.append(Diagnostic("resources are moved in a cycle", detail, hint, place))
            done.update(path)

    def _contradiction(self, summary: str, other: str, at: Place | None, entry: Entry, key: str) -> None:
        """An error about two entries that can't both apply. `other` describes the one at the place."""
        detail = f"{other} ({at.file}:{at.line})." if at else f"{other}."
        self._report(entry, key, summary, detail, "Remove one of the two.")

    def _report(self, entry: Entry, key: str, summary: str, detail: str, hint: str) -> None:
        entry.report(self._findings, (key,), summary, detail, hint)
