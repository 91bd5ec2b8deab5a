"""ftops plan: what it prints, as golden files (UPDATE_GOLDEN=1 writes them), and its exit codes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.golden.cli import SPEC, Folder, examples, golden

Edit = Callable[[Folder], None]
BASE = """\
  base:
    model: gpt-4o-mini-2024-07-18
    sku: {name: Standard, capacity: "${var.capacity}"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path)


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.ok("apply", "-y")
    return folder


def test_destroy_says_why_users_of_a_target_go(applied: Folder) -> None:
    lines = applied.ok("plan", "--destroy", "--target", "dataset.train").splitlines()
    why = {line.split()[1]: after.strip() for line, after in pairwise(lines) if line[2:4] == "- "}
    assert why == {
        "deployment.copilot": "because it uses job.copilot, which will be deleted",
        "job.copilot": "because it uses dataset.train, which will be deleted",
        "dataset.train": "",
    }


def edit(old: str, new: str) -> Edit:
    return lambda folder: folder.edit(old, new)


def new_data(folder: Folder) -> None:
    folder.write("data/valid.jsonl", examples(15, "other "))


def other_provider(folder: Folder) -> None:
    folder.edit("m: {type: memory}", "m: {type: memory, default: true}\n  other: {type: memory}")
    folder.edit("  base:\n", "  base:\n    provider: other\n")


def blue_green(folder: Folder) -> None:
    folder.edit("    model: ${job", "    replace: blue_green\n    model: ${job")
    folder.ok("apply", "-y")
    folder.edit("seed: 105", "seed: 106")


CHANGES: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "unchanged": (lambda folder: None, ()),
    "updated": (edit("default: 20", "default: 30"), ()),
    "replaced-by-data": (new_data, ()),
    "replaced-by-set": (edit("n_epochs: 3", "n_epochs: 4"), ()),
    "replaced-blue-green": (blue_green, ()),
    "replaced-as-asked": (lambda folder: None, ("--replace", "job.copilot")),
    "replaced-by-provider": (other_provider, ()),
    "left-out": (edit("default: 20", "default: 30"), ("--exclude", "deployment.base")),
    "targeted": (edit("default: 20", "default: 30"), ("--target", "deployment.base")),
    "deleted": (edit(BASE, ""), ()),
    "retained": (edit("    suffix: copilot", "    suffix: other\n    lifecycle: {on_destroy: retain}"), ()),
    "outputs-only": (edit("  name: ${", "  id: ${"), ()),
    "destroy": (lambda folder: None, ("--destroy",)),
    "refresh-only": (lambda folder: None, ("--refresh-only",)),
}


COUNTS: dict[str, tuple[int, int, int]] = {
    "unchanged": (0, 0, 0),
    "updated": (0, 2, 0),
    "replaced-by-set": (2, 0, 2),
    "deleted": (0, 0, 1),
    "destroy": (0, 0, 5),
}
"""Created, updated and deleted, as GitLab counts."""


@pytest.mark.parametrize("name", COUNTS)
def test_the_counts_for_gitlab(applied: Folder, name: str) -> None:
    change, arguments = CHANGES[name]
    change(applied)
    counts = applied.run("plan", "-o", "gitlab-terraform", *arguments).json
    assert counts == dict(zip(("create", "update", "delete"), COUNTS[name], strict=True))


@pytest.mark.parametrize("name", CHANGES)
def test_the_plan_after_a_change(applied: Folder, name: str) -> None:
    change, arguments = CHANGES[name]
    change(applied)
    golden(f"plan-{name}", applied.ok("plan", *arguments))
    golden(f"comment-{name}", applied.ok("plan", "-o", "markdown", *arguments), ".md")


def test_the_first_plan(folder: Folder) -> None:
    golden("plan-first", folder.ok("plan"))
    golden("comment-first", folder.ok("plan", "-o", "markdown"), ".md")


def test_a_saved_plan_makes_the_same_comment(applied: Folder) -> None:
    applied.edit("n_epochs: 3", "n_epochs: 4")
    applied.ok("plan", "--out", "plan.ft")
    golden("comment-replaced-by-set", applied.ok("show", "plan.ft", "-o", "markdown"), ".md")


def test_a_limit_is_for_markdown(folder: Folder) -> None:
    refused = folder.run("plan", "--limit", "65536")
    assert (refused.code, "--limit goes with -o markdown" in refused.err) == (1, True), refused


def test_a_plan_that_can_not_be_applied_says_so_in_its_comment(folder: Folder) -> None:
    folder.edit("m: {type: memory}", "local: {type: emulator}")
    folder.edit("ftops: {name: drone}", "ftops: {name: drone, budget: {training: 0.0001}}")
    done = folder.run("plan", "--offline", "-o", "markdown")
    assert done.code == 3, done
    golden("comment-blocked", done.out, ".md")


