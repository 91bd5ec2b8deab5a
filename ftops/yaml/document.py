"""YAML documents with places: a parsed file, its errors, and the place of each value.

A plain scalar stays the text that was written (`Plain`) until the type of its field is known. A quoted scalar
is a `str`. Reads no files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NoReturn

import yaml
from msgspec import Struct, field
from msgspec.structs import replace
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ftops.core.confined_files import SPEC_BYTES
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.yaml_lines import lines_of
from ftops.yaml.syntax_errors import explain

MAX_BYTES = SPEC_BYTES
MAX_DEPTH = 64
_FEW = 16
"""Keys of a mapping that are looked through one by one."""
MAX_DIGITS = 3500
"""Digits of an integer, even if it is hexadecimal: Python writes at most 4300 decimal digits."""
MAX_NODES = 1_000_000
"""Nodes of one file with its aliases expanded."""

Path = tuple[str | int, ...]
"""Keys and indices that lead from a node to one below it."""


class Plain(str):
    """A scalar without quotes, as it was written."""

    __slots__ = ()


class Given(Plain):
    """Text from outside the spec: an environment variable or the command line."""

    __slots__ = ()


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def boolean(text: str) -> bool | None:
    """The boolean that YAML 1.2 reads, or None."""
    return _BOOLEANS.get(text)


def integer(text: str) -> int | None:
    """The integer that YAML 1.2 reads, or None."""
    if not _INTEGER.match(text) or len(text) > MAX_DIGITS:
        return None
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def number(text: str) -> int | float | None:
    """The number that YAML 1.2 reads, or None; a spec can't mean infinities or NaN."""
    whole = integer(text)
    if whole is not None or not _FLOAT.match(text):
        return whole
    value = float(text)
    return value if abs(value) != float("inf") else None


