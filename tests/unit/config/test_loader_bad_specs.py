"""Every file of bad_specs is refused, in exactly the words of the .txt next to it.

A comment in the first line of a spec may say with which arguments and environment it is read:
`# --env prod --var a=1 X=2`. UPDATE_GOLDEN=1 writes the expected texts anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ftops.config.loader import load
from ftops.core.errors import Diagnostic, SpecError

FOLDER = Path(__file__).parents[2] / "bad_specs"
CASES = sorted(p for p in FOLDER.iterdir() if p.suffix != ".txt")


def render(finding: Diagnostic) -> str:
    """A finding as plain text."""
    place = finding.place
    lines = [f"{place.file}:{place.line}:{place.column}: {finding.summary}" if place else finding.summary]
    if place and place.text:
        lines += [f"    {place.text}", "    " + " " * (place.column - 1) + "^" * place.width]
    lines += [f"  {text}" for text in (finding.detail, f"→ {finding.hint}" if finding.hint else "") if text]
    return "\n".join(lines)


def arguments(case: Path) -> dict[str, Any]:
    """The arguments for `load` that the first line of a case names."""
    first = case if case.is_file() else min(case.iterdir())
    line = first.read_bytes().partition(b"\n")[0].decode("utf-8", "replace")
    words = iter(line.removeprefix("# ").split() if line.startswith(("# --", "# ENV")) else [])
    found: dict[str, Any] = {"variables": [], "variable_files": [], "environ": {}}
    for word in words:
        if word == "--env":
            found["environment"] = next(words)
        elif word == "--var":
            found["variables"].append(next(words))
        elif word == "--var-file":
            found["variable_files"].append(Path(next(words)))
        elif "=" in word:
            name, _, value = word.partition("=")
            found["environ"][name] = value
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_refused_in_these_words(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecError) as refused:
        load(Path(case.name), **arguments(case))
    text = "\n\n".join(render(d) for d in refused.value.diagnostics) + "\n"
    golden = FOLDER / f"{case.stem}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text, "utf-8")
    assert text == golden.read_text("utf-8")


def test_every_expected_text_has_its_spec() -> None:
    stems = {case.stem for case in CASES}
    assert {p.stem for p in FOLDER.glob("*.txt")} == stems


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_no_words_of_libraries(case: Path) -> None:
    text = (FOLDER / f"{case.stem}.txt").read_text("utf-8").lower()
    for foreign in ("input should", "pydantic", "traceback", "none type", "extra inputs", "unhashable"):
        assert foreign not in text
