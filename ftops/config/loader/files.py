"""Spec files: which files of a folder are a spec, and which of their lines are never shown.

Only this module of the loader reads files.
"""

from __future__ import annotations

import os
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace
from yaml.nodes import Node, ScalarNode

from ftops.config.loader.environments import declares
from ftops.config.loader.source import Sections, Source
from ftops.config.loader.unknown_keys import is_misspelled_section
from ftops.config.schema import sections
from ftops.core.confined_files import Refused, content, leads_out, opened, real
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.plurals import agree
from ftops.core.project import CATALOG_FILE, SPEC_SUFFIXES, display, project_root, spec_folder
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.snippets import command
from ftops.core.suggestions import nearest, some
from ftops.yaml import document as yaml_document
from ftops.yaml.document import Document


def read(
    path: Path, variable_files: Sequence[Path], findings: list[Diagnostic], *, outline: bool = False
) -> Source:
    """Reads a spec file or folder, without the variable files in it: those of `variable_files` and, if there
    are any or only an `outline` is wanted, those that look like one. If the folder has a file with the usual
    name of a spec, others without a section are skipped."""
    path = path.absolute()
    files = _spec_files(path, {real(file) for file in variable_files}, findings)
    folder = spec_folder(path)
    spec = Sections()
    skips = any(file.stem == _USUAL_NAME for file in files)
    others: list[str] = []
    assigning: list[str] = []
    documents = _documents(files, project_root(folder), path in files, findings, others if skips else None)
    declared = {name.value for document in documents for name, _ in _variables(document)}
    spec_files = []
    for document in documents:
        keys = document.keys
        if len(files) == 1 or document.root is None or _belongs(document, skips):
            spec_files.append(document.file)
            spec.add(document, findings)
        elif skips:
            (assigning if keys and keys <= declared else others).append(document.file)
        elif not keys or keys - declared:
            hidden: list[Diagnostic] = []
            spec.add(document, hidden)
            findings += map(veiled, hidden)
        elif not (variable_files or outline):
            detail = "All of its keys are names of variables; none is a section of a spec."
            option = command("--var-file", document.file)
            hint = f"Pass it with {option}, or move it out of the folder of the spec."
            summary = f"{document.file} looks like a variable file"
            findings.append(Diagnostic(summary, detail, hint, Place(document.file).veiled()))
    if files and not spec.sections and not any(spec.lists.values()) and not findings:
        detail = "It declares nothing; ftops doesn't take an empty file as a request to delete everything."
        hint = "Declare `datasets`, `jobs` and `deployments`; `ftops init` writes an example."
        findings.append(Diagnostic("the spec is empty", detail, hint, Place(display(files[0]))))
    veiled_files = frozenset(document.file for document in documents if document.is_veiled)
    notes = () if variable_files or outline else tuple(_not_read(others, assigning))
    return Source(folder, tuple(spec_files), veiled_files, spec.sections, spec.lists, notes)


_USUAL_NAME = "ftops"


def _belongs(document: Document, skips: bool) -> bool:
    """Whether a file of a folder is a part of the spec. `skips`: the folder has one with the usual name, and
    files of other tools beside it are skipped."""
    keys = document.keys
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

    `skipped` gets the name of each file that isn't valid YAML and has no section, nor a word that could be
    one; without it, an error.
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
        if document is None and skipped is not None and _is_of_another_tool(file, within):
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


_FIRST_WORD = re.compile(r"""^\W*([A-Za-z_][A-Za-z0-9_-]{2,30})\b""", re.MULTILINE | re.ASCII)


def _names_in_text(file: Path, root: Path | None) -> set[str]:
    try:
        return keys_of(_text(file, root))
    except OSError:
        return set()


def _is_of_another_tool(file: Path, root: Path | None) -> bool:
    """Whether a file that isn't valid YAML is no part of the spec: no key is nearly a section; without keys,
    as in an image or an archive, no line begins with a word that nearly is. Without keys, a file that is too
    large to be read as a whole may be anything."""
    try:
        text = _text(file, root)
        is_whole = file.stat().st_size <= yaml_document.MAX_BYTES
    except OSError:
        return False
    keys = keys_of(text)
    if not (keys or is_whole):
        return False
    words = keys or {*_FIRST_WORD.findall(text.replace("\0", ""))}
    return not any(map(is_misspelled_section, words))


def _text(file: Path, root: Path | None) -> str:
    """The text of a file in any encoding. Raises OSError."""
    raw = content(file, root, limit=yaml_document.MAX_BYTES)
    is_utf16 = raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    return raw.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")


def _names(document: Document) -> set[str]:
    """Top-level keys, and names of variables with a value in place of a declaration."""
    assigned = (name.value for name, node in _variables(document) if isinstance(node, ScalarNode))
    return {*document.keys, *assigned}


def _sensitive_variables(documents: Sequence[Document]) -> set[str]:
    """Variables that are declared as sensitive, or with anything but `sensitive: false`."""
    return {
        name.value
        for document in documents
        for name, node in _variables(document)
        for key, value in yaml_document.items(node)
        if key.value == "sensitive" and not (isinstance(value, ScalarNode) and value.value == "false")
    }


def _variables(document: Document) -> Iterator[tuple[ScalarNode, Node]]:
    """The entries of the section `variables`."""
    for key, section in yaml_document.items(document.root):
        if key.value == "variables":
            yield from yaml_document.items(section)


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
            f"`{path.name}` is an address, not the path of a spec: `plan` takes it with "
            f"`--target {path.name}`; `ftops state show {path.name}` shows what is recorded."
        )
    if not path.parent.is_dir():
        return ""
    if declares(read(path.parent, (), [], outline=True), path.name):
        folder = [] if path.parent == Path.cwd() else [display(path.parent)]
        return f"Did you mean {command(*folder, '--env', path.name)}?"
    names = (one.name for one in path.parent.iterdir() if one.is_dir() or one.suffix in SPEC_SUFFIXES)
    near = nearest(path.name, (one for one in names if not one.startswith(".")))
    return f"Did you mean `{display(path.with_name(near))}`?" if near else ""
