"""Report files of `eval --out`: the form goes by the end of the name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from ftops.cli.written_files import check_folder, write_text
from ftops.core.errors import UsageError
from ftops.core.timestamps import iso_timestamp
from ftops.evaluation.evaluation import Evaluation
from ftops.views.evaluation import draw_markdown, to_json
from ftops.views.evaluation_files import to_html, to_junit
from ftops.views.promptfoo import to_promptfoo

_FORMS: Mapping[str, Callable[[Evaluation], str]] = {
    ".html": to_html,
    ".xml": to_junit,
    ".md": draw_markdown,
    ".promptfoo.json": lambda evaluation: to_promptfoo(evaluation, iso_timestamp(datetime.now(UTC))),
    ".json": lambda evaluation: json.dumps(to_json(evaluation), indent=2) + "\n",
}


def _form(path: Path) -> Callable[[Evaluation], str] | None:
    """By the first ending that fits."""
    return next((form for ending, form in _FORMS.items() if path.name.lower().endswith(ending)), None)


def check_report(path: Path) -> None:
    """Before anything is asked. Raises UsageError."""
    if _form(path) is None:
        known = ", ".join(_FORMS)
        raise UsageError(f"can't tell what to write to {path}", f"known endings are {known}.", "rename it")
    check_folder(path)
    if path.exists() and not path.is_file():
        raise UsageError(f"can't write {path}", "it isn't a regular file.", "choose another name")


def write_report(path: Path, evaluation: Evaluation) -> None:
    """In place of what was there, as a whole. Raises UsageError."""
    form = _form(path)
    assert form is not None  # noqa: S101 - it was checked
    write_text(path, form(evaluation))
