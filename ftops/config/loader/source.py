"""Source: a spec as written: the entries of its sections, and where each value is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ftops.config.loader.unknown_keys import section_hint
from ftops.config.schema import LISTS, sections
from ftops.core.address import NAME
from ftops.core.errors import Diagnostic, Place
from ftops.yaml import document as yaml_document
from ftops.yaml.document import Document

Keys = yaml_document.Path


class Entry(Struct, frozen=True):
    """A named entry of a section: its data, and where it is."""

    section: str
    name: str
    document: Document
    key: Node
    node: Node
    data: Any

    def mark(self, path: Keys = ()) -> Place:
        """The place of a value, without the text of its line: cheap."""
        key, node = self.document.find(self.key, self.node, path) if path else (self.key, self.key)
        return self._marked(node or key)

    def marks(self) -> dict[str, Place]:
        """The places of its values and of those below, by path; of a mapping or list, that of its key."""
        return {path: self._marked(node) for path, node in _marked(self.node, "")}

    def _marked(self, node: Node) -> Place:
        mark, end = node.start_mark, node.end_mark
        width = end.column - mark.column if end.line == mark.line else 1
        place = Place(self.document.file, mark.line + 1, mark.column + 1, "", max(1, width))
        return place.veiled() if self.document.is_veiled else place

    def place(self, path: Keys = (), *, key: bool = False) -> Place:
        """The place of a value below this entry, or of its key; of the nearest one above if it isn't set."""
        last, node = self.document.find(self.key, self.node, path)
        if key or node is None or not path or (isinstance(node, ScalarNode) and not node.value):
            return self.document.place_of(last)
        return self.document.place_of(node)

    def value_place(self) -> Place:
        """The place of the entry's own value."""
        empty = isinstance(self.node, ScalarNode) and not self.node.value
        return self.document.place_of(self.key if empty else self.node)

    def place_in(self, path: Keys, pattern: str) -> Place:
        """The place of a match inside a value; of the value itself if nothing matches."""
        node = self.document.find(self.key, self.node, path)[1]
        if node is None:
            return self.place(path)
        start, end = node.start_mark, node.end_mark
        for line in range(start.line, end.line + 1):
            text = self.document.place(line, 0).text
            match = re.compile(pattern).search(text, start.column if line == start.line else 0)
            if match:
                return self.document.place(line, match.start(), match.end() - match.start())
        return self.place(path)

    def value(self, *keys: str) -> Any:
        """The value at a path of keys, as written; None if it isn't set."""
        value = self.data
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def report(
        self,
        findings: list[Diagnostic],
        path: Keys,
        summary: str,
        detail: str = "",
        hint: str = "",
        *,
        key: bool = False,
    ) -> None:
        """Adds an error about the value at a path, or about its key."""
        findings.append(Diagnostic(summary, detail, hint, self.place(path, key=key)))


class Marks(Mapping[str, Place]):
    """Places by path, made when the first is asked for: a plan that creates everything needs none."""

    def __init__(self, make: Callable[[], Mapping[str, Place]]) -> None:
        self._make = make

    @cached_property
    def _known(self) -> Mapping[str, Place]:
        return self._make()

    def __getitem__(self, path: str) -> Place:
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _marked(node: Node, above: str, depth: int = 2) -> Iterator[tuple[str, Node]]:
    """The values of a mapping, by path; the key of one that isn't a word."""
    for key, value in node.value if isinstance(node, MappingNode) else ():
        if isinstance(key, ScalarNode):
            is_word = isinstance(value, ScalarNode) and value.value and value.style not in ("|", ">")
            yield f"{above}{key.value}", value if is_word else key
            if depth > 1:
                yield from _marked(value, f"{above}{key.value}.", depth - 1)


class Source(Struct, frozen=True):
    """A spec as written: the entries of every section by name, from all files."""

    folder: Path
    files: tuple[str, ...]
    veiled: frozenset[str]
    """Files of which no line is shown."""
    sections: Mapping[str, Mapping[str, Entry]]
    lists: Mapping[str, Sequence[Entry]]
    """The entries of the sections that are lists, where these are given."""
    skipped: tuple[Diagnostic, ...] = ()
    """Notes about files of the folder that belong to other tools, or have values of variables."""

    def __getitem__(self, section: str) -> Mapping[str, Entry]:
        return self.sections.get(section, {})


def merged(folder: Path, documents: Sequence[Document], findings: list[Diagnostic]) -> Source:
    """A spec that was read elsewhere; files without a section are left out if there are others."""
    spec = Sections()
    for document in documents:
        if len(documents) == 1 or not document.keys.isdisjoint(sections()):
            spec.add(document, findings)
    return Source(folder, (), frozenset(), spec.sections, spec.lists)


