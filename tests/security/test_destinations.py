"""Where a plan is applied is part of what is approved. The numbers are those of pitfalls of pull requests."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from tests.golden.cli import AZURE, SPEC, Folder
from tests.support.command import FTOPS, run

REDIRECTABLE = AZURE.replace("https://example.openai.azure.com", "${var.endpoint}")


def digest(folder: Folder) -> str:
    return str(folder.run("plan", "-o", "json").json["digest"])


def test_pitfall_01_a_commit_in_two_folders_has_one_digest_and_one_state(tmp_path: Path) -> None:
    first = Folder.make(tmp_path / "s")
    other = Folder(Path(shutil.copytree(first.path, tmp_path / "repo")))
    for folder in (first, other):
        subprocess.run(["git", "init", "-q"], cwd=folder.path, check=True)
    approved = digest(first)
    assert digest(other) == approved
    first.ok("apply", "--expect-digest", approved)
    shutil.copytree(first.path / "state", other.path / "state")  # as a bucket would have it
    assert other.run("plan", "--detailed-exitcode").code == 0
    assert digest(other) == digest(first)
    assert [path.name for path in (other.path / "state").iterdir()] == ["drone"]


@pytest.mark.parametrize(
    ("what", "old", "new"),
    [
        ("endpoint", "https://example.openai.azure.com", "https://other.openai.azure.com"),
        ("account", "account: example", "account: other"),
        ("subscription", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000f"),
    ],
)
def test_pitfall_02_specs_that_differ_only_in_where_they_lead_have_other_digests(
    tmp_path: Path, what: str, old: str, new: str
) -> None:
    spec = f"ftops: {{name: drone}}\n{AZURE}deployments:\n  base: {{model: gpt-4o}}\n"
    one = Folder.make(tmp_path / "one", spec)
    other = Folder.make(tmp_path / "other", spec.replace(old, new))
    digests, comments = [], []
    for folder in (one, other):
        done = folder.run("plan", "--offline", "-o", "json")
        digests.append(done.json["digest"])
        comments.append(folder.run("plan", "--offline", "-o", "markdown").out)
    assert len({*digests}) == 2
    for shown, word in zip(comments, (old, new), strict=True):
        assert word.removeprefix("https://").removeprefix("account: ") in shown, what


def test_pitfall_03_an_endpoint_from_outside_is_shown_and_other_hosts_are_refused(tmp_path: Path) -> None:
    spec = (
        "ftops: {name: drone}\nvariables:\n  endpoint: {default: https://example.openai.azure.com}\n"
        f"{REDIRECTABLE}deployments:\n  base: {{model: gpt-4o}}\n"
    )
    folder = Folder.make(tmp_path, spec)
    evil = folder.run("plan", "--var", "endpoint=https://evil.example")
    assert (evil.code, "isn't a known host of Azure OpenAI" in evil.err) == (1, True)
    before = folder.run("plan", "--offline", "-o", "json").json["digest"]
    elsewhere = ("--var", "endpoint=https://evil.openai.azure.com")
    again = folder.run("plan", "--offline", "-o", "json", *elsewhere)
    assert again.json["digest"] != before
    shown = folder.run("plan", "--offline", "-o", "markdown", *elsewhere).out
    assert "evil.openai.azure.com" in shown
    assert shown.index("Account set outside the spec") < shown.index("<details>")


def test_pitfall_14_three_merges_at_once_are_applied_in_turn(tmp_path: Path) -> None:
    """Each waits for the lock of the state; none is skipped, and each begins where another ended."""
    folder = Folder.make(tmp_path, SPEC)
    folder.ok("apply", "-y")

    def merged(capacity: int) -> int:
        words = ("apply", "-y", "--lock-timeout", "60s", "--var", f"capacity={capacity}")
        return run([*FTOPS, *words], folder.path).returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(merged, (30, 40, 50))) == [0, 0, 0]
    runs = folder.run("audit", "-o", "json").json["runs"]
    assert [one["result"] for one in runs] == ["done"] * 4
    ends = [(one["serial"], one["serial_after"]) for one in runs]
    assert all(later[0] >= earlier[1] for earlier, later in pairwise(ends))
    assert [one["counts"].get("update") for one in runs[1:]] == [2, 2, 2]