def test_secrets_and_long_values_in_a_plan(folder: Folder) -> None:
    folder.edit(
        "  capacity: {",
        "  key: {type: string, sensitive: true}\n  capacity: {",
    )
    tags = 'tags: {owner: "${env.OWNER}", key: "${var.key}", note: "' + "long " * 60 + '"}'
    folder.edit("  base:\n", f"  base:\n    {tags}\n")
    done = folder.run("plan", "--var", "key=hunter2", environ={"OWNER": "somebody"})
    assert done.code == 0, done
    assert "hunter2" not in done.out + done.err
    assert "somebody" not in done.out + done.err
    golden("plan-secrets", done.out)
    refused = folder.run("apply", "--var", "key=hunter2", environ={"OWNER": "somebody"})
    assert refused.code == 1
    assert "hunter2" not in refused.out + refused.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--detailed-exitcode",), 2),
        (("--detailed-exitcode", "-o", "json"), 2),
        (("--no-refresh", "--parallelism", "1"), 0),
        (("--destroy", "--detailed-exitcode"), 0),
    ],
)
def test_exit_codes_before_anything_exists(folder: Folder, arguments: tuple[str, ...], code: int) -> None:
    assert folder.run("plan", *arguments).code == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--detailed-exitcode",), 0),
        (("--detailed-exitcode", "--refresh-only"), 0),
        (("--detailed-exitcode", "--replace", "deployment.base"), 2),
        (("--detailed-exitcode", "--var", "capacity=21"), 2),
        (("--detailed-exitcode", "--destroy"), 2),
    ],
)
def test_exit_codes_once_everything_exists(applied: Folder, arguments: tuple[str, ...], code: int) -> None:
    assert applied.run("plan", *arguments).code == code


def test_values_that_are_known_are_shown(applied: Folder) -> None:
    """Of what stays, of what is updated in place, and of files; not what an update changes."""
    applied.edit("default: 20", "default: 30")
    applied.edit(
        "outputs:",
        """\
  canary:
    model: ${job.copilot.fine_tuned_model}
    tags: {of: "${deployment.base.id}", examples: "n-${dataset.train.examples}"}
  late:
    model: gpt-4o-mini-2024-07-18
    tags: {of: "${deployment.canary.id}"}

outputs:
  base: ${deployment.base.model}
""",
    )
    told = applied.ok("plan")
    model = applied.ok("output", "model").strip()
    (base,) = (
        r for r in applied.run("show", "-o", "json").json["resources"] if r["address"] == "deployment.base"
    )
    assert f"model         = {model}" in told
    assert f'tags.of       = "{base["remote_id"]}"' in told
    assert 'tags.examples = "n-12"' in told
    assert "= (known after apply: deployment.canary.id)" in told
    assert told.count("known after apply") == 1
    known = applied.run("plan", "-o", "json").json["known"]
    assert known["${deployment.base.id}"] == base["remote_id"]
    applied.edit("  base:\n    model: gpt-4o-mini-2024-07-18", "  base:\n    model: gpt-4o-2024-08-06")
    assert "base = (known after apply: deployment.base.model)" in applied.ok("plan")
    applied.ok("plan", "--out", "plan.ft")
    assert f"model         = {model}" in applied.ok("show", "plan.ft")


def test_the_document(folder: Folder) -> None:
    document = folder.run("plan", "-o", "json").json
    assert set(document) == {
        "format_version", "spec", "environment", "mode", "lineage", "serial", "changes", "drift",
        "outputs", "unchanged", "held", "summary", "warnings", "estimate",
        "destination", "digest", "findings", "diagnostics",
        "moves", "settings", "known", "verdict", "policy", "reads", "ttl", "expires_at", "pins", "choices",
        "pinning", "off",
    }  # fmt: skip
    assert document["summary"]["create"] == 5
    assert [c["address"] for c in document["changes"]] == [
        "dataset.train",
        "dataset.valid",
        "deployment.base",
        "job.copilot",
        "deployment.copilot",
    ]


def test_a_protected_resource_blocks_with_3(applied: Folder) -> None:
    applied.edit("    suffix: copilot", "    suffix: copilot\n    lifecycle: {prevent_destroy: true}")
    applied.ok("apply", "-y")
    done = applied.run("plan", "--destroy")
    assert done.code == 3
    assert done.err.startswith("error: job.copilot is protected, and the plan would delete it\n")
    assert applied.run("destroy", "-y").code == 3
    assert applied.run("plan", "--replace", "job.copilot", "-o", "json").json["exit_code"] == 3


def test_an_empty_spec_blocks_unless_it_is_meant(applied: Folder) -> None:
    applied.write("ftops.yaml", "ftops: {name: drone}\nproviders: {m: {type: memory}}\n")
    done = applied.run("plan")
    assert done.code == 3
    assert "--allow-empty" in done.err
    assert "5 to delete" in applied.ok("plan", "--allow-empty")


def test_environments_and_variable_files(folder: Folder) -> None:
    folder.edit("datasets:", "environments:\n  dev: {}\n  prod: {variables: {capacity: 50}}\n\ndatasets:")
    folder.write("vars/big.yaml", "capacity: 60\n")
    assert "for drone (prod)" in folder.ok("plan", "--env", "prod")
    assert "= 50" in folder.ok("plan", "--env", "prod")
    assert "= 60" in folder.ok("plan", "--env", "prod", "--var-file", "vars/big.yaml")
    assert "= 70" in folder.ok("plan", "--env", "prod", "--var-file", "vars/big.yaml", "--var", "capacity=70")


def test_a_spec_is_a_file_or_a_folder_from_anywhere(applied: Folder) -> None:
    inside = Folder(applied.path / "data")
    unchanged = "No changes. 5 resources of drone match the spec.\n"
    assert inside.ok("plan", "..") == unchanged
    assert inside.ok("plan", "../ftops.yaml") == unchanged
    assert inside.ok("plan", "-C", "..") == unchanged
    assert inside.ok("-C", "..", "plan") == unchanged
    assert inside.ok("plan", str(applied.path)) == unchanged


def test_the_base_spec_is_formatted(folder: Folder) -> None:
    assert folder.ok("fmt", "--check") == ""
    assert (folder.path / "ftops.yaml").read_text() == SPEC
