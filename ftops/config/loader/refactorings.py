"""The blocks `moved`, `import` and `removed`: read, and checked against what is declared and each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftops.config import schema
from ftops.config.config import Import, Move, Refactorings, Removal
from ftops.config.loader.expressions import Evaluator, Scope
from ftops.config.loader.files import Entry, Source
from ftops.config.loader.phases import NAMES
from ftops.config.loader.references import Linker
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import Unknown
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean

Found = list[tuple[Entry, Any]]
"""Entries and the blocks that they hold."""


def read_refactorings(source: Source, linker: Linker, scope: Scope) -> Refactorings:
    """Findings where a block is of a bad form, contradicts the spec, or contradicts another block."""
    blocks: dict[str, Found] = {"moved": [], "import": [], "removed": []}
    for entry in source.refactorings:
        block = _read(entry, scope)
        if block is not None:
            blocks[entry.section].append((entry, block))
    reader = _Reader(linker, scope.findings)
    moves = list(reader.moves(blocks["moved"]))
    removals = list(reader.removals(blocks["removed"], moves))
    return Refactorings(tuple(moves), tuple(reader.imports(blocks["import"])), tuple(removals))


def _read(entry: Entry, scope: Scope) -> Any:
    """The block, or None: with a finding, or because the id is empty in this environment."""
    data = Evaluator(entry, scope, NAMES).evaluate(entry.data)
    if isinstance(data, dict):
        if any(isinstance(value, Unknown) for value in data.values()):
            return None
        if entry.section == "import" and entry.data.get("id") and not data.get("id"):
            return None
    return read_block(schema.REFACTORINGS[entry.section], data, entry, scope.findings)


class _Reader:
    def __init__(self, linker: Linker, findings: list[Diagnostic]) -> None:
        self._linker = linker
        self._declared = linker.declared
        self._findings = findings

    def moves(self, found: Found) -> Iterator[Move]:
        by_source: dict[Address, Move] = {}
        by_target: dict[Address, Move] = {}
        for entry, block in found:
            source, target = self._address(block.from_, "from", entry), self._address(block.to, "to", entry)
            if source is None or target is None or not self._fits(source, target, entry):
                continue
            move = Move(source, target, entry.place())
            twin = by_source.get(source)
            if twin is not None and twin.target == target:
                continue
            if twin is not None:
                self._say(f"{source} is moved twice", f"It is also moved to {twin.target}", twin, entry, "to")
            elif target in by_target:
                other = by_target[target]
                self._say(
                    f"two resources move to {target}",
                    f"{other.source} is moved there too",
                    other,
                    entry,
                    "to",
                )
            elif self._is_free(source, target, entry):
                by_source[source] = by_target[target] = move
        self._check_circles(by_source)
        yield from by_source.values()

    def imports(self, found: Found) -> Iterator[Import]:
        seen: dict[object, Import] = {}
        for entry, block in found:
            target = self._address(block.to, "to", entry)
            if target is None or target in self._declared.disabled or not self._is_there(target, entry):
                continue
            one = Import(target, str(block.id), entry.place())
            twin = seen.get(target)
            if twin is not None:
                self._say(f"{target} is imported twice", f"{twin.remote_id} is imported too", twin, entry)
                continue
            seen[target] = one
            yield one

    def removals(self, found: Found, moves: list[Move]) -> Iterator[Removal]:
        moved = {move.source: move for move in moves}
        for entry, block in found:
            source = self._address(block.from_, "from", entry)
            if source is None or not self._is_gone(source, source.key is None, "removed", entry):
                continue
            if source in moved:
                move = moved[source]
                self._say(
                    f"{source} is moved and removed", f"It is moved to {move.target}", move, entry, "from"
                )
                continue
            yield Removal(source, block.retain, entry.place())

    def _fits(self, source: Address, target: Address, entry: Entry) -> bool:
        if source.kind != target.kind:
            summary = f"a {source.kind} can't be moved to a {target.kind}"
            detail = "Moving changes only the address of an object."
            self._findings.append(
                Diagnostic(summary, detail, "Correct one of the two addresses.", entry.place(("to",)))
            )
        elif source == target:
            summary = f"{source} can't be moved to its own address"
            self._findings.append(Diagnostic(summary, "", "Remove the entry.", entry.place(("to",))))
        else:
            return True
        return False

    def _is_free(self, source: Address, target: Address, entry: Entry) -> bool:
        return self._is_gone(source, source.key is None and target.key is None, "moved", entry)

    def _is_gone(self, source: Address, whole: bool, section: str, entry: Entry) -> bool:
        """What is moved away or removed must not be declared any more."""
        keys = self._declared.keys.get((source.kind, source.name), {})
        wanted = [key for key in keys if whole or key == source.key]
        there = [source._replace(key=key) for key in wanted]
        there = [address for address in there if address not in self._declared.disabled]
        if not there:
            return True
        detail = f"`{section}` is for resources that the spec no longer declares, but it declares {there[0]}."
        hint = "Rename or remove it there, or remove this entry."
        place = entry.place(("from",))
        self._findings.append(Diagnostic(f"{source} is still declared", detail, hint, place))
        return False

    def _is_there(self, target: Address, entry: Entry) -> bool:
        keys = self._declared.keys.get((target.kind, target.name), {})
        if target.key is None and keys and None not in keys:
            example = target._replace(key=next(iter(keys)))
            detail = f"Its `for_each` creates {len(keys)} resources, and an object can be only one of them."
            place = entry.place(("to",))
            finding = Diagnostic(f"{target} needs a key", detail, f"Write `to: '{example}'`.", place)
            self._findings.append(finding)
            return False
        return self._linker.exists(target, entry, ("to",), str(target))

    def _address(self, text: str, key: str, entry: Entry) -> Address | None:
        try:
            address = Address.parse(text)
        except ValueError:
            summary, hint = f"`{text}` isn't a valid address", "Write an address such as `job.copilot`."
            self._findings.append(Diagnostic(summary, "", hint, entry.place((key,))))
            return None
        if address.kind in RESOURCE_TYPES:
            return address
        summary = f"there is no kind of resource `{address.kind}`"
        hint = did_you_mean(address.kind, RESOURCE_TYPES)
        self._findings.append(Diagnostic(summary, "", hint, entry.place((key,))))
        return None

    def _check_circles(self, by_source: dict[Address, Move]) -> None:
        done: set[Address] = set()
        for start in by_source:
            path: dict[Address, None] = {}
            at = start
            while at in by_source and at not in done and at not in path:
                path[at] = None
                at = by_source[at].target
            if at in path:
                circle = [*list(path)[list(path).index(at) :], at]
                detail = f"{' → '.join(map(str, circle))}: it isn't clear which object gets which address."
                hint = "Move one of them to a temporary address and apply that first."
                finding = Diagnostic(
                    "resources are moved in a cycle", detail, hint, by_source[circle[-2]].place
                )
                self._findings.append(finding)
            done.update(path)

    def _say(self, summary: str, other: str, twin: Move | Import, entry: Entry, key: str = "to") -> None:
        at = f" ({twin.place.file}:{twin.place.line})" if twin.place else ""
        hint = "Remove one of the two."
        self._findings.append(Diagnostic(summary, f"{other}{at}.", hint, entry.place((key,))))
