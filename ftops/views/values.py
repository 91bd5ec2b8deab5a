"""Values as text: short, on one line, including unknown values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from ftops.config.outputs import names_secret
from ftops.config.sweeps import is_best
from ftops.core.address import EXPRESSIONS, Reference, Value, stands_for_secret
from ftops.core.plurals import plural
from ftops.planning.plan import AttributeChange
from ftops.views.paint import Painter, clean

WIDTH = 100
"""Longer values are cut."""
_DIGEST = re.compile(r"(sha256:)?([0-9a-f]{8})[0-9a-f]{56}\Z")
SENSITIVE = "(sensitive)"
_BY_CONTENT: Mapping[str, str] = {"fingerprint:": "model", "sha256:": "examples"}
"""What the digests of inputs stand for that come from other resources."""
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def show(value: Value, width: int = WIDTH) -> str:
    """A value on one line, cut if it is long."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return SENSITIVE if stands_for_secret(value) else _text(value, width)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Reference):
        address = value.address._replace(key=None) if is_best(value) else value.address
        return clean(f"(known after apply: {address}.{value.attribute})")
    if names_secret(value):
        return SENSITIVE
    if isinstance(value, EXPRESSIONS):
        return clean(f"(known after apply: {value})")
    text = _compact(value, width)
    return text if len(text) <= width else f"{text[: width - 1]}…"


def difference_line(paint: Painter, name: str, before: Value, after: Value, between: str = ": ") -> str:
    """`~ seed: 1 → 2`; with `+` or `-` for a value that was added or removed."""
    if before is None:
        return f"{paint('+', 'create')} {paint(name)}{between}{show(after)}"
    if after is None:
        return f"{paint('-', 'delete')} {paint(name)}{between}{show(before)}"
    old, new = show(before), show(after)
    if old == new and isinstance(before, EXPRESSIONS) and isinstance(after, EXPRESSIONS) and before != after:
        old, new = clean(str(before)), clean(str(after))
    if old == new:
        new = f"{new} (another one)"
    return f"{paint('~', 'update')} {paint(name)}{between}{old} {paint('→', 'update')} {new}"


def attribute_line(attribute: AttributeChange, paint: Painter) -> str:
    """`~ seed: 1 → 2  # forces replacement`."""
    if what := _compared_by_content(attribute.after, attribute.note):
        old = show(attribute.before)
        if _compared_by_content(attribute.before, attribute.note):
            old = f"{'other' if what.endswith('s') else 'another'} {what}"
        new = paint(f"the {what} of {attribute.note}")
        line = f"{paint('~', 'update')} {paint(attribute.path)}: {old} {paint('→', 'update')} {new}"
    else:
        line = difference_line(paint, attribute.path, attribute.before, attribute.after, ": ")
        if attribute.note and not isinstance(attribute.after, Reference):
            line += paint(f"  ({attribute.note})", "dim")
    if attribute.forces_replacement:
        line += f"  {paint('# forces replacement', 'replace')}"
    return line


def _compared_by_content(value: Value, source: str) -> str:
    """What a digest stands for that comes from another resource; empty for other values."""
    if not (isinstance(value, str) and source):
        return ""
    return next((what for prefix, what in _BY_CONTENT.items() if value.startswith(prefix)), "")


def leaves(tree: Mapping[str, Value], prefix: str = "") -> list[tuple[str, Value]]:
    """Leaves by dotted path; absent values (null, empty) are left out."""
    found: list[tuple[str, Value]] = []
    for key, value in tree.items():
        if isinstance(value, dict):
            found += leaves(value, f"{prefix}{key}.")
        elif value is not None and value != []:
            found.append((prefix + key, value))
    return found


def as_meant(inputs: Mapping[str, Value], identities: Mapping[str, str]) -> Mapping[str, Value]:
    """Inputs with the digest by which a dataset is compared: that of its examples."""
    content = identities.get("content")
    return {**inputs, "content": content} if content and "content" in inputs else inputs


def size(count: float) -> str:
    """`512 bytes`, `3.3 KB`."""
    if count < 1000:
        return f"{count:.0f} bytes"
    unit, word = next(((u, w) for u, w in ((1e3, "KB"), (1e6, "MB")) if count < 1000 * u), (1e9, "GB"))
    return f"{count / unit:.1f} {word}"


def duration(seconds: float) -> str:
    """`0.3s`, `12s`, `3m05s`, `2h04m`."""
    if seconds < 1:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def range_left(least: float, most: float) -> str:
    """`5m–7m left`, `~5m left`."""
    low, high = (duration(end) if end < 60 else duration(60 * round(end / 60)) for end in (least, most))
    low, high = (text[: -len("00s")] if text.endswith("m00s") else text for text in (low, high))
    if most < 1:
        return "any moment"
    if low == high:
        return f"~{low} left"
    return f"{low}–{high} left" if least >= 1 else f"up to {high} left"


def short_id(remote_id: str) -> str:
    """The id of an object; of a path (as Azure's control plane has) only its end."""
    *_, kind, name = ("", "", *remote_id.split("/"))
    return f"…/{kind}/{name}" if remote_id.count("/") > 2 else remote_id


def change_of(count: int, word: str) -> str:
    """`+41,020 tokens`, `−1 token`."""
    return f"{'−' if count < 0 else '+'}{plural(abs(count), word)}"


@lru_cache(maxsize=1024)
def _text(text: str, width: int) -> str:
    digest = _DIGEST.match(text) if len(text) >= 64 else None
    if digest:
        return f"{digest[1] or ''}{digest[2]}…"
    if len(text) <= width:
        return clean(_quoted(text))
    return clean(_quoted(text[:width])) + f"… ({len(text):,} characters)"


def _compact(value: Value, width: int) -> str:
    """Lists and mappings in one line, as YAML's flow style writes them."""
    if isinstance(value, dict):
        items = (f"{clean(str(k))}: {_compact(v, width)}" for k, v in sorted(value.items()))
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list):
        shown = [_compact(v, width) for v in value[:width]]
        return "[" + ", ".join(shown) + "]"
    return show(value, width)