class Sections(Struct):
    """The sections of all files, merged. The order of files and keys doesn't matter."""

    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    lists: dict[str, list[Entry]] = field(default_factory=dict)

    def add(self, document: Document, findings: list[Diagnostic]) -> None:
        root = document.root
        if root is None:
            return
        if not isinstance(root, MappingNode):
            detail = "Its sections declare what should exist: `datasets:`, `jobs:`, `deployments:`, …"
            hint = "Start with the name of a section."
            place = document.place_of(root)
            findings.append(Diagnostic("a spec must be a mapping", detail, hint, place))
            return
        data = yaml_document.data(document, root, findings)
        for key, node in yaml_document.items(root):
            findings += self._section(document, key, node, data.get(key.value))

    def _section(self, document: Document, key: ScalarNode, node: Node, data: Any) -> Iterator[Diagnostic]:
        name = key.value
        if name not in sections():
            detail = "The top-level keys of a spec are its sections."
            hint = section_hint(name, [below.value for below, _ in yaml_document.items(node)], sections())
            place = _without_values(document.place_of(key), key, node)
            yield Diagnostic(f"unknown section `{name}`", detail, hint, place)
        elif name in LISTS:
            yield from self._list(document, key, node, data)
        elif isinstance(data, dict) and isinstance(node, MappingNode):
            entries = self.sections.setdefault(name, {})
            for item_key, item in yaml_document.items(node):
                if item_key.value in data:  # of a section that is set twice, `data` is that of the first
                    entry = Entry(name, item_key.value, document, item_key, item, data[item_key.value])
                    yield from _added(entries, entry)
        elif data is not None:
            summary = f"`{name}` must be a mapping"
            detail, hint = _in_place_of_section(name, data)
            yield Diagnostic(summary, detail, hint, document.place_of(node))
        else:
            self.sections.setdefault(name, {})

    def _list(self, document: Document, key: ScalarNode, node: Node, data: Any) -> Iterator[Diagnostic]:
        if isinstance(node, SequenceNode):
            entries = self.lists.setdefault(key.value, [])
            for index, item in enumerate(node.value):
                entries.append(Entry(key.value, str(index), document, item, item, data[index]))
        elif data is not None:
            summary, hint = f"`{key.value}` must be a list", "Start each entry with `- `."
            yield Diagnostic(summary, "", hint, document.place_of(node))


_IN_SECTION: Mapping[str, str] = {
    "variables": "capacity: {type: integer, default: 1}",
    "providers": "local: {type: emulator}",
    "environments": "dev: {provider: local}",
    "hyperparameters": "slow: {n_epochs: 3}",
    "outputs": 'model: "${job.NAME.fine_tuned_model}"',
}
"""By section: an entry of one."""


def _in_place_of_section(name: str, data: Any) -> tuple[str, str]:
    """Detail and hint about a value in place of the entries of a section."""
    if name == "ftops":
        text = data if isinstance(data, str) and re.fullmatch(NAME, data) else "my-models"
        return "It holds the settings of the spec, such as its name.", f"Write `ftops: {{name: {text}}}`."
    if isinstance(data, list) and data and all(isinstance(one, dict) and one.get("name") for one in data):
        hint = f"Write each entry below its name, without `- `: `{data[0]['name']}: {{…}}`."
        return "It holds one entry for each name.", hint
    entry = _IN_SECTION.get(name, "NAME: {…}")
    return "It holds one entry for each name.", f"Write its entries below it, indented, such as `{entry}`."


def _added(entries: dict[str, Entry], entry: Entry) -> Iterator[Diagnostic]:
    """Adds an entry to those of its section."""
    first = entries.get(entry.name)
    if first is None or first.key is entry.key:
        entries[entry.name] = entry
    elif first.document is not entry.document:
        detail = f"It is already declared in {first.place()}, and only one of the two can apply."
        hint = "Remove one of them, or give it another name."
        place = entry.document.place_of(entry.key)
        yield Diagnostic(f"`{entry.name}` is declared twice", detail, hint, place)


def _without_values(place: Place, key: ScalarNode, node: Node) -> Place:
    """The place of an unknown key, without the value beside it, which may be a secret."""
    if not place.width:
        return place
    start, end = key.start_mark.column, key.end_mark.column
    is_beside = node.start_mark.line == key.end_mark.line and node.end_mark.column > end + 1
    rest = ": …" if is_beside else place.text[end:]
    return replace(place, text=" " * start + place.text[start:end] + rest)
