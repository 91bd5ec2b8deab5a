"""A dataset of many files: `path` is a pattern."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftops.dataset import Unreadable, is_pattern
from ftops.dataset.files.derived_files import divided, fits, matches
from tests.functional.test_cli_costs import git
from tests.golden.cli import Folder

SPEC = """\
ftops: {name: many}
providers: {m: {type: memory}}
datasets:
  train: {path: "data/part-*.jsonl"}
jobs:
  it: {model: gpt-4o-mini-2024-07-18, training: train}
"""


def line(number: int) -> str:
    asked = {"role": "user", "content": f"What does {number} times {number} make?"}
    return json.dumps({"messages": [asked, {"role": "assistant", "content": str(number * number)}]})


def text(*numbers: int) -> str:
    return "".join(f"{line(n)}\n" for n in numbers)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, SPEC)
    made.write("data/part-b.jsonl", text(*range(7, 14)))
    made.write("data/part-a.jsonl", text(*range(7)))
    made.write("data/.part-c.jsonl", "hidden")
    made.write("data/other.jsonl", "other")
    return made


def planned(folder: Folder) -> dict[str, Any]:
    changes = folder.run("plan", "-o", "json").json["changes"]
    found: dict[str, Any] = next(c for c in changes if c["address"] == "dataset.train")
    return found


def count(folder: Folder) -> int:
    """Examples that would be uploaded."""
    after = planned(folder)["after"]
    return len((folder.path / after.get("file", after["path"])).read_text(encoding="utf-8").splitlines())


def test_files_are_put_together_in_the_order_of_their_names(folder: Folder) -> None:
    change = planned(folder)
    made = folder.path / change["after"]["file"]
    assert made.read_text(encoding="utf-8") == text(*range(14))


def test_other_files_of_the_same_examples_are_no_change(folder: Folder) -> None:
    folder.ok("apply", "-y")
    (folder.path / "data/part-a.jsonl").unlink()
    (folder.path / "data/part-b.jsonl").unlink()
    folder.write("data/part-1.jsonl", text(*range(3)).rstrip())
    folder.write("data/part-2.jsonl", f"\ufeff{text(*range(3, 14))}")
    assert folder.run("plan", "--detailed-exitcode").code == 0
    folder.write("data/part-3.jsonl", text(77))
    out = folder.ok("plan")
    assert "± job.it" in out and "+1 example" not in out  # type memory has no costs, nor data


def test_an_unchanged_plan_joins_nothing_again(folder: Folder) -> None:
    for file in (folder.path / "data").iterdir():
        os.utime(file, (1_000_000_000, 1_000_000_000))
    first = planned(folder)["after"]["file"]
    made = (folder.path / first).stat()
    assert planned(folder)["after"]["file"] == first
    # The times of entries say that the files are young, so that they are read again; never into another file.
    assert (folder.path / first).stat().st_size == made.st_size


def test_findings_are_told_where_they_are(folder: Folder) -> None:
    folder.write("data/part-b.jsonl", text(7, 8) + '{"messages": []}\n' + text(3, *range(9, 14)))
    done = folder.run("data", "check", ".")
    assert done.code == 1
    assert "data/part-b.jsonl:3:" in done.out, done.out
    assert "the same example as in line 4 of data/part-a.jsonl" in done.out
    assert "data/part-b.jsonl:4:" in done.out
    assert "data/part-*.jsonl: chat, 16 examples" in done.out
    refused = folder.run("plan")
    assert refused.code == 1 and "data/part-b.jsonl:3:" in refused.err


def test_a_part_that_is_a_byte_order_mark_alone_counts_no_line(folder: Folder) -> None:
    (folder.path / "data/part-ab.jsonl").write_bytes(b"\xef\xbb\xbf")
    folder.write("data/part-b.jsonl", text(7, 8) + '{"messages": []}\n' + text(*range(9, 14)))
    assert "data/part-b.jsonl:3:" in folder.run("data", "check", ".").out


def test_whole_rules_are_about_all_files(folder: Folder) -> None:
    """Seven examples a file, and fourteen in all: ten are needed."""
    assert "too-few-examples" not in folder.run("data", "check", ".", "-o", "json").out


def test_a_transform_goes_over_all(folder: Folder) -> None:
    folder.edit('.jsonl"}', '.jsonl", transform: [{split: {part: train, fraction: 0.8}}]}')
    assert 10 <= count(folder) < 14
    folder.write("data/part-b.jsonl", "[]\n" + text(*range(7, 14)))
    refused = folder.run("plan")
    assert refused.code == 1 and "data/part-b.jsonl:1" in refused.err


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("data/none-*.jsonl", "no file matches `data/none-*.jsonl`"),
        ("nowhere/*.jsonl", "no file matches `nowhere/*.jsonl`"),
        ("data/[ab.jsonl", "no file matches `data/[ab.jsonl`"),
        ("data/**b.jsonl", "`data/**b.jsonl` can't be read"),
    ],
)
def test_patterns_that_name_nothing(folder: Folder, pattern: str, said: str) -> None:
    folder.edit("data/part-*.jsonl", pattern)
    refused = folder.run("plan")
    assert refused.code == 1 and said in refused.err and "ftops.yaml:4" in refused.err, refused


def test_tokens_are_counted_where_something_refers_to_them(folder: Folder) -> None:
    folder.ok("apply", "-y")
    assert "tokens" not in json.loads(folder.ok("state", "pull"))["resources"]["dataset.train"]["outputs"]
    folder.write("more.yaml", "outputs: {tokens: '${dataset.train.tokens}'}")
    folder.ok("apply", "-y")
    parts = [f"data/part-{part}.jsonl" for part in "ab"]
    stats = folder.run("data", "stats", *parts, "-o", "json").json["files"]
    assert folder.ok("output", "tokens").strip() == str(sum(one["tokens"] for one in stats))
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_folders_below_folders(folder: Folder) -> None:
    folder.write("data/deep/down/part-z.jsonl", text(99))
    folder.edit("data/part-*.jsonl", "data/**/part-*.jsonl")
    assert count(folder) == 15


def test_a_name_that_looks_like_a_pattern(folder: Folder) -> None:
    folder.write("data/part-[1].jsonl", text(*range(20, 31)))
    folder.edit("data/part-*.jsonl", "data/part-[1].jsonl")
    assert count(folder) == 11
    assert "file" not in planned(folder)["after"]


def test_a_file_that_cannot_be_read(folder: Folder) -> None:
    (folder.path / "data/part-c.jsonl").symlink_to("part-c.jsonl")
    refused = folder.run("plan")
    assert refused.code == 1 and "part-c.jsonl is a broken link" in refused.err
    (folder.path / "data/part-c.jsonl").unlink()
    (folder.path / "data/part-d.jsonl").write_bytes(b"\xff\xfe")
    refused = folder.run("plan")
    assert refused.code == 1 and "data/part-d.jsonl:1" in refused.err
    (folder.path / "data/part-d.jsonl").write_bytes(gzip.compress(b"{}"))
    refused = folder.run("plan")
    assert refused.code == 1 and "part-d.jsonl is gzip" in refused.err


def test_the_plan_is_the_same_whenever_and_wherever_files_were_written(folder: Folder) -> None:
    folder.ok("plan", "--out", "saved")
    digest = folder.run("plan", "-o", "json").json["digest"]
    for name in ("a", "b"):
        os.utime(folder.path / f"data/part-{name}.jsonl", (1_000_000_000, 1_000_000_000))
    shutil.rmtree(folder.path / ".ftops")
    assert folder.run("plan", "-o", "json").json["digest"] == digest
    folder.ok("apply", "saved", "-y")


def test_what_was_made_and_is_damaged_is_made_again(folder: Folder) -> None:
    made = folder.path / planned(folder)["after"]["file"]
    made.write_text("garbage\n", encoding="utf-8")
    assert folder.path / planned(folder)["after"]["file"] == made
    assert made.read_text(encoding="utf-8") == text(*range(14))


def test_a_check_needs_nothing_to_write_to_in_the_project(folder: Folder, tmp_path: Path) -> None:
    """Then files are put together among the temporary ones, where nobody else may look."""
    folder.write(".ftops", "a file where the folder would be")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = folder.process("data", "check", ".", environ={"TMPDIR": str(temporary)})
    assert done.code == 0 and "14 examples" in done.out, done
    (own,) = temporary.iterdir()
    assert own.stat().st_mode & 0o077 == 0
    own.chmod(0o755)
    refused = folder.process("data", "check", ".", environ={"TMPDIR": str(temporary)})
    assert refused.code == 1 and "allow ftops to write there" in refused.out


def test_old_files_that_were_made_go_by_and_by(folder: Folder) -> None:
    """But never the newest, nor what a plan uses."""
    for number in range(6):
        folder.write("data/part-c.jsonl", text(100 + number))
        folder.ok("plan")
    made = sorted((folder.path / ".ftops/data").glob("[0-9a-f]*.jsonl"))
    assert len(made) == 6
    for file in (*made, *(folder.path / ".ftops/data").glob("*.made")):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    folder.write("data/part-c.jsonl", text(200))
    folder.ok("plan")
    left = list((folder.path / ".ftops/data").glob("[0-9a-f]*.jsonl"))
    assert len(left) == 3
    assert folder.path / planned(folder)["after"]["file"] in left


def test_the_version_that_was_applied_is_found_in_git(folder: Folder) -> None:
    """On a machine that has not planned it: as it was put together at an earlier commit."""
    folder.edit("{m: {type: memory}}", "{m: {type: emulator}}")
    folder.write("data/below/part-z.jsonl", f"\ufeff{text(50)}".rstrip())
    folder.edit("data/part-*", "data/**/part-*")
    for arguments in (("init", "-q"), ("add", "data"), ("commit", "-qm", "one")):
        git(folder.path, *arguments)
    folder.ok("apply", "-y")
    shutil.rmtree(folder.path / ".ftops/data")
    shutil.rmtree(folder.path / "data/below")
    folder.write("data/part-b.jsonl", text(7, 8, 99, *range(10, 14)))
    out = folder.ok("plan")
    assert "data: " in out and "not at hand" not in out
    out = folder.ok("explain", "job.it")
    assert "data/part-b.jsonl" in out and "of the previous version" not in out
    folder.ok("destroy", "-y")


NAMES = st.lists(st.sampled_from(["a", "b.jsonl", ".hid", "part-1.jsonl", "deep"]), min_size=1, max_size=4)
PATTERNS = st.lists(
    st.sampled_from(["*", "**", "a", "part-*.jsonl", "?.jsonl", "[ab]*", "deep"]), min_size=1, max_size=4
)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(names=st.lists(NAMES, max_size=6), pattern=PATTERNS)
def test_names_fit_a_pattern_as_files_do(names: list[list[str]], pattern: list[str]) -> None:
    """What Git lists is matched as the disk is."""
    assume(pattern[-1] != "**" and any(is_pattern(part) for part in pattern))
    with tempfile.TemporaryDirectory() as root:
        made = []
        for name in names:
            with suppress(OSError):  # a folder may have the name of a file
                Path(root, *name[:-1]).mkdir(parents=True, exist_ok=True)
                with Path(root, *name).open("x"):
                    made.append(tuple(name))
        start, rest = divided(Path(root), "/".join(pattern))
        try:
            found = {path.relative_to(root).parts for path in matches(Path(root), "/".join(pattern))}
        except Unreadable:
            found = set()
        below = start.relative_to(root).parts
        fitting = {
            name
            for name in made
            if name[: len(below)] == below and fits(name[len(below) :], Path(rest).parts)
        }
    assert found == fitting
