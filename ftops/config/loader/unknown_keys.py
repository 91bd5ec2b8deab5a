"""Unknown keys: the key that is meant, or where in the spec a key belongs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from ftops.config.schema import resource_block, sections
from ftops.config.schema.block import Block, Fault, OrName
from ftops.config.schema.resources import COMMON_KEYS, ResourceBlock
from ftops.config.schema.settings import Settings
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean, nearest


class Meant(NamedTuple):
    """What an unknown key stands for. `key`: the key of the same block that it is or belongs below."""

    hint: str
    key: str | None = None


def meaning_of(fault: Fault, root: type[Block]) -> Meant:
    """What the unknown key of a fault stands for. `root`: the block of the entry that it is in."""
    key, owner = str(fault.keys[-1]), fault.owner or root
    keys = [field.key for field in owner.fields.values()]
    if key in owner.elsewhere:
        return Meant(f"Did you mean `{owner.elsewhere[key]}`?", owner.elsewhere[key])
    for name, block in _blocks(owner):
        right = key if key in _keys(block) else block.elsewhere.get(key)
        if right:
            return Meant(f"It belongs in `{name}`: `{name}: {{{right}: …}}`.", name)
    hint = _above(fault, key, root) or (_kinds_with(key) if issubclass(owner, ResourceBlock) else "")
    if hint:
        return Meant(hint)
    listed = did_you_mean(key, keys, nothing="It takes no keys.", limit=24)
    return Meant(listed, nearest(key, keys))


def is_misspelled_section(name: str) -> bool:
    """Whether a top-level key is so near to a section that the file is probably a part of the spec."""
    from difflib import get_close_matches  # only imported for an unknown key

    known = set(sections()) - {"states"}  # `stages` are those of DVC, GitLab and others
    return bool(get_close_matches(name.lower(), known, n=1, cutoff=_PROBABLY))


_PROBABLY = 0.75


def section_hint(name: str, known: Collection[str]) -> str:
    """What an unknown section stands for."""
    if name in _keys(Settings):
        return f"It belongs under `ftops`: `ftops: {{{name}: …}}`."
    return (
        did_you_mean(name, known) if nearest(name, known) else _kinds_with(name) or did_you_mean(name, known)
    )


def _above(fault: Fault, key: str, root: type[Block]) -> str:
    """A hint, if a block around this one has the key."""
    block, around = root, []
    for name in fault.keys[:-1]:
        around.append((block, name))
        inner = dict(_blocks(block)).get(str(name))
        if inner is None:
            return ""
        block = inner
    found = next((str(name) for outer, name in reversed(around) if key in _keys(outer)), "")
    return f"It belongs beside `{found}`, not in it." if found else ""


def _kinds_with(key: str) -> str:
    """A hint, if resources of some kind have the key."""
    kinds = [
        row.noun for row in RESOURCE_TYPES.values() if key in _keys(resource_block(row.kind)) - COMMON_KEYS
    ]
    return f"It is a key of {' and of '.join(kinds)}." if kinds else ""


def _keys(block: type[Block]) -> set[str]:
    return {field.key for field in block.fields.values()}


def _blocks(owner: type[Block]) -> Iterator[tuple[str, type[Block]]]:
    """The blocks directly within this one, by key."""
    for field in owner.fields.values():
        inner: Any = field.type.block if isinstance(field.type, OrName) else field.type
        if isinstance(inner, type) and issubclass(inner, Block):
            yield field.key, inner