def resolve(value: Any) -> Any:
    """Plain scalars, at any depth, as the core schema of YAML 1.2 reads them."""
    if type(value) is Plain:
        return _core(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return {key: resolve(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item) for item in value]
    return value


def _core(text: str) -> bool | int | float | str:
    for value in (boolean(text), number(text)):
        if value is not None:
            return value
    return str(text)


def flow(value: Any) -> str:
    """A value on one line of YAML. Scalars that were written without quotes stay so unless they are text."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return str(value) if type(value) is Plain and type(_core(value)) is not str else _quoted(str(value))


_quoted = json.JSONEncoder(ensure_ascii=False).encode


class Document(Struct, frozen=True, dict=True):
    """One parsed file. `root` is None if the file has no content."""

    file: str
    text: str
    root: Node | None = None
    is_veiled: bool = False
    """Whether its lines are never shown, since any may contain a secret."""
    _indices: dict[int, dict[str, tuple[ScalarNode, Node]]] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """The top-level keys."""
        return {key.value for key, _ in items(self.root)}

    @cached_property
    def lines(self) -> Sequence[str]:
        return lines_of(self.text)

    def place(self, line: int, column: int, width: int = 1) -> Place:
        """A place with its text; line and column count from 0, as YAML's marks do."""
        if self.is_veiled:
            return Place(self.file, line + 1, column + 1).veiled()
        text = self.lines[line] if line < len(self.lines) else ""
        column = min(column, len(text))
        return Place(self.file, line + 1, column + 1, text, max(1, min(width, len(text) - column)))

    def place_of(self, node: Node) -> Place:
        """The place of a node, up to the end of its first line."""
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        stop = end.column if start.line == end.line else len(line.rstrip())
        return self.place(start.line, start.column, stop - start.column)

    def find(self, key: Node, node: Node, path: Path) -> tuple[Node, Node | None]:
        """The key and value nodes at `path`, from a node with this key.

        If the path doesn't exist, the value is None, and the key is the last one that exists.
        """
        for part in path:
            if isinstance(node, MappingNode) and isinstance(part, str):
                entry = self._entry(node, part)
                if entry is None:
                    return key, None
                key, node = entry
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                key = node = node.value[part]
            else:
                return key, None
        return key, node

    def _entry(self, node: MappingNode, part: str) -> tuple[ScalarNode, Node] | None:
        """An index pays only for many keys."""
        if len(node.value) <= _FEW:
            for key, value in reversed(node.value):
                if key.value == part and isinstance(key, ScalarNode) and part != "<<":
                    return key, value
        return self._index(node).get(part)

    def _index(self, node: MappingNode) -> dict[str, tuple[ScalarNode, Node]]:
        index = self._indices.get(id(node))
        if index is None:
            index = self._indices[id(node)] = {k.value: (k, v) for k, v in items(node)}
        return index


def decode(content: bytes, file: str, size: int = 0) -> str:
    """The text of a file of this size. Raises SpecError if it isn't UTF-8 or is too large."""
    if max(size, len(content)) > MAX_BYTES:
        detail = f"It has {size // 1024**2} MB; the limit is {MAX_BYTES // 1024**2} MB."
        hint = "Keep data in separate files, and name them with `path`."
        raise SpecError([Diagnostic("the file is too large for a spec", detail, hint, Place(file))])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8-sig")
        line = before.count("\n")
        column = len(before) - before.rfind("\n") - 1
        place = Place(file, line + 1, column + 1, content.split(b"\n")[line].decode("utf-8", "replace"))
        detail = f"The byte 0x{content[exc.start]:02x} at offset {exc.start} belongs to another encoding."
        diagnostic = Diagnostic("the file is not UTF-8 text", detail, "Save the file as UTF-8.", place)
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            diagnostic = replace(diagnostic, detail="It begins like UTF-16.", place=Place(file))
        raise SpecError([diagnostic]) from None


def parse(text: str, file: str) -> Document:
    """The one document of a text. Raises SpecError if it can't be read."""
    document = Document(file, text)
    try:
        root = _Composer(text).get_single_node()
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        if _TOO_DEEP not in str(exc) or mark is None:
            raise SpecError([explain(exc, text, document.place)]) from None
        detail = f"Values may be nested {MAX_DEPTH} deep. Deeper nesting is a mistake or an attack."
        place = document.place(mark.line, mark.column)
        raise SpecError(
            [Diagnostic("values are nested too deeply", detail, "Flatten them.", place)]
        ) from None
    if root is not None and "*" in text:
        _refuse_explosion(document, root)
    return Document(file, text, root)


def data(document: Document, node: Node, findings: list[Diagnostic]) -> Any:
    """A node as plain data: dict, list, str, Plain, or None for null. Adds to the findings."""
    return _Reader(document, findings).read(node)


def items(node: Node | None) -> Iterator[tuple[ScalarNode, Node]]:
    """The entries of a mapping; nothing of any other node. Those of `<<` come first, so that the own ones of
    the mapping override them."""
    if not isinstance(node, MappingNode):
        return
    for key, value in node.value:
        if key.value == "<<" and not key.style and isinstance(key, ScalarNode):
            sources = value.value if isinstance(value, SequenceNode) else [value]
            for source in reversed(sources):
                yield from items(source)
    for key, value in node.value:
        if isinstance(key, ScalarNode) and (key.value != "<<" or key.style):
            yield key, value


class _Reader:
    """Turns nodes into data, and reports what YAML allows but a spec doesn't."""

    def __init__(self, document: Document, findings: list[Diagnostic]) -> None:
        self.document = document
        self.findings = findings
        self._firsts: dict[int, dict[str, ScalarNode]] = {}
        """For mappings with duplicate keys: the first key of each name."""
        self._told: set[int] = set()
        """Keys without a value below which others are probably meant to be, and which a finding names."""

    def read(self, node: Node) -> Any:
        if node.tag is not None:
            self._report(node, *_TAG)
        if type(node) is ScalarNode:
            if node.style:
                return node.value
            if self._has_invisible and (found := _INVISIBLE.search(node.value)):
                self._report_invisible(node, found)
            if len(node.value) > MAX_DIGITS and (_INTEGER.match(node.value) or _FLOAT.match(node.value)):
                self._report(node, *_DIGITS)
            return None if node.value in _NULLS else Plain(node.value)
        if type(node) is MappingNode:
            return self._mapping(node)
        return [self.read(item) for item in node.value]

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            if type(key) is not ScalarNode:
                text = self.document.place_of(node).text[node.start_mark.column :]
                self._report(key, *(_braces(text) if text.startswith("{{") else _KEY))
            elif key.value == "<<" and not key.style:
                return self._with_merges(node)
            elif key.value in result:
                self._report_duplicate(node, key)
            else:
                if "${" in key.value:
                    self._report(key, *_KEY_EXPRESSION)
                result[key.value] = self.read(value)
        return result

    def _with_merges(self, node: MappingNode) -> dict[str, Any]:
        merges = [value for key, value in node.value if key.value == "<<" and not key.style]
        own = [pair for pair in node.value if pair[0].value != "<<" or pair[0].style]
        result = self._mapping(MappingNode("", own, node.start_mark, node.end_mark))
        sources = [s for m in merges for s in (m.value if isinstance(m, SequenceNode) else [m])]
        base: dict[str, Any] = {}
        for source in reversed(sources):
            if isinstance(source, MappingNode):
                base |= _Reader(self.document, []).read(source)
            else:
                self._report(source, *_MERGE)
        return base | result

    def _report_duplicate(self, node: MappingNode, key: ScalarNode) -> None:
        if id(node) not in self._firsts:
            self._firsts[id(node)] = {k.value: k for k, _ in reversed(node.value) if type(k) is ScalarNode}
        first = self._firsts[id(node)][key.value]
        line = self.document.place_of(first).line
        detail = f"It is already set in line {line}, and only one of the two can apply."
        keys = [k for k, _ in node.value]
        between = node.value[keys.index(first) : keys.index(key)]
        alone = next((k for k, v in between if type(v) is ScalarNode and not v.value and not v.style), None)
        hint = "Remove one of them."
        if alone is not None:
            if id(alone) in self._told:
                return
            self._told.add(id(alone))
            above = f"`{alone.value}:` in line {alone.start_mark.line + 1} has no value"
            hint = f"Remove one of them; or correct the indentation: {above}."
        self._report(key, f"`{key.value}` is set twice", detail, hint)

    def _report_invisible(self, node: Node, found: re.Match[str]) -> None:
        mark = node.start_mark
        place = self.document.place(mark.line, mark.column + found.start())
        detail = f"It is U+{ord(found[0]):04X}, which nobody sees, but which is a part of the text."
        self.findings.append(Diagnostic("there is an invisible character", detail, "Remove it.", place))

    @cached_property
    def _has_invisible(self) -> bool:
        return _INVISIBLE.search(self.document.text) is not None

    def _report(self, node: Node, summary: str, detail: str, hint: str) -> None:
        self.findings.append(Diagnostic(summary, detail, hint, self.document.place_of(node)))


_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff]|^[\u00a0\u2007\u202f]|[\u00a0\u2007\u202f](?=$|\n)")
"""Characters that nobody writes on purpose in text without quotes: without width, or spaces at an end."""
_TAG = (
    "YAML tags aren't supported",
    "A spec is plain data: the type of a value is that of its field, and nothing in a spec "
    "creates objects or runs code.",
    "Remove the tag; put the value in quotes if it must be text.",
)
_DIGITS = (
    "the number is too long",
    f"Numbers have at most {MAX_DIGITS:,} characters.",
    "Put it in quotes if it is text.",
)
_KEY = ("a key must be text", "Keys of a spec are names.", "Write a single name before the colon.")
_BRACES = (
    "`{{…}}` isn't an expression",
    "YAML reads the braces as a mapping in a mapping; an expression of a spec is `${…}`.",
    "Write `${…}`, or put text that starts with a brace in quotes.",
)


