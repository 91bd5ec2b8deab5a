"""Spec files: read, parsed and merged into sections. Only this module of the loader reads files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ftops.config.loader.unknown_keys import is_misspelled_section, section_hint
from ftops.config.schema import LISTS, sections
from ftops.core.confined_files import Refused, content, leads_out, opened, real
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.plurals import agree
from ftops.core.project import CATALOG_FILE, SPEC_SUFFIXES, display, project_root, spec_folder
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.snippets import command
from ftops.core.suggestions import nearest, some
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
        """The places of its keys and of those below, by path."""
        return {path: self._marked(node) for path, node in _marked_keys(self.node, "")}

    def _marked(self, node: Node) -> Place:
        mark = node.start_mark
        place = Place(self.document.file, mark.line + 1, mark.column + 1)
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


def _marked_keys(node: Node, above: str, depth: int = 2) -> Iterator[tuple[str, Node]]:
    """The keys of a mapping, by path."""
    for key, value in node.value if isinstance(node, MappingNode) else ():
        if isinstance(key, ScalarNode):
            yield f"{above}{key.value}", key
            if depth > 1:
                yield from _marked_keys(value, f"{above}{key.value}.", depth - 1)


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


def read(
    path: Path, variable_files: Sequence[Path], findings: list[Diagnostic], *, outline: bool = False
) -> Source:
    """Reads a spec file or folder, without the variable files in it: those of `variable_files` and, if there
    are any or only an `outline` is wanted, those that look like one. If the folder has a file with the usual
    name of a spec, others without a section are skipped."""
    path = path.absolute()
    files = _spec_files(path, {real(file) for file in variable_files}, findings)
    folder = spec_folder(path)
    merge = _Merge(findings)
    skips = any(file.stem == _USUAL_NAME for file in files)
    others: list[str] = []
    assigning: list[str] = []
    documents = _documents(files, project_root(folder), path in files, findings, others if skips else None)
    declared = {name.value for document in documents for name, _ in _variables(document)}
    spec_files = []
    for document in documents:
        keys = _keys(document)
        if len(files) == 1 or document.root is None or _belongs(document, skips):
            spec_files.append(document.file)
            merge.add(document)
        elif skips:
            (assigning if keys and keys <= declared else others).append(document.file)
        elif not keys or keys - declared:
            merge.add_veiled(document)
        elif not (variable_files or outline):
            detail = "All of its keys are names of variables; none is a section of a spec."
            option = command("--var-file", document.file)
            hint = f"Pass it with {option}, or move it out of the folder of the spec."
            summary = f"{document.file} looks like a variable file"
            findings.append(Diagnostic(summary, detail, hint, Place(document.file).veiled()))
    if files and not merge.sections and not any(merge.lists.values()) and not findings:
        detail = "It declares nothing; ftops doesn't take an empty file as a request to delete everything."
        hint = "Declare `datasets`, `jobs` and `deployments`; `ftops init` writes an example."
        findings.append(Diagnostic("the spec is empty", detail, hint, Place(display(files[0]))))
    veiled_files = frozenset(document.file for document in documents if document.is_veiled)
    notes = () if variable_files or outline else tuple(_not_read(others, assigning))
    return Source(folder, tuple(spec_files), veiled_files, merge.sections, merge.lists, notes)


_USUAL_NAME = "ftops"


def _belongs(document: Document, skips: bool) -> bool:
    """Whether a file of a folder is a part of the spec. `skips`: the folder has one with the usual name, and
    files of other tools beside it are skipped."""
    keys = _keys(document)
    if not skips or keys <= set(sections()):
        return not keys.isdisjoint(sections())
    if Path(document.file).stem == _USUAL_NAME:
        return True
    from ftops.config.loader.foreign_files import is_part  # only for such a file

    return is_part(document)


def _not_read(others: Sequence[str], assigning: Sequence[str]) -> Iterator[Diagnostic]:
    """Notes about files of a folder that aren't part of the spec."""
    if others:
        summary = f"{some(sorted(others), 6)} {agree(len(others), 'is', 'are')} skipped"
        detail = "Beside ftops.yaml, only files that look like a part of the spec are read."
        yield Diagnostic(summary, detail, "", Place(min(others)).veiled(), "note")
    for file in assigning:
        detail = "All of its keys are names of variables; none is a section of a spec."
        hint = f"Pass it with {command('--var-file', file)} if its values should count."
        yield Diagnostic(f"{file} is skipped", detail, hint, Place(file).veiled(), "note")


