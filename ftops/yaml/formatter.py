"""Formatter: the canonical layout of a spec. Meaning and comments don't change.

Works line by line, with the node tree of the parser. Keys are never reordered, and flow mappings aren't
changed; nor is a file with aliases, tabs or unusual line ends, or one whose meaning would change.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from typing import Any, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ftops.core.errors import SpecError
from ftops.yaml import document as yaml_document

INDENT = 2
_GAP = re.compile(r"[:-] +(?=\S)")
_COMMENT = re.compile(r"\A#(?=[^\s#!])")
_UNUSUAL = re.compile(r"[\r\t\x85\u2028\u2029\ufeff]")
"""Line ends and indents with which lines can't be counted as the parser does."""


def format_text(text: str, file: str) -> str:
    """The text in canonical layout. Raises SpecError if it isn't YAML."""
    document = yaml_document.parse(text, file)
    if document.root is None or _UNUSUAL.search(text) or _has_aliases(document.root):
        return text
    layout = _Layout(text.removesuffix("\n").split("\n"), document.root)
    formatted = "\n".join(_spaced(layout)) + "\n"
    return formatted if _same_meaning(document.root, formatted, file) else text


class _Line(NamedTuple):
    number: int
    text: str
    counts: bool
    """It is inside a value, so that an empty line counts."""


class _Layout:
    """What the node tree says about each line: its indent, and where its keys are."""

    def __init__(self, lines: list[str], root: Node) -> None:
        self.source = lines
        self.depth: dict[int, int] = {}
        """The new indent of lines on which an entry begins."""
        self.shift: dict[int, int] = {}
        """By how many columns the further lines of a value are moved."""
        self.verbatim: set[int] = set()
        """Lines of quoted or block text, in which all spaces count."""
        self.marks: dict[int, list[int]] = {}
        """Columns of colons after keys and of dashes before items, by line."""
        self.open_ends: set[int] = set()
        """Last lines of block texts that include all empty lines after them."""
        is_mapping = isinstance(root, MappingNode) and _is_block(root)
        self.section_lines = {key.start_mark.line for key, _ in root.value} if is_mapping else set()
        self._visit(root, 0)

    def lines(self) -> Iterator[_Line]:
        entries = sorted(self.depth)
        above: dict[int, int] = {}
        for number, line in enumerate(self.source):
            indent = self._indent(number)
            if number in self.depth:
                above = {old: new for old, new in above.items() if old < indent}
                above[indent] = self.depth[number]
                body = self._gaps(number, line).lstrip(" ")
                body = body if number in self.verbatim else body.rstrip(" ")
                yield _Line(number, " " * self.depth[number] + body, False)
            elif number in self.shift:
                yield _Line(number, self._moved(number, line), True)
            else:
                index = bisect(entries, number)
                following = entries[index] if index < len(entries) else None
                yield _Line(number, self._between(line, indent, above, following), False)

    def _moved(self, number: int, line: str) -> str:
        """A further line of a value, moved as a whole."""
        shift = self.shift[number]
        if not line.strip(" "):
            return line if number in self.verbatim else ""
        moved = " " * shift + line if shift >= 0 else line[-shift:]
        return moved if number in self.verbatim else moved.rstrip(" ")

    def _between(self, line: str, indent: int, above: dict[int, int], following: int | None) -> str:
        """A comment gets the indent of the entry after it, or of the entry above that it is aligned with."""
        text = line.strip(" ")
        if not text.startswith("#"):
            return text
        is_next = following is not None and indent <= self._indent(following)
        depth = self.depth[following] if is_next and following is not None else above.get(indent)
        if depth is None:
            depth = 0 if following is None else self.depth[following]
        return " " * depth + _COMMENT.sub("# ", text)

    def _indent(self, number: int) -> int:
        return len(self.source[number]) - len(self.source[number].lstrip(" "))

    def _gaps(self, number: int, line: str) -> str:
        """One space after the colon of a key and the dash of an item."""
        for column in sorted(self.marks.get(number, ()), reverse=True):
            gap = _GAP.match(line, column)
            if gap and not line[gap.end() :].startswith("#"):
                line = f"{line[: column + 1]} {line[gap.end() :]}"
        return line

    def _visit(self, node: Node, depth: int) -> None:
        if not _is_block(node):
            self._visit_inline(node, depth)
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                self.depth.setdefault(key.start_mark.line, depth)
                if isinstance(key, ScalarNode) and key.end_mark.line == value.start_mark.line:
                    self.marks.setdefault(key.start_mark.line, []).append(key.end_mark.column)
                self._visit(value, depth + INDENT)
        else:
            for item in node.value:
                self._visit_item(item, depth)

    def _visit_item(self, item: Node, depth: int) -> None:
        line, column = item.start_mark.line, item.start_mark.column
        before = self.source[line][:column]
        while "-" not in before:
            line -= 1
            before = self.source[line].partition("#")[0]
        self.marks.setdefault(line, []).append(before.rindex("-"))
        self.depth.setdefault(line, depth)
        self._visit(item, depth + INDENT)

    def _visit_inline(self, node: Node, depth: int) -> None:
        """A scalar or flow collection: its further lines move with its first one."""
        first, last = node.start_mark.line, self._last_line(node)
        self.depth.setdefault(first, depth)
        for number in range(first + 1, last + 1):
            self.shift.setdefault(number, self.depth[first] - self._indent(first))
        if isinstance(node, ScalarNode) and node.style:
            self.verbatim.update(range(first, last + 1))

    def _last_line(self, node: Node) -> int:
        """The last line of a value; empty lines after block text belong to it only with `+`."""
        start, end = node.start_mark, node.end_mark
        last = end.line - 1 if end.column == 0 and end.line > start.line else end.line
        if not isinstance(node, ScalarNode) or node.style not in ("|", ">"):
            return last
        if "+" in self.source[start.line][start.column :].partition("#")[0]:
            self.open_ends.add(last)
            return last
        while last > start.line and not self.source[last].strip(" "):
            last -= 1
        return last