def _braces(text: str) -> tuple[str, str, str]:
    """The error about a value that starts with two braces."""
    field = re.match(r"\{\{\s*(?:item|sample)\.[^{}]*\}\}", text)
    if not field:
        return _BRACES
    detail = "YAML reads the braces as a mapping in a mapping."
    return "a template must be in quotes", detail, f'Write "{field[0]}".'


_KEY_EXPRESSION = (
    "expressions aren't allowed in keys",
    "Names and keys are fixed: the state identifies resources by them.",
    "Write the name in full; to declare several similar resources, use `for_each`.",
)
_MERGE = (
    "`<<` needs a mapping",
    "`<<: *name` copies the keys of another mapping into this one.",
    "Give the anchor of a mapping, or a list of such anchors.",
)


_TOO_DEEP = "maximum nesting depth"
"""The message of libyaml since 0.2.6, which has a limit of its own."""


class _NoTypes:
    """A resolver that gives no scalar a type, and stops if values are nested too deeply."""

    depth = 0

    def resolve(self, _kind: object, _value: object, _implicit: object) -> None:
        return None

    def descend_resolver(self, parent: Node | None, _index: object) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH and parent is not None:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=parent.start_mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1


if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _Composer(_NoTypes, CParser):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)

else:
    from yaml.composer import Composer
    from yaml.parser import Parser
    from yaml.reader import Reader
    from yaml.scanner import Scanner

    class _Composer(_NoTypes, Reader, Scanner, Parser, Composer):  # type: ignore[no-redef]
        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)


def _refuse_explosion(document: Document, root: Node) -> None:
    """Raises SpecError if there are too many nodes with aliases expanded. Each node is visited once."""
    sizes: dict[int, int | None] = {}

    def size(node: Node) -> int:
        if not isinstance(node, MappingNode | SequenceNode):
            return 1
        known = sizes.get(id(node), 0)
        if known is None:
            refuse(node, "an anchor contains itself", "Expanding it would never end.")
        if known:
            return known
        sizes[id(node)] = None
        pairs = node.value if isinstance(node, MappingNode) else [(item,) for item in node.value]
        total = 1 + sum(size(item) for pair in pairs for item in pair)
        if total > MAX_NODES:
            detail = f"Expanded, they are more than {MAX_NODES:,} values."
            refuse(node, "the aliases of this file expand to too many values", detail)
        sizes[id(node)] = total
        return total

    def refuse(node: Node, summary: str, detail: str) -> NoReturn:
        hint = "Write the values in full, without the alias."
        raise SpecError([Diagnostic(summary, detail, hint, document.place_of(node))])

    size(root)
