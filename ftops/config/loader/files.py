"""The files of a spec, read, parsed and merged into sections. Nothing else of the loader reads files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ftops.config.schema import REFACTORINGS, sections
from ftops.core.confined_files import Refused, content, leads_out, opened, real
from ftops.core.errors import Diagnostic, Place
from ftops.core.project import CATALOG_FILE, display, project_root, spec_folder
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean
from ftops.yaml import document as yaml_document
from ftops.yaml.document import Document

Keys = yaml_document.Path
SUFFIXES = (".yaml", ".yml")


class Entry(Struct, frozen=True):
    """One named thing of a section: its data, and where it stands."""

    section: str
    name: str
    document: Document
    key: Node
    node: Node
    data: Any

    def mark(self, path: Keys = ()) -> Place:
        """Where a value stands, without the text of the line: cheap."""
        key, node = self.document.find(self.key, self.node, path) if path else (self.key, self.key)
        mark = (node or key).start_mark
        place = Place(self.document.file, mark.line + 1, mark.column + 1)
        return place.veiled() if self.document.is_veiled else place

    def place(self, path: Keys = (), *, key: bool = False) -> Place:
        """The place of a value below this entry, or of its key; as near as there is one."""
        last, node = self.document.find(self.key, self.node, path)
        if key or node is None or not path or (isinstance(node, ScalarNode) and not node.value):
            return self.document.place_of(last)
        return self.document.place_of(node)

    def value_place(self) -> Place:
        """The place of the entry's own value."""
        empty = isinstance(self.node, ScalarNode) and not self.node.value
        return self.document.place_of(self.key if empty else self.node)

    def place_in(self, path: Keys, pattern: str) -> Place:
        """The place of what a regular expression finds inside a value; else that of the value."""
        node = self.document.find(self.key, self.node, path)[1]
        if node is None:
            return self.place(path)
        start, end = node.start_mark, node.end_mark
        for line in range(start.line, end.line + 1):
            text = self.document.place(line, 0).text
            found = re.compile(pattern).search(text, start.column if line == start.line else 0)
            if found:
                return self.document.place(line, found.start(), found.end() - found.start())
        return self.place(path)


class Source(Struct, frozen=True):
    """A spec as written, whole: every section's entries by name, from all files."""

    folder: Path
    files: tuple[str, ...]
    veiled: frozenset[str]
    """Those of which no line is shown."""
    sections: Mapping[str, Mapping[str, Entry]]
    refactorings: Sequence[Entry]

    def __getitem__(self, section: str) -> Mapping[str, Entry]:
        return self.sections.get(section, {})


def read(
    path: Path, variable_files: Sequence[Path], findings: list[Diagnostic], *, outline: bool = False
) -> Source:
    """Reads a spec file or folder. Files of variables in the folder are left out: `variable_files`, which are
    given as such, and where there are some, or only an `outline` is wanted, those that look like it."""
    path = path.absolute()
    files = _spec_files(path, {real(file) for file in variable_files}, findings)
    folder = spec_folder(path)
    merge = _Merge(findings)
    documents = _documents(files, project_root(folder), path in files, findings)
    others = _without_sections(documents) if len(files) > 1 else set()
    declared = _declared_variables(documents)
    for document in documents:
        keys = _keys(document)
        if document.file not in others:
            merge.add(document)
        elif not keys or keys - declared:
            merge.add_veiled(document)
        elif not (variable_files or outline):
            findings.append(_file_of_variables(document))
    if files and not merge.sections and not merge.refactorings and not findings:
        detail = "It declares nothing; ftops doesn't take an empty file as a request to delete everything."
        hint = "Declare `datasets`, `jobs` and `deployments`; `ftops init` writes an example."
        findings.append(Diagnostic("the spec is empty", detail, hint, Place(display(files[0]))))
    return Source(
        folder,
        tuple(d.file for d in documents if d.file not in others),
        frozenset(d.file for d in documents if d.is_veiled),
        merge.sections,
        merge.refactorings,
    )