def _has_aliases(root: Node) -> bool:
    """Whether a node occurs twice: the tree has only one of its places."""
    seen: set[int] = set()
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            return True
        seen.add(id(node))
        if isinstance(node, MappingNode | SequenceNode):
            pairs = node.value if isinstance(node, MappingNode) else [(item,) for item in node.value]
            nodes += [item for pair in pairs for item in pair]
    return False


def _is_block(node: Node) -> bool:
    return isinstance(node, MappingNode | SequenceNode) and not node.flow_style


def _spaced(layout: _Layout) -> list[str]:
    """The lines with one empty line before each section and its comments, never two, and none at the ends."""
    lines: list[_Line] = []
    comments = end = 0
    for line in layout.lines():
        head = len(lines) - comments
        above = lines[head - 1] if head and line.number in layout.section_lines else None
        if above and above.text and above.number not in layout.open_ends:
            lines.insert(head, _Line(-1, "", False))
        if line.text or line.counts or (lines and lines[-1].text):
            lines.append(line)
        comments = comments + 1 if line.text.startswith("#") and not line.counts else 0
        end = len(lines) if line.text or line.counts else end
    return [line.text for line in lines[:end]]


def _same_meaning(root: Node, formatted: str, file: str) -> bool:
    try:
        again = yaml_document.parse(formatted, file).root
    except SpecError:
        return False
    return again is not None and _shape(root) == _shape(again)


def _shape(node: Node) -> Any:
    """A node without places."""
    if isinstance(node, MappingNode):
        return ("map", node.tag, [(_shape(key), _shape(value)) for key, value in node.value])
    if isinstance(node, SequenceNode):
        return ("list", node.tag, [_shape(item) for item in node.value])
    return ("text", node.tag, node.value, getattr(node, "style", None))
