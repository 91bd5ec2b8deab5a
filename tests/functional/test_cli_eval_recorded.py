"""`ftops eval ADDRESS`: the last result of an evaluation of a spec, from the cached answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.command import ftops
from tests.support.emulator_admin import Admin
from tests.support.evaluations import rewritten, trained, written

EXAM = "evaluation.exam"


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = written(tmp_path_factory.mktemp("recorded"))
    rewritten(folder, trained(folder))
    not_yet = ftops(folder, "eval", EXAM, code=1).stderr
    assert f"{EXAM} wasn't run yet" in not_yet
    ftops(folder, "apply", "-y")
    return folder


@pytest.fixture
def folder(applied: Path, tmp_path: Path) -> Iterator[Path]:
    """With all answers and the first prompts, and restored afterwards."""
    shutil.copytree(applied / ".ftops" / "answers", tmp_path / "answers")
    shutil.copy(applied / "prompts.json", tmp_path)
    yield applied
    for file in (tmp_path / "answers").glob("*.jsonl"):
        shutil.copy(file, applied / ".ftops" / "answers")
    shutil.copy(tmp_path / "prompts.json", applied)


def answers(folder: Path) -> list[Path]:
    return sorted((folder / ".ftops" / "answers").glob("*.jsonl"))


def test_the_last_result_is_shown_in_every_form(folder: Path, tmp_path: Path) -> None:
    admin = Admin.of(folder)
    asked = admin.count("/chat/completions")
    text = ftops(folder, "eval", EXAM).stdout
    assert "job.copilot" in text and "gpt-4.1-nano-2025-04-14" in text
    outs = [tmp_path / f"report.{ending}" for ending in ("html", "xml", "md", "json")]
    flags = [word for out in outs for word in ("--out", str(out))]
    shown = json.loads(ftops(folder.parent, "eval", EXAM, folder.name, "-o", "json", *flags).stdout)
    assert shown["is_complete"] and shown["baseline"] == "gpt-4.1-nano-2025-04-14"
    state = json.loads(ftops(folder, "state", "show", EXAM, "-o", "json").stdout)
    recorded = state["resource"]["outputs"]
    assert shown["verdicts"] == {"job.copilot": recorded["verdict"]}
    share = shown["comparisons"][0]["rows"][0]["candidate"]
    assert share["right"] / share["graded"] == pytest.approx(recorded["score"])
    assert json.loads(outs[3].read_text()) == shown
    assert len(ElementTree.parse(outs[1]).findall(".//testcase")) == 40
    markdown = ftops(folder, "eval", EXAM, "-o", "markdown").stdout
    assert markdown.startswith("### Evaluation: `job.copilot` significantly worse")
    assert admin.count("/chat/completions") == asked
    ftops(folder, "eval", EXAM, "--fail-if", "worse", code=5)


def test_deleted_answers_are_missing(folder: Path) -> None:
    first, second = answers(folder)
    lines = first.read_text().splitlines(keepends=True)
    first.write_text("".join(lines[:-3]))
    some = ftops(folder, "eval", EXAM, code=1)
    assert "3 of 40 answers are missing" in some.stderr
    assert "`ftops apply --replace evaluation.exam` asks again" in some.stderr
    assert "incomplete" in some.stdout
    first.unlink()
    second.unlink()
    assert f"no answer of {EXAM} is kept" in ftops(folder, "eval", EXAM, code=1).stderr


def test_changed_prompts_have_no_result(folder: Path) -> None:
    prompts = json.loads((folder / "prompts.json").read_text())
    (folder / "prompts.json").write_text(json.dumps(prompts, indent=4))
    ftops(folder, "eval", EXAM)  # only blanks
    rows = [{"prompt": "Land!", "expect": "land_drone"}]
    (folder / "prompts.json").write_text(json.dumps(rows))
    assert f"what {EXAM} asks has changed since it was run" in ftops(folder, "eval", EXAM, code=1).stderr
    (folder / "prompts.json").unlink()
    assert f"what {EXAM} asked can't be read" in ftops(folder, "eval", EXAM, code=1).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evaluation.exams",), "Did you mean `evaluation.exam`?"),
        (("job.copilot",), "job.copilot isn't an evaluation"),
        ((EXAM, "--fresh"), "--fresh can't be used with an address"),
        ((EXAM, "--deployment", "chat"), "--deployment can't be used with an address"),
        ((), "--deployment is missing"),
        (("--deployment", "chat"), "--prompts is missing"),
        (("nowhere", "."), ""),
    ],
)
def test_other_words_are_errors(applied: Path, words: tuple[str, ...], said: str) -> None:
    assert said in ftops(applied, "eval", *words, code=1).stderr