def _documents(
    files: Sequence[Path], root: Path, is_named: bool, findings: list[Diagnostic]
) -> list[Document]:
    """The parsed files. A file that the command line names may be anywhere; one of a folder is within the
    project. No line is shown of a file that holds the name of a sensitive variable, nor of one without a
    section of a spec that lies beside others or that a link out of the project leads to, nor of one beside
    others that is no YAML and holds more than sections."""
    read: list[tuple[Path, Document | None, list[Diagnostic]]] = []
    for file in files:
        said: list[Diagnostic] = []
        read.append((file, read_document(file, said, None if is_named else root), said))
    sensitive = _sensitive_variables([document for _, document, _ in read if document])
    found = []
    for file, document, said in read:
        names = _names(document) if document else _names_in_text(file, None if is_named else root)
        is_secret = not names.isdisjoint(sensitive)
        is_other = names.isdisjoint(sections()) and (len(files) > 1 or leads_out(file, root))
        if document is None:
            holds_more = len(files) > 1 and not names.issubset(sections())
            findings += map(veiled, said) if is_secret or is_other or holds_more else said
        else:
            found.append(replace(document, is_veiled=is_secret or (is_other and is_named)))
    return found


_MAYBE_VARIABLES = "The line isn't shown: this may be a variable file that contains a secret."
_TOP_LEVEL_KEY = re.compile(r"""^["']?([A-Za-z_][A-Za-z0-9_-]*)["']?\s*:""", re.MULTILINE)


def keys_of(text: str) -> set[str]:
    """Keys of the top level, of a text that may be no YAML."""
    return set(_TOP_LEVEL_KEY.findall(text))


def _names_in_text(file: Path, root: Path | None) -> set[str]:
    try:
        return keys_of(content(file, root, limit=yaml_document.MAX_BYTES).decode("utf-8", "replace"))
    except OSError:
        return set()


def _names(document: Document) -> set[str]:
    """Keys of the top level, and names of variables that are given a value as if they were there."""
    given = (name.value for name, node in _variables(document) if isinstance(node, ScalarNode))
    return {*_keys(document), *given}


def _sensitive_variables(documents: Sequence[Document]) -> set[str]:
    """Those that are declared to be, or not clearly declared not to be."""
    return {
        name.value
        for document in documents
        for name, node in _variables(document)
        if isinstance(node, MappingNode)
        for key, value in yaml_document.merged(node)
        if key.value == "sensitive" and not (isinstance(value, ScalarNode) and value.value == "false")
    }


def _variables(document: Document) -> Iterator[tuple[ScalarNode, Node]]:
    """Names and what stands beside them, in the section of variables."""
    root = document.root
    for key, section in yaml_document.merged(root) if isinstance(root, MappingNode) else ():
        if key.value == "variables" and isinstance(section, MappingNode):
            yield from yaml_document.merged(section)


def veiled(finding: Diagnostic, detail: str = _MAYBE_VARIABLES) -> Diagnostic:
    """Without anything that was taken from the line."""
    if finding.place is None:
        return finding
    hint = f"If it is, pass it with `--var-file {finding.place.file}`, or move it to another folder."
    return Diagnostic(
        finding.summary, detail, hint if detail == _MAYBE_VARIABLES else "", finding.place.veiled()
    )


def _keys(document: Document) -> set[str]:
    """Keys of the top level."""
    root = document.root
    return {key.value for key, _ in yaml_document.merged(root)} if isinstance(root, MappingNode) else set()


def _without_sections(documents: Sequence[Document]) -> set[str]:
    """The files that hold something, but no section of a spec."""
    return {d.file for d in documents if d.root is not None and _keys(d).isdisjoint(sections())}


def _declared_variables(documents: Sequence[Document]) -> set[str]:
    return {name.value for document in documents for name, _ in _variables(document)}


def _file_of_variables(document: Document) -> Diagnostic:
    return Diagnostic(
        f"{document.file} looks like a variable file",
        "All of its keys are names of variables; none is a section of a spec.",
        f"Pass it with {command('--var-file', document.file)}, or move it out of the folder of the spec.",
        Place(document.file).veiled(),
    )


