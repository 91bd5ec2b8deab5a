"""What came with a checkout isn't taken for what ftops has kept: measured data, made files, specs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zlib import crc32

from tests.golden.cli import SPEC, Folder, examples

COSTLY = SPEC.replace("{type: memory}", "{type: emulator}")


def test_planted_measurements_do_not_change_what_a_plan_costs(tmp_path: Path) -> None:
    """They are those of the same file, as ftops keeps them, with other sums."""
    folder = Folder.make(tmp_path / "here", COSTLY)
    before = folder.run("plan", "--offline", "-o", "json").json["estimate"]
    kept = folder.path / ".ftops" / "data"
    for file in kept.glob("*.o200k_base"):
        _, head, rows = file.read_bytes().split(b"\n", 2)
        sums = json.loads(head)
        sums["sums"] |= {"examples": 999, "tokens": 10**9}
        content = json.dumps(sums).encode() + b"\n" + rows
        file.write_bytes(b"%08x\n" % crc32(content) + content)
    assert folder.run("plan", "--offline", "-o", "json").json["estimate"] != before, (
        "they are believed at home"
    )
    shutil.copytree(folder.path, tmp_path / "checkout")
    checkout = Folder(tmp_path / "checkout")
    assert checkout.run("plan", "--offline", "-o", "json").json["estimate"] == before
    assert (checkout.path / ".ftops" / "data-2").is_dir()


def test_a_copy_of_a_project_has_the_same_digest(tmp_path: Path) -> None:
    """Where made files are kept isn't a valid part of it."""
    spec = SPEC.replace("path: data/train.jsonl", "path: 'data/tr*.jsonl'")
    folder = Folder.make(tmp_path / "here", spec)
    first = folder.run("plan", "-o", "json").json
    shutil.copytree(folder.path, tmp_path / "copy")
    second = Folder(tmp_path / "copy").run("plan", "-o", "json").json
    files = [
        next(c["after"]["file"] for c in d["changes"] if "file" in c.get("after", {}))
        for d in (first, second)
    ]
    assert files[0] != files[1]
    assert first["digest"] == second["digest"]


def test_a_planted_file_that_was_made_is_made_again(tmp_path: Path) -> None:
    spec = SPEC.replace("path: data/train.jsonl", "path: 'data/tr*.jsonl'")
    folder = Folder.make(tmp_path / "here", spec)
    folder.ok("plan")
    (made,) = (folder.path / ".ftops" / "data").glob("*.jsonl")
    shutil.copytree(folder.path, tmp_path / "copy")
    copy = Folder(tmp_path / "copy")
    (copy.path / ".ftops" / "data" / made.name).write_text(examples(12, "planted "))
    copy.ok("apply", "-y")
    (again,) = (copy.path / ".ftops" / "data-2").glob("*.jsonl")
    assert again.read_bytes() == made.read_bytes()
