"""Files of kept answers: what was edited or damaged isn't used, and what a kill cut off is no damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ftops.evaluation.answer_archive import list_answers, prune
from ftops.evaluation.answers import Answer
from ftops.evaluation.kept_answers import KeptAnswers

RIGHT, OTHER = Answer("yes", finish_reason="stop"), Answer("no", finish_reason="stop")


def answered(project: Path, model: str = "m") -> Path:
    """Two answers; their file."""
    kept = KeptAnswers(project, model)
    kept.add("a", RIGHT)
    kept.add("b", OTHER)
    return max((project / ".ftops" / "answers").glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)


Edit = Callable[[bytes], bytes]
EDITS: dict[str, Edit] = {
    "another answer": lambda line: line.replace(b"yes", b"YES"),
    "another question": lambda line: line.replace(b'"key":"a"', b'"key":"c"'),
    "another time": lambda line: line.replace(b'"at":"2', b'"at":"3'),
    "spaces": lambda line: line.replace(b",", b", ", 1),
    "no checksum": lambda line: line.partition(b',"checksum"')[0] + b"}\n",
    "a wrong checksum": lambda line: line[:-19] + b"0" * 16 + line[-3:],
    "half a line": lambda line: line[: len(line) // 2] + b"\n",
    "nothing": lambda line: b"\n",
    "no text": lambda line: b"\xff\x00" + line,
}


@pytest.mark.parametrize("head", [b'{"model":"\xff"}', b'{"a":' + b"[" * 100_000, b"", b"null", b"\0"])
def test_answers_are_listed_whatever_the_head_of_their_file(tmp_path: Path, head: bytes) -> None:
    file = answered(tmp_path)
    file.write_bytes(head + b"\n" + file.read_bytes().partition(b"\n")[2])
    assert KeptAnswers(tmp_path, "m").get("a") == RIGHT
    (found,) = list_answers(tmp_path, None)
    assert found.count == 2


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_answer_is_not_used(tmp_path: Path, edit: str) -> None:
    file = answered(tmp_path)
    head, line, rest = file.read_bytes().splitlines(keepends=True)
    changed = EDITS[edit](line)
    assert changed != line
    file.write_bytes(head + changed + rest)
    kept = KeptAnswers(tmp_path, "m")
    assert (kept.get("a"), kept.get("b"), kept.get("c"), kept.damaged) == (None, OTHER, None, 1)
    kept.add("a", RIGHT)
    assert KeptAnswers(tmp_path, "m").get("a") == RIGHT


def test_the_answer_of_another_model_is_not_used(tmp_path: Path) -> None:
    better, worse = answered(tmp_path, "better"), answered(tmp_path, "worse")
    head = worse.read_bytes().splitlines(keepends=True)[0]
    worse.write_bytes(head + b"".join(better.read_bytes().splitlines(keepends=True)[1:]))
    kept = KeptAnswers(tmp_path, "worse")
    assert (kept.get("a"), kept.damaged) == (None, 2)


@pytest.mark.parametrize("left", [0, 1, 5, -1])
def test_what_a_kill_has_cut_off_is_no_damage(tmp_path: Path, left: int) -> None:
    file = answered(tmp_path)
    head, line, rest = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(head + line + rest[:left])
    for _ in range(2):
        kept = KeptAnswers(tmp_path, "m")
        assert (kept.get("a"), kept.damaged) == (RIGHT, 0)
    assert kept.get("b") is None
    kept.add("b", OTHER)
    again = KeptAnswers(tmp_path, "m")
    assert (again.get("a"), again.get("b"), again.damaged) == (RIGHT, OTHER, 0)


def test_a_file_whose_first_line_was_cut_off_begins_anew(tmp_path: Path) -> None:
    file = answered(tmp_path)
    file.write_bytes(file.read_bytes()[:5])
    KeptAnswers(tmp_path, "m").add("a", RIGHT)
    assert KeptAnswers(tmp_path, "m").get("a") == RIGHT
    assert [answers.model for answers in list_answers(tmp_path, None)] == ["m"]


def test_prune_deletes_what_is_damaged(tmp_path: Path) -> None:
    file = answered(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"yes", b"YES"))
    prune(list_answers(tmp_path, None), "")
    kept = KeptAnswers(tmp_path, "m")
    assert (kept.get("b"), kept.damaged) == (OTHER, 0)
