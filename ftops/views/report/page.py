"""The page of a report: one file, or two side by side."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from msgspec import Struct

from ftops.core.confined_files import content
from ftops.core.plurals import plural
from ftops.dataset.profile.diff import Compared, shifts
from ftops.views.charts import Axis, axis_of
from ftops.views.datadiff import edited_words, summary
from ftops.views.html import DATA_PAGE, Node, element, page, table
from ftops.views.report import sections
from ftops.views.report.advice import Advice, Reported, advice, verdict

_STYLE = Path(__file__).with_name("style.css")
_EXAMPLES = 8
"""Changed examples that are listed."""


class Report(Struct, frozen=True):
    """All that a page shows."""

    files: tuple[Reported, ...]
    """One, or two: the old version and the new one."""
    seed: int
    model: str = ""
    compared: Compared | None = None
    """How the second file differs from the first."""


def to_html(report: Report) -> str:
    """The whole page."""
    axis = _axis(report)
    parts: list[tuple[str, str, Callable[[Reported], sections.Parts]]] = [
        ("lengths", "Size and length", lambda r: sections.lengths(r, axis)),
        ("shape", "Turns and roles", sections.shape),
        ("pairs", "Preferred and rejected", sections.pairs),
        ("fields", "What the grader gets", sections.fields),
        ("functions", "Functions and answers", sections.functions),
        ("repetition", "Repetition and overlap", sections.repetition),
        ("secrets", "Secrets and personal data", sections.secrets),
        ("costs", "Cost by epochs", sections.costs),
        ("examples", "Examples", lambda r: sections.examples(r, report.seed)),
    ]
    made = [(id, title, [list(give(reported)) for reported in report.files]) for id, title, give in parts]
    shown = [(id, title, columns) for id, title, columns in made if any(columns)]
    links = [element("a", title, href=f"#{id}") for id, title, _ in shown]
    names = " → ".join(reported.file.name for reported in report.files)
    model = f"for {report.model}" if report.model else ""
    return page(
        DATA_PAGE,
        f"Data report: {names}",
        content(_STYLE).decode(),
        element(
            "header",
            element("h1", names),
            element("p", f"Data report {model}".rstrip(), class_="dim"),
            element("nav", *links, aria_label="Sections"),
        ),
        element(
            "main",
            _columns([[_headed(reported, len(report.files) > 1)] for reported in report.files]),
            *_changes(report.compared),
            *(
                element("section", element("h2", title), _columns(columns), id=id)
                for id, title, columns in shown
            ),
        ),
    )


def _axis(report: Report) -> Axis | None:
    """One axis for the lengths of all files; the model's limit is on it unless it is far away."""
    numbers = [n for reported in report.files for n in reported.file.lengths if n]
    cuts = [reported.file.statistics.cut for reported in report.files]
    limits = [cut.limit for cut in cuts if cut and numbers and cut.limit <= 4 * max(numbers)]
    return axis_of([*numbers, *limits]) if numbers else None


def _columns(columns: Sequence[Sequence[Node]]) -> Element:
    style = "files two" if len(columns) > 1 else "files"
    return element("div", *(element("div", *nodes) for nodes in columns), class_=style)


def _headed(reported: Reported, is_one_of_two: bool) -> Element:
    found = advice(reported)
    said = verdict(found)
    title = element("h2", reported.file.name) if is_one_of_two else None
    urgent = [one for one in found if one.grade != "note"]
    notes = [one for one in found if one.grade == "note"]
    return element(
        "div",
        title,
        element("p", said.text, class_=f"verdict {said.grade}"),
        element("ul", *map(_todo, urgent), class_="todo") if urgent else None,
        sections.tiles(reported),
        _notes(notes),
    )


def _notes(notes: Sequence[Advice]) -> Element | None:
    if not notes:
        return None
    title = element("summary", f"{plural(len(notes), 'note')}: nothing urgent, but worth knowing")
    return element("details", title, element("ul", *map(_todo, notes), class_="todo"))


def _todo(one: Advice) -> Element:
    more = f" and {one.more:,} more" if one.more > 0 else ""
    lines = f"Line {', '.join(f'{n:,}' for n in one.lines)}{more}. " if one.lines else ""
    tag = f"{one.grade} {one.rule}" if one.rule else one.grade
    return element(
        "li",
        element("span", tag, class_=f"tag {one.grade}"),
        element("b", *_marked(one.title)),
        element("p", *_marked(f"{lines}{one.why}"), class_="dim") if lines or one.why else None,
        element("p", *_marked(one.fix)) if one.fix else None,
        element("p", element("code", shlex.join(one.command))) if one.command else None,
        class_=one.grade,
    )


def _marked(text: str) -> list[Node]:
    """Text in which backticks mark code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return [text]
    return [element("code", part) if i % 2 else part for i, part in enumerate(parts)]


def _changes(compared: Compared | None) -> list[Node]:
    """How the new version differs from the old one."""
    if compared is None:
        return []
    found, old, new = compared.found, compared.old, compared.new
    counted = bool(old.tokens and new.tokens)
    rows = [
        [name, f"{before:,}", f"{after:,}", f"{after - before:+,}"]
        for name, before, after in (
            ("examples", old.examples, new.examples),
            ("messages", old.messages, new.messages),
            *(
                (("tokens", old.tokens, new.tokens), ("trained on", old.trained, new.trained))
                if counted
                else ()
            ),
            *((s.name, s.before, s.after) for s in shifts(old.calls or old.labels, new.calls or new.labels)),
        )
    ]
    changed = [
        *(
            ["added", f"{row.line:,}", compared.new_excerpts.get(row.line, "")]
            for row in found.added[:_EXAMPLES]
        ),
        *(
            ["removed", f"{row.line:,}", compared.old_excerpts.get(row.line, "")]
            for row in found.removed[:_EXAMPLES]
        ),
        *(
            ["edited", f"{after.line:,}", edited_words(compared, after)]
            for _, after in found.edited[:_EXAMPLES]
        ),
    ]
    words = summary(found, counted)
    parts: list[Node] = [element("h2", "What changed"), element("p", element("b", words))]
    parts.append(table(["", "before", "after", "change"], rows))
    if changed:
        parts.append(table(["", "line", "example"], changed, class_="words"))
    return [element("section", *parts, id="changes")]
