"""An interrupted evaluation keeps its temporary deployment on record, until an apply has deleted it."""

from __future__ import annotations

import subprocess

import pytest

from tests.contract.azure_cloud import until
from tests.support import forked
from tests.support.command import FTOPS, environment
from tests.support.gated import Lab
from tests.support.nightly import by_night

CHAT = "POST *chat/completions*"


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """Whose evaluation was killed while it asked. `ftops reconcile` continues the approval of --no-wait."""
    kill(lab)
    return lab


def kill(lab: Lab) -> None:
    lab.apply("--target", "job.copilot")
    lab.cloud.fault(CHAT, after=1, delay=5.0)
    command = [*FTOPS, "apply", "-y", "--no-wait"]
    with forked.Popen(command, cwd=lab.folder.path, env=environment(), stdout=subprocess.PIPE) as process:
        until(lambda: sum(rule["hits"] for rule in lab.cloud.admin("GET", "faults")["faults"]) > 1)
        process.kill()
    lab.cloud.clear_faults()
    assert len(lab.temporary()) == 1


def without_exam(lab: Lab, more: str) -> None:
    """The spec declares neither the evaluation nor what needs it."""
    text = (lab.folder.path / "ftops.yaml").read_text(encoding="utf-8")
    lab.folder.write("ftops.yaml", text.partition("evaluations:")[0] + more)


def swept(lab: Lab, *words: str) -> None:
    """The next apply deletes what is left."""
    lab.folder.ok("apply", "-y", *words)
    assert lab.temporary() == []
    assert lab.is_settled()


@pytest.mark.parametrize("is_recorded", [False, True])
def test_state_rm_does_not_forget_it(lab: Lab, is_recorded: bool) -> None:
    (name,) = lab.temporary()
    if is_recorded:
        lab.folder.ok("apply", "-y", "--refresh-only")
        assert lab.result()["temporary"] == [name]
    for words in ([], ["--dry-run"]):
        done = lab.run("state", "rm", "job.copilot", "evaluation.exam", *words)
        assert done.code == 1, done
    said = " ".join(done.err.split())
    assert "evaluation.exam was interrupted, and may have left a temporary deployment" in said
    assert name.rpartition("-")[0] in said
    assert "hint: Run `ftops apply`, which deletes it" in said
    assert lab.record("job.copilot"), "all or nothing"
    swept(lab)
    assert lab.folder.ok("state", "rm", "evaluation.exam") == "Forgot evaluation.exam\n"


def test_an_interrupted_evaluation_goes_on_without_a_retry(lab: Lab) -> None:
    done = lab.run("reconcile")
    assert done.code == 0, done
    assert lab.temporary() == [] and lab.result()["verdict"] == "better"


def test_state_rm_forgets_it_by_force(lab: Lab) -> None:
    assert lab.folder.ok("state", "rm", "--force", "evaluation.exam") == "Forgot evaluation.exam\n"
    assert lab.run("state", "list").out == "dataset.train\njob.copilot\n"
    lab.folder.ok("apply", "-y")
    assert len(lab.temporary()) == 1, "nobody knows of it any more"


@pytest.mark.parametrize("how", by_night(["mv", "moved", "renamed"], lambda how: how == "mv"))
def test_it_follows_to_another_address(lab: Lab, how: str) -> None:
    lab.folder.edit("  exam: {", "  test: {")
    lab.folder.edit("{evaluation: exam}", "{evaluation: test}")
    if how == "mv":
        lab.folder.ok("state", "mv", "evaluation.exam", "evaluation.test")
    elif how == "moved":
        path = lab.folder.path / "ftops.yaml"
        block = "moved: [{from: evaluation.exam, to: evaluation.test}]\n"
        lab.folder.write("ftops.yaml", path.read_text(encoding="utf-8") + block)
    swept(lab)
    assert lab.result("evaluation.test")["verdict"] == "better"


@pytest.mark.parametrize("is_recorded", by_night([False, True], lambda is_recorded: not is_recorded))
@pytest.mark.parametrize(
    "more",
    [
        "removed: [{from: evaluation.exam}]\n",
        "removed: [{from: evaluation.exam, retain: true}]\n",
    ],
)
def test_a_removed_block_deletes_it(lab: Lab, more: str, is_recorded: bool) -> None:
    if is_recorded:
        lab.folder.ok("apply", "-y", "--refresh-only")
    without_exam(lab, more)
    swept(lab)


@pytest.mark.parametrize("verb", by_night(["destroy", "apply"], lambda verb: verb == "destroy"))
def test_a_record_that_is_retained_leaves_nothing(lab: Lab, verb: str) -> None:
    swept(lab)
    lab.spec(exam="model: '${job.copilot.fine_tuned_model}', lifecycle: {on_destroy: retain}")
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    kill(lab)
    if verb == "apply":
        without_exam(lab, "")
    lab.folder.ok(verb, "-y")
    assert lab.temporary() == []


@pytest.mark.parametrize("words", [("--exclude", "evaluation.exam"), ("--target", "job.copilot")])
def test_it_stays_on_record_where_it_is_left_out(lab: Lab, words: tuple[str, str]) -> None:
    lab.folder.ok("apply", "-y", *words)
    assert len(lab.temporary()) == 1
    swept(lab)


def test_it_is_deleted_with_what_it_evaluates(lab: Lab) -> None:
    lab.folder.ok("destroy", "-y", "--target", "job.copilot")
    assert lab.temporary() == []
    assert lab.record() is None
