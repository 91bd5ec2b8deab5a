"""Advice on a data file: what its findings and numbers mean for training, the gravest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from ftops.core.plurals import agree, plural
from ftops.dataset.profile.report import FileReport
from ftops.dataset.rules.catalogue import GRADES, grade_of
from ftops.dataset.rules.findings import MAX_SHOWN
from ftops.dataset.transforms.clean import MENDED
from ftops.planning.estimate import TrainingCost

_MOSTLY_DEFINITIONS = 0.5
"""The part of all tokens from which on the definitions of functions are worth shortening."""
_LOPSIDED = 0.75
"""The part of pairs from which on the length of an output is a hint to which one is preferred."""
_FEW = 5
"""A function that is called less often is hardly learnt."""


class Verdict(NamedTuple):
    grade: str
    """error, warning or good"""
    text: str


class Advice(NamedTuple):
    """One thing to do."""

    grade: str
    rule: str
    """Empty: it follows from the numbers."""
    title: str
    why: str
    fix: str
    command: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    more: int = 0
    """Findings beyond these lines."""


class Reported(Struct, frozen=True):
    """A file, what training on it costs, and the grades that are set for rules."""

    file: FileReport
    costs: tuple[TrainingCost, ...] = ()
    grades: Mapping[str, str] = {}


def verdict(advice: Sequence[Advice]) -> Verdict:
    """In one sentence."""
    errors, warnings = (sum(one.grade == grade for one in advice) for grade in GRADES[:2])
    if errors:
        return Verdict("error", f"Not ready to train: {plural(errors, 'problem')} to fix first.")
    if warnings:
        return Verdict("warning", f"Can be trained on, but look at {plural(warnings, 'warning')} first.")
    return Verdict("good", "Ready to train: no errors, no warnings.")


def advice(reported: Reported) -> list[Advice]:
    """All advice: errors first, and of one grade what is about most lines."""
    found = [*_of_rules(reported), *_of_numbers(reported)]
    return sorted(found, key=lambda one: (GRADES.index(one.grade), -len(one.lines) - one.more, one.rule))


def _of_rules(reported: Reported) -> Iterator[Advice]:
    inspection = reported.file.inspection
    for rule, count in inspection.counts.items():
        grade = grade_of(rule, reported.grades)
        mine = [f for f in inspection.found if f.rule == rule][:MAX_SHOWN]
        if grade not in GRADES or not mine:
            continue
        lines = tuple(dict.fromkeys(f.line for f in mine if f.line))
        mended = ("ftops", "data", "clean", reported.file.name, "clean.jsonl", *MENDED.get(rule, ()))
        first = mine[0].summary + (f" {mine[0].other}" if mine[0].other else "")
        more = f", and {count - 1:,} more" if count > 1 else ""
        yield Advice(
            grade,
            rule,
            f"{first[:1].upper()}{first[1:]}{more}",
            mine[0].detail,
            mine[0].hint,
            mended if rule in reported.file.mended else (),
            lines,
            count - len(mine) if lines else 0,
        )


def _of_numbers(reported: Reported) -> Iterator[Advice]:
    file = reported.file
    sums, details, cut = file.statistics.sums, file.details, file.statistics.cut
    if cut and cut.examples:
        title = f"{plural(cut.examples, 'example')} longer than the model's limit of {cut.limit:,} tokens"
        why = f"{cut.tokens:,} tokens are cut off, or the file is rejected."
        yield Advice(
            "warning", "", title, why, "Shorten or split them.", (), cut.lines, cut.examples - len(cut.lines)
        )
    if sums.calls:
        never = sorted(name for name in details.offered if not sums.calls[name])
        rare = sorted((sums.calls[n], n) for n in details.offered if 0 < sums.calls[n] < _FEW)
        if never:
            yield Advice(
                "note", "", f"{plural(len(never), 'function')} offered, but never called", _named(never),
                "Add examples that call them, or remove them: the model learns not to call them.",
            )  # fmt: skip
        if rare:
            title = f"{plural(len(rare), 'function')} called fewer than {_FEW} times"
            fix = "Add examples, such as with `ftops data generate`."
            yield Advice("note", "", title, _named([f"{name} ({n})" for n, name in rare]), fix)
    if sums.tokens and sums.roles["functions"] > _MOSTLY_DEFINITIONS * sums.tokens:
        share = sums.roles["functions"] / sums.tokens
        yield Advice(
            "note", "", f"{share:.0%} of all tokens are definitions of functions",
            "They are billed in every epoch, and the model needs less of them once it is trained.",
            "Shorten them, and send the same shorter ones in requests.",
            ("ftops", "data", "slim", file.name, "slim.jsonl"),
        )  # fmt: skip
    yield from _of_pairs(file)
    yield from _of_validation(file)


def _of_validation(file: FileReport) -> Iterator[Advice]:
    if file.shared is None:
        return
    overlap = file.shared.overlap
    count = overlap.same + overlap.near + overlap.grown
    pairs = [pair for pair in (overlap.first_same, overlap.first_near, overlap.first_grown) if pair]
    if count and pairs:
        said = ", ".join(f"line {here:,} here is line {there:,} there" for here, there in pairs)
        yield Advice(
            "warning", "", f"{plural(count, 'example')} also in {file.shared.name}, or nearly",
            f"For example, {said}. The model knows the answer, so the validation loss of "
            f"{agree(count, 'this example', 'these examples')} says little.",
            "Remove them from one of the two files.",
            lines=tuple(sorted({here for here, _ in pairs})), more=count - len(pairs),
        )  # fmt: skip


def _of_pairs(file: FileReport) -> Iterator[Advice]:
    pairs = file.details.preferred.total()
    share = file.details.longer / pairs if pairs else 0
    if share > _LOPSIDED or (pairs and share < 1 - _LOPSIDED):
        word, part = ("longer", share) if share > _LOPSIDED else ("shorter", 1 - share)
        yield Advice(
            "note", "", f"The preferred output is {word} in {part:.0%} of the pairs",
            f"The model may learn that {word} answers are better, whatever they say.",
            "Add pairs of about the same length.",
        )  # fmt: skip


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8:,} more." if len(names) > 8 else f"{shown}."