def read_document(file: Path, findings: list[Diagnostic], root: Path | None = None) -> Document | None:
    """One parsed file, or None with a finding. With a `root` it has to be within that project."""
    shown = display(file)
    try:
        with opened(file, root) as stream:
            size = os.fstat(stream.fileno()).st_size
            text = yaml_document.decode(stream.read(yaml_document.MAX_BYTES + 1), shown, size)
        return yaml_document.parse(text, shown)
    except Refused as exc:
        findings.append(Diagnostic(f"can't read {shown}", f"{exc.strerror}.", exc.hint))
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        findings.append(
            Diagnostic(f"can't read {shown}", f"{reason}.", "Check the path and the permissions.")
        )
    except yaml_document.Invalid as exc:
        findings.append(exc.diagnostic)
    return None


def holds_spec(path: Path) -> bool:
    """Whether there is a spec at a path: a file, or a folder with one in it."""
    return bool(_spec_files(path, set(), []))


def _spec_files(path: Path, others: set[Path], findings: list[Diagnostic]) -> list[Path]:
    if not path.is_dir() and path.exists():
        return [path]
    if not path.is_dir():
        hint = "Give a spec file, or a folder of *.yaml files."
        findings.append(Diagnostic(f"there is no {display(path)}", "", hint))
        return []
    found = sorted(f for f in path.iterdir() if f.suffix in SUFFIXES and not f.name.startswith("."))
    files = [f for f in found if not f.is_dir() and f.name != CATALOG_FILE and real(f) not in others]
    if not files:
        detail = "A spec is a file, or a folder of *.yaml and *.yml files; subfolders are not read."
        hint = "Give the folder of the spec; `ftops init` writes an example."
        findings.append(Diagnostic(f"there is no spec in {display(path)}", detail, hint))
    return files


class _Merge:
    """Sections of several files become one: the order of files and keys is of no meaning."""

    def __init__(self, findings: list[Diagnostic]) -> None:
        self.findings = findings
        self.sections: dict[str, dict[str, Entry]] = {}
        self.refactorings: list[Entry] = []

    def add_veiled(self, document: Document) -> None:
        """One whose lines are shown nowhere."""
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
            self._report(
                document, root, "a spec must be a mapping", detail, "Start with the name of a section."
            )
            return
        data = yaml_document.data(document, root, self.findings)
        for key, node in yaml_document.merged(root):
            self._section(document, key, node, data.get(key.value))

    def _section(self, document: Document, key: ScalarNode, node: Node, data: Any) -> None:
        name = key.value
        if name not in sections():
            detail = "The top-level keys of a spec are its sections."
            hint = did_you_mean(name, sections())
            place = _without_values(document.place_of(key), key, node)
            self.findings.append(Diagnostic(f"unknown section `{name}`", detail, hint, place))
        elif name in REFACTORINGS:
            self._list(document, key, node, data)
        elif isinstance(data, dict) and isinstance(node, MappingNode):
            entries = self.sections.setdefault(name, {})
            for item_key, item in yaml_document.merged(node):
                if item_key.value in data:  # a section that stands twice has the data of the first
                    found = data[item_key.value]
                    self._entry(entries, Entry(name, item_key.value, document, item_key, item, found))
        elif data is not None:
            summary = f"`{name}` must be a mapping"
            self._report(
                document, node, summary, "It holds one entry for each name.", "Write `name: {…}` below it."
            )
        else:
            self.sections.setdefault(name, {})

    def _list(self, document: Document, key: ScalarNode, node: Node, data: Any) -> None:
        if isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                self.refactorings.append(Entry(key.value, str(index), document, item, item, data[index]))
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
    """The place of a key that means nothing here: a value beside it may be a secret."""
    if not place.width:
        return place
    start, end = key.start_mark.column, key.end_mark.column
    is_beside = node.start_mark.line == key.end_mark.line and node.end_mark.column > end + 1
    rest = ": …" if is_beside else place.text[end:]
    return replace(place, text=" " * start + place.text[start:end] + rest)


def entries_of(document: Document, findings: list[Diagnostic]) -> Iterator[Entry]:
    """The entries of a file of variables: one mapping, names to values."""
    root = document.root
    if isinstance(root, MappingNode):
        data = yaml_document.data(document, root, findings)
        for key, node in yaml_document.merged(root):
            yield Entry("variables", key.value, document, key, node, data[key.value])
    elif root is not None:
        place = document.place_of(root)
        findings.append(Diagnostic("a variable file must be a mapping", "", "Write `name: value`.", place))