def merged(folder: Path, documents: Sequence[Document], findings: list[Diagnostic]) -> Source:
    """A spec that was read elsewhere; files without a section are left out if there are others."""
    merge = _Merge(findings)
    for document in documents:
        if len(documents) == 1 or not _keys(document).isdisjoint(sections()):
            merge.add(document)
    return Source(folder, (), frozenset(), merge.sections, merge.lists)


def parsed(raw: bytes, shown: str, findings: list[Diagnostic], size: int = 0) -> Document | None:
    """The document in the bytes of a file of this size, or None with a finding."""
    try:
        return yaml_document.parse(yaml_document.decode(raw, shown, size), shown)
    except SpecError as exc:
        findings += exc.diagnostics
    return None


def _documents(
    files: Sequence[Path],
    root: Path,
    is_named: bool,
    findings: list[Diagnostic],
    skipped: list[str] | None,
) -> list[Document]:
    """The parsed files. A file that the command line names may be anywhere; those of a folder must be in the
    project. No line is shown of a file that

    - has a key with the name of a sensitive variable;
    - has no section of a spec, and is one of several files or a link that leads out of the project;
    - is one of several files, isn't valid YAML, and has other keys than sections.

    `skipped` gets the name of each file that isn't valid YAML and has no section; without it, an error.
    """
    within = None if is_named else root
    parsed: list[tuple[Path, Document | None, list[Diagnostic]]] = []
    for file in files:
        errors: list[Diagnostic] = []
        parsed.append((file, read_document(file, errors, within), errors))
    sensitive = _sensitive_variables([document for _, document, _ in parsed if document])
    documents = []
    for file, document, errors in parsed:
        names = _names(document) if document else _names_in_text(file, within)
        is_secret = not names.isdisjoint(sensitive)
        is_other = names.isdisjoint(sections()) and (len(files) > 1 or leads_out(file, root))
        if document is None and skipped is not None and names and not any(map(is_misspelled_section, names)):
            skipped.append(display(file))
        elif document is None:
            has_more = len(files) > 1 and not names.issubset(sections())
            findings += map(veiled, errors) if is_secret or is_other or has_more else errors
        else:
            documents.append(replace(document, is_veiled=is_secret or (is_other and is_named)))
    return documents


_MAYBE_VARIABLES = "The line isn't shown: this may be a variable file that contains a secret."
_TOP_LEVEL_KEY = re.compile(r"""^["']?([A-Za-z_][A-Za-z0-9_-]*)["']?\s*:""", re.MULTILINE)


def keys_of(text: str) -> set[str]:
    """The top-level keys of a text that may not be valid YAML."""
    return set(_TOP_LEVEL_KEY.findall(text))


