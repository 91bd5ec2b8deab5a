"""Plain conversations: messages that have only a role and a text, parsed straight into structs.

Most data has no others. What is parsed here may still have duplicate keys, or roles in a wrong order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, MsgspecError, Struct

_NEWLINE, _RETURN, _OPENING, _CLOSING = b"\n\r{}"


class PlainMessage(Struct, forbid_unknown_fields=True, gc=False):
    """Its fields, and those of PlainExample, are in alphabetical order, so that encoding it again gives
    canonical JSON."""

    content: Annotated[str, Meta(min_length=1)]
    role: Literal["system", "developer", "user", "assistant"]


class PlainExample(Struct, forbid_unknown_fields=True, gc=False):
    messages: Annotated[list[PlainMessage], Meta(min_length=1)]


class PlainBlock(NamedTuple):
    """Some lines, each with a plain conversation."""

    roles: Sequence[tuple[str, ...]]
    """The roles of each conversation; likewise its texts."""
    texts: Sequence[Sequence[str]]
    canonical: Sequence[bytes]
    """Each example as canonical JSON."""
    sizes: Sequence[int]
    """The size of each line without its line end."""


_decode = msgspec.json.Decoder(PlainExample).decode_lines
_encode = msgspec.json.Encoder().encode


def decode(block: bytes, *, vectorised: bool) -> PlainBlock | None:
    """Parses some whole lines; None if a line isn't a plain conversation. `vectorised`: with numpy."""
    try:
        examples = _decode(block)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    sizes = (_sizes_by_numpy if vectorised else _sizes)(block)
    if not sizes or len(sizes) != len(examples):
        return None
    return PlainBlock(
        [tuple([m.role for m in example.messages]) for example in examples],
        [[m.content for m in example.messages] for example in examples],
        [*map(_encode, examples)],
        sizes,
    )


def _sizes(block: bytes) -> Sequence[int]:
    """The sizes of lines; none if an object may be on several lines, or several on one. Within JSON, there is
    always a comma between `}` and `{`, so a line end between them is one between two lines."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    is_apart = all(line.startswith(b"{") for line in lines[1:]) and all(
        line.rstrip(b"\r").endswith(b"}") for line in lines[:-1]
    )
    return [*map(len, lines)] if is_apart else ()


def _sizes_by_numpy(block: bytes) -> Sequence[int]:
    """As `_sizes`, but faster."""
    import numpy

    text = numpy.frombuffer(block, dtype=numpy.uint8)
    ends = numpy.flatnonzero(text == _NEWLINE)
    between = ends[:-1] if block.endswith(b"\n") else ends
    last = text[between - 1]
    last = numpy.where(last == _RETURN, text[between - 2], last)
    if not ((last == _CLOSING).all() and (text[between + 1] == _OPENING).all()):
        return ()
    if len(between) == len(ends):
        ends = numpy.append(ends, len(block))
    return (numpy.diff(ends, prepend=-1) - 1).tolist()  # type: ignore[no-any-return]
