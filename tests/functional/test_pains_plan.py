"""What users suffer from between plan and apply, a row a test: pains 1, 5, 7 and 10."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.contract.wire import Wire, tapped
from tests.functional.test_pains_azure import MODEL, ODD, TUNED, folder_for
from tests.golden.cli import SPEC, Folder, examples


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("pains")) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Cloud:
    """Empty, in real time, and quick."""
    running.admin("POST", "reset")
    running.admin("PATCH", "settings", {**SETTLED, "strict": True})
    return running


def test_pain_1_what_is_applied_is_what_was_reviewed(tmp_path: Path) -> None:
    """What is applied is not what was reviewed; saved plans unused or stale."""
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y", "--target", "dataset.train")  # the state is begun: a digest names it
    folder.ok("destroy", "-y")
    reviewed = folder.run("plan", "--out", "plan.ft", "-o", "json").json["digest"]
    folder.edit("seed: 105", "seed: 106")  # merged meanwhile
    for command in (("apply", "plan.ft"), ("apply", "-y", "--expect-digest", reviewed)):
        assert folder.run(*command).code == 3
    assert folder.ok("state", "list") == ""
    folder.edit("seed: 106", "seed: 105")
    folder.ok("apply", "-y", "--target", "dataset.train", "--no-refresh")  # somebody else, meanwhile
    assert folder.run("apply", "plan.ft").code == 3
    folder.ok("destroy", "-y")
    assert "5 created" in folder.ok("apply", "--expect-digest", reviewed), "the same plan again"


def test_pain_1_unrelated_runs_do_not_make_a_plan_stale(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    folder.edit("default: 20", "default: 30")
    folder.ok("plan", "--out", "plan.ft", "--target", "deployment.base")
    folder.ok("apply", "-y", "--target", "deployment.copilot")
    assert "1 updated" in folder.ok("apply", "plan.ft")


def odd(text: str) -> str:
    """Replies as the service writes them: in other letters, with nulls."""
    for usual, strange in ODD:
        text = text.replace(usual, strange)
    return text


@pytest.mark.parametrize("policy", ["recreate", "ignore"])
def test_pain_5_what_the_service_does_by_its_rules_makes_no_noise(
    cloud: Cloud, tmp_path: Path, policy: str
) -> None:
    """Drift reports nobody reads."""
    head = f"ftops: {{name: drone, drift: {{expired: {policy}}}}}\n"
    base = f"  base: {{model: {MODEL}, sku: {{name: standard, capacity: 2}}}}\n"
    with tapped(Wire(cloud.url, answered=odd)) as wire:
        folder = folder_for(cloud, tmp_path, TUNED + base, wire.url)
        folder.edit("providers:\n", f"{head}providers:\n")
        folder.ok("apply", "-y")
        cloud.admin("POST", "clock", {"advance": 16 * 24 * 3600})
        quiet = folder.ok("drift")
        assert quiet == "No drift in drone. 1 difference expected or ignored (--all shows them).\n"
        assert "deployment.prod  has expired" in folder.ok("drift", "--all")
        document = folder.run("drift", "-o", "json").json
        found = [(d["kind"], d["policy"], d["expected"]) for d in document["drift"]]
        assert found == [("expired", policy, True)]
        plan = folder.run("plan", "--detailed-exitcode")
        assert "Changed outside ftops" not in plan.out
        if policy == "ignore":
            assert plan.code == 0 and plan.out.startswith("No changes.")
        else:
            assert "because it had expired and was deleted by the service" in plan.out
        cloud.admin("DELETE", "objects/deployments/base")  # and now somebody has deleted something
        done = folder.run("drift")
        assert done.code == 2
        assert "deployment.base  is gone" in done.out
        assert "prod" not in done.out


def test_pain_7_a_comment_is_never_too_long(tmp_path: Path) -> None:
    """Pull request comment too long (65,536 characters)."""
    folder = Folder.make(tmp_path)
    folder.ok("apply", "-y")
    many = ", ".join(f'"n{number}"' for number in range(900))
    note = "long " * 30
    folder.edit(
        "  base:\n",
        f'  many:\n    for_each: [{many}]\n    name: "d-${{each.key}}"\n'
        f"    model: gpt-4o-mini-2024-07-18\n    tags: {{note: {note}}}\n  base:\n",
    )
    folder.edit("n_epochs: 3", "n_epochs: 4")
    folder.ok("plan", "--out", "plan.ft")
    whole = folder.ok("show", "plan.ft", "-o", "markdown")
    assert len(whole) > 65_536
    comment = folder.ok("show", "plan.ft", "-o", "markdown", "--limit", "65536")
    assert 60_000 < len(comment.encode()) <= 65_536
    assert "**Left out for length:**" in comment
    assert "`ftops plan` shows everything." in comment
    assert "job.copilot  will be replaced" in comment
    assert "hyperparameters.n_epochs: 3 → 4" in comment
    assert "**Plan: 900 to create, 0 to update, 2 to replace (2 old ones deleted), 0 to delete.**" in comment
    small = folder.ok("show", "plan.ft", "-o", "markdown", "--limit", "2000")
    assert len(small) <= 2000
    assert "| ± | `job.copilot` | replace |" in small


def test_pain_10_one_approval_covers_the_whole_graph(tmp_path: Path) -> None:
    """Values unknown until apply force several applies."""
    more = """\
  second:
    model: ${job.copilot.fine_tuned_model}
    training: train
"""
    spec = SPEC.replace("jobs:\n", f"jobs:\n{more}").replace(
        "  copilot:\n    model: ${job.copilot", "  copilot:\n    model: ${job.second"
    )
    folder = Folder.make(tmp_path, spec)
    assert "known after apply: job.second.fine_tuned_model" in folder.ok("plan", "--out", "plan.ft")
    assert "6 created" in folder.ok("apply", "plan.ft")
    assert folder.run("plan", "--detailed-exitcode").code == 0
    folder.write("data/train.jsonl", examples(14, "new "))
    folder.ok("plan", "--out", "plan.ft")
    folder.ok("apply", "plan.ft")
    assert folder.run("plan", "--detailed-exitcode").code == 0
