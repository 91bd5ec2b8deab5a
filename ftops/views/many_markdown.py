"""Several plans as one Markdown document, with a length limit: the verdict on each first, then a section for
each, which gets a fair share of the room, then the digests."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from ftops.core.plurals import plural
from ftops.views.markdown import Drawn
from ftops.views.markdown_text import Source, cell, code, fitting, size, table
from ftops.views.verdict import Level

FAILED = "failed"
"""The level of a spec that can't be planned."""
_SAID: Mapping[str, tuple[str, str]] = {
    FAILED: ("❌", "can't be planned"),
    Level.DENIED: ("❌", "denied by the policy"),
    Level.BLOCKED: ("❌", "can't be applied"),
    Level.DESTRUCTIVE: ("⚠️", "with something deleted or replaced"),
    Level.SAFE: ("✅", "with additions or updates only"),
    Level.NONE: ("✅", "without changes"),
}
"""Level → sign and words; the worst first."""
_NOTE = 400
"""Bytes reserved for notes about what was left out."""


class Section(Struct, frozen=True):
    """A spec: where it is, its name, the verdict on it, the digest of its plan, and its own document in at
    most so many bytes."""

    path: str
    name: str
    level: str
    sentence: str
    digest: str
    draw: Callable[[int], Drawn]


def worst_level(levels: Sequence[str]) -> str:
    """The most serious one."""
    return min(levels, key=list(_SAID).index, default=Level.NONE)


def verdict_of(levels: Sequence[str]) -> str:
    """A sentence about all; words and counts of ftops alone."""
    counts = Counter(levels)
    parts = [f"{counts[level]:,} {words}" for level, (_, words) in _SAID.items() if counts[level]]
    return f"{plural(len(levels), 'spec')}: {', '.join(parts)}" if parts else "no spec is touched"


def draw(
    sections: Sequence[Section], skipped: Sequence[tuple[str, str]], source: Source, limit: int | None = None
) -> Drawn:
    """The whole document, at most `limit` bytes of UTF-8. `skipped`: paths of specs, and why they are."""
    levels = [section.level for section in sections]
    sign, _ = _SAID[worst_level(levels)]
    most = sys.maxsize if limit is None else limit
    head = f"## {sign} {verdict_of(levels)}\n"
    foot = source.foot()
    digests = [(cell(s.path), cell(s.digest)) for s in sections if s.digest]
    verdicts = [(_SAID[s.level][0], cell(s.path), cell(s.name), s.sentence) for s in sections]
    room = most - size(head) - size(foot) - _NOTE
    ranked = sorted(verdicts, key=lambda row: _is_sign_of_care(row[0]), reverse=True)
    kept_rows = {*ranked[: len(fitting(map("  |  ".join, ranked), room // 2))]}
    shown = [row for row in verdicts if row in kept_rows]
    approved = digests[: len(fitting(map("  |  ".join, digests), room // 4))]
    left_out = [f"{code(path)} isn't planned: {code(reason)}" for path, reason in skipped]
    kept = fitting(left_out, room // 6)
    fixed = [
        table(("", "folder", "spec", "verdict"), shown) if shown else "",
        "".join(f"- {line}\n" for line in kept),
        table(("folder", "digest"), approved) if approved else "",
    ]
    room -= sum(map(size, fixed))
    drawn = _share(sections, room)
    missing = sum(one is None for one in drawn)
    lost = {
        "verdict": len(verdicts) - len(shown),
        "section": missing,
        "digest": len(digests) - len(approved),
        "spec that isn't planned": len(left_out) - len(kept),
    }
    words = ", ".join(plural(count, what) for what, count in lost.items() if count)
    note = f"> **Left out for length:** {words}. `ftops plan --all` shows everything.\n" if words else ""
    verdict_table, passed_over, digest_table = fixed
    parts = [head, verdict_table, passed_over, *(one.text for one in drawn if one), note, digest_table, foot]
    seen = [
        one.is_reviewable if one else _is_harmless(section)
        for section, one in zip(sections, drawn, strict=True)
    ]
    grave = [row for row in verdicts if _is_sign_of_care(row[0]) and row not in kept_rows]
    return Drawn("\n".join(part for part in parts if part), all(seen) and not grave)


def _is_harmless(section: Section) -> bool:
    """Whether its verdict says enough."""
    return section.level in (Level.SAFE, Level.NONE)


def _is_sign_of_care(sign: str) -> bool:
    return sign != _SAID[Level.SAFE][0]


def _share(sections: Sequence[Section], room: int) -> list[Drawn | None]:
    """The documents of all: first of those that need care, then of the others. Small ones are whole, and what
    they leave is shared among the rest. None for one that doesn't fit."""
    drawn: list[Drawn | None] = [None] * len(sections)
    whole = [section.draw(sys.maxsize) for section in sections]
    for is_harmless in (False, True):
        mine = [n for n, section in enumerate(sections) if _is_harmless(section) is is_harmless]
        mine.sort(key=lambda n: size(whole[n].text))
        for done, number in enumerate(mine):
            share = max(0, room) // (len(mine) - done) - 1
            is_whole = size(whole[number].text) <= share
            found = whole[number] if is_whole else sections[number].draw(share)
            if size(found.text) <= share:
                drawn[number] = found
                room -= size(found.text) + 1
    return drawn