def _names_in_text(file: Path, root: Path | None) -> set[str]:
    try:
        return keys_of(content(file, root, limit=yaml_document.MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return set()


def _names(document: Document) -> set[str]:
    """Top-level keys, and names of variables with a value in place of a declaration."""
    assigned = (name.value for name, node in _variables(document) if isinstance(node, ScalarNode))
    return {*_keys(document), *assigned}


def _sensitive_variables(documents: Sequence[Document]) -> set[str]:
    """Variables that are declared as sensitive, or with anything but `sensitive: false`."""
    return {
        name.value
        for document in documents
        for name, node in _variables(document)
        for key, value in _items(node)
        if key.value == "sensitive" and not (isinstance(value, ScalarNode) and value.value == "false")
    }


def _variables(document: Document) -> Iterator[tuple[ScalarNode, Node]]:
    """The entries of the section `variables`."""
    for key, section in _items(document.root):
        if key.value == "variables":
            yield from _items(section)


def _keys(document: Document) -> set[str]:
    return {key.value for key, _ in _items(document.root)}


def _items(node: Node | None) -> Iterator[tuple[ScalarNode, Node]]:
    """The keys and values of a mapping; nothing of any other node."""
    return yaml_document.merged(node) if isinstance(node, MappingNode) else iter(())


def veiled(finding: Diagnostic, detail: str = _MAYBE_VARIABLES) -> Diagnostic:
    """The finding without anything that was quoted from the file."""
    if finding.place is None:
        return finding
    hint = f"If it is, pass it with `--var-file {finding.place.file}`, or move it to another folder."
    hint = hint if detail == _MAYBE_VARIABLES else ""
    return Diagnostic(finding.summary, detail, hint, finding.place.veiled())


def read_document(file: Path, findings: list[Diagnostic], root: Path | None = None) -> Document | None:
    """The parsed file, or None with a finding. With a `root`, the file must be within that project."""
    shown = display(file)
    try:
        with opened(file, root) as stream:
            size = os.fstat(stream.fileno()).st_size
            raw = stream.read(yaml_document.MAX_BYTES + 1)
        return parsed(raw, shown, findings, size)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        hint = exc.hint if isinstance(exc, Refused) else "Check the path and the permissions."
        findings.append(Diagnostic(f"can't read {shown}", f"{reason}.", hint))
    return None


def holds_spec(path: Path) -> bool:
    """Whether the path is a file, or a folder that contains a spec."""
    return bool(_spec_files(path, set(), []))


def has_section(file: Path) -> bool:
    """Whether a file has a section of a spec at its top level."""
    return not _names_in_text(file, None).isdisjoint(sections())


def _spec_files(path: Path, others: set[Path], findings: list[Diagnostic]) -> list[Path]:
    if not path.is_dir() and path.exists():
        return [path]
    if not path.is_dir():
        hint = _meant_path(path) or "Give a spec file, or a folder of *.yaml files."
        findings.append(Diagnostic(f"there is no {display(path)}", "", hint))
        return []
    candidates = sorted(f for f in path.iterdir() if f.suffix in SPEC_SUFFIXES and not f.name.startswith("."))
    files = [f for f in candidates if not f.is_dir() and f.name != CATALOG_FILE and real(f) not in others]
    if not files:
        detail = "A spec is a file, or a folder of *.yaml and *.yml files; subfolders are not read."
        hint = "Give the folder of the spec; `ftops init` writes an example."
        if any(path.glob("*.jsonl")):
            hint = f"To check data, name its files: {display(path)}/*.jsonl."
        findings.append(Diagnostic(f"there is no spec in {display(path)}", detail, hint))
    return files


def _meant_path(path: Path) -> str:
    """A hint about the path of a spec that doesn't exist."""
    kind, _, name = path.name.partition(".")
    if kind in RESOURCE_TYPES and name and path.suffix not in SPEC_SUFFIXES:
        return (
            f"`{path.name}` is an address, not the path of a spec: limit a plan with `--target {path.name}`; "
            f"`ftops state show {path.name}` shows what is recorded."
        )
    if not path.parent.is_dir():
        return ""
    names = (one.name for one in path.parent.iterdir() if one.is_dir() or one.suffix in SPEC_SUFFIXES)
    near = nearest(path.name, (one for one in names if not one.startswith(".")))
    return f"Did you mean `{display(path.with_name(near))}`?" if near else ""


class _Merge(Struct):
    """Merges the sections of all files. The order of files and keys doesn't matter."""

    findings: list[Diagnostic]
    sections: dict[str, dict[str, Entry]] = field(default_factory=dict)
    lists: dict[str, list[Entry]] = field(default_factory=dict)

    def add_veiled(self, document: Document) -> None:
        """Adds a document of which no line is shown."""
        findings, self.findings = self.findings, []
        self.add(document)
        findings += [veiled(finding) for finding in self.findings]
        self.findings = findings

    def add(self, document: Document) -> None:
        root = document.root
        if root is None:
            return
        if not isinstance(root, MappingNode):
            detail = "Its sections declare what should exist: `datasets:`, `jobs:`, `deployments:`, …"
            hint = "Start with the name of a section."
            self._report(document, root, "a spec must be a mapping", detail, hint)
            return
        data = yaml_document.data(document, root, self.findings)
        for key, node in yaml_document.merged(root):
            self._section(document, key, node, data.get(key.value))

    def _section(self, document: Document, key: ScalarNode, node: Node, data: Any) -> None:
        name = key.value
        if name not in sections():
            detail = "The top-level keys of a spec are its sections."
            hint = section_hint(name, [below.value for below, _ in _items(node)], sections())
            place = _without_values(document.place_of(key), key, node)
            self.findings.append(Diagnostic(f"unknown section `{name}`", detail, hint, place))
        elif name in LISTS:
            self._list(document, key, node, data)
        elif isinstance(data, dict) and isinstance(node, MappingNode):
            entries = self.sections.setdefault(name, {})
            for item_key, item in yaml_document.merged(node):
                if item_key.value in data:  # of a section that is set twice, `data` is that of the first
                    entry = Entry(name, item_key.value, document, item_key, item, data[item_key.value])
                    self._entry(entries, entry)
        elif data is not None:
            summary = f"`{name}` must be a mapping"
            detail = "It holds one entry for each name."
            self._report(document, node, summary, detail, "Write `name: {…}` below it.")
        else:
            self.sections.setdefault(name, {})

    def _list(self, document: Document, key: ScalarNode, node: Node, data: Any) -> None:
        if isinstance(node, SequenceNode):
            entries = self.lists.setdefault(key.value, [])
            for index, item in enumerate(node.value):
                entries.append(Entry(key.value, str(index), document, item, item, data[index]))
        elif data is not None:
            self._report(document, node, f"`{key.value}` must be a list", "", "Start each entry with `- `.")

    def _entry(self, entries: dict[str, Entry], entry: Entry) -> None:
        first = entries.get(entry.name)
        if first is None or first.key is entry.key:
            entries[entry.name] = entry
        elif first.document is not entry.document:
            detail = f"It is already declared in {first.place()}, and only one of the two can apply."
            hint = "Remove one of them, or give it another name."
            self._report(entry.document, entry.key, f"`{entry.name}` is declared twice", detail, hint)

    def _report(self, document: Document, node: Node, summary: str, detail: str, hint: str) -> None:
        self.findings.append(Diagnostic(summary, detail, hint, document.place_of(node)))


def _without_values(place: Place, key: ScalarNode, node: Node) -> Place:
    """The place of an unknown key, without the value beside it, which may be a secret."""
    if not place.width:
        return place
    start, end = key.start_mark.column, key.end_mark.column
    is_beside = node.start_mark.line == key.end_mark.line and node.end_mark.column > end + 1
    rest = ": …" if is_beside else place.text[end:]
    return replace(place, text=" " * start + place.text[start:end] + rest)


def entries_of(document: Document, findings: list[Diagnostic]) -> Iterator[Entry]:
    """The entries of a variable file: a mapping of names to values."""
    root = document.root
    if isinstance(root, MappingNode):
        data = yaml_document.data(document, root, findings)
        for key, node in yaml_document.merged(root):
            yield Entry("variables", key.value, document, key, node, data[key.value])
    elif root is not None:
        place = document.place_of(root)
        findings.append(Diagnostic("a variable file must be a mapping", "", "Write `name: value`.", place))
