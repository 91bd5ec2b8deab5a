"""Plans that are saved, shown and applied: just what was read is done, or it is refused."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest

from ftops.planning.saved.plan_file import PLAN_FILE_VERSION
from tests.golden.cli import SPEC, Done, Folder, examples, golden
from tests.support.command import run

OTHER = """\
  other:
    model: gpt-4o-mini-2024-07-18
    training: valid
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "here")


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.ok("apply", "-y")
    return folder


def saved(folder: Folder, *arguments: str) -> str:
    """Plans into a file; the digest."""
    out = folder.ok("plan", "--out", "plan.ft", *arguments)
    assert out.endswith("Saved to plan.ft. To apply it: ftops apply plan.ft\n")
    return out.partition("Digest: ")[2].split()[0]


def refused(done: Done, *said: str) -> None:
    assert done.code == 3, done
    assert "the saved plan is stale" in done.err
    for words in said:
        assert words in " ".join(done.err.split()), done.err


def serial(folder: Folder) -> int:
    return int(folder.run("show", "-o", "json").json["serial"])


def test_what_was_planned_is_applied_without_asking(folder: Folder) -> None:
    saved(folder)
    assert "5 created" in folder.ok("apply", "plan.ft")
    assert folder.ok("plan").startswith("No changes.")


def test_it_is_shown_without_its_spec(applied: Folder) -> None:
    applied.edit("n_epochs: 3", "n_epochs: 4")
    digest = saved(applied)
    shutil.move(applied.path / "plan.ft", applied.path.parent / "plan.ft")
    shutil.rmtree(applied.path)
    elsewhere = Folder(applied.path.parent)
    shown = elsewhere.ok("show", "plan.ft")
    golden("show-plan", re.sub(r"created at \S+Z", "created at <time>", shown))
    document = elsewhere.run("show", "plan.ft", "-o", "json").json
    assert document["digest"] == digest
    assert document["summary"]["replace"] == 2


def test_a_saved_plan_is_drawn_as_the_plan_that_was_read(folder: Folder) -> None:
    folder.edit(
        "    suffix: copilot", "    suffix: copilot\n    integrations: [{type: wandb, wandb: {project: p}}]"
    )
    folder.edit("  base:\n", "  base:\n    tags: {zone: b, area: c}\n")
    for arguments in ((), ("--replace", "job.copilot"), ("--destroy",)):
        read = folder.ok("plan", "--out", "plan.ft", *arguments).splitlines()
        assert folder.ok("show", "plan.ft").splitlines()[2:] == read[:-1]
        folder.ok("apply", "-y")


def test_a_plan_that_cannot_be_applied_is_not_saved(folder: Folder) -> None:
    saved(folder)
    before = (folder.path / "plan.ft").read_bytes()
    folder.edit("{name: drone}", "{name: drone, budget: {training: 0.0000001}}")
    folder.edit("m: {type: memory}", "m: {type: emulator, data: cloud}")
    done = folder.run("plan", "--offline", "--out", "plan.ft")
    assert done.code == 3
    assert done.out.endswith("Not saved: this plan can't be applied\n")
    assert (folder.path / "plan.ft").read_bytes() == before
    assert folder.run("plan", "--offline", "--out", "none.ft", "-o", "json").code == 3
    assert not (folder.path / "none.ft").exists()


def test_the_second_time_it_has_been_applied_already(folder: Folder) -> None:
    saved(folder)
    folder.ok("apply", "plan.ft")
    done = folder.run("apply", "plan.ft")
    assert done.code == 3
    assert "the saved plan has been applied already" in done.err
    assert "the result was: done" in done.err
    assert "Nothing is left to do" in done.err


def test_after_the_state_changed_an_applied_plan_says_that_it_is_stale_as_well(folder: Folder) -> None:
    saved(folder)
    folder.ok("apply", "plan.ft")
    folder.ok("destroy", "-y")
    done = folder.run("apply", "plan.ft")
    assert done.code == 3
    assert "The state has changed since, so the plan is stale as well" in done.err
    assert "Nothing is left to do" not in done.err


def test_after_a_kill_it_goes_on(folder: Folder) -> None:
    saved(folder)
    command = [sys.executable, "-m", "tests.support.kill_at", "2", "after", "--", "apply", "plan.ft"]
    killed = run(command, folder.path)
    assert killed.returncode == -signal.SIGKILL
    done = folder.run("apply", "plan.ft")
    assert done.code == 0
    assert "Continues v2:sha256:" in done.err
    assert folder.ok("plan").startswith("No changes.")


def test_after_a_kill_and_another_change_it_says_that_its_run_was_killed(folder: Folder) -> None:
    saved(folder)
    command = [sys.executable, "-m", "tests.support.kill_at", "4", "after", "--", "apply", "plan.ft"]
    run(command, folder.path)
    folder.ok("state", "rm", "dataset.train")
    done = folder.run("apply", "plan.ft")
    assert done.code == 3
    assert "that run was killed before its end" in done.err


def test_without_its_audit_log_the_second_time_is_stale_at_least(folder: Folder) -> None:
    saved(folder)
    folder.ok("apply", "plan.ft")
    (folder.path / "state" / "drone" / "default.audit.jsonl").unlink()
    refused(folder.run("apply", "plan.ft"), "The state went from serial 0 to")


def test_stale_when_a_resource_of_it_moved(applied: Folder) -> None:
    applied.edit("default: 20", "default: 30")
    saved(applied)
    before = serial(applied)
    applied.ok("apply", "-y", "--target", "deployment.base")
    after = serial(applied)
    moved = f"The state went from serial {before} to {after}."
    refused(applied.run("apply", "plan.ft"), "changed by another run: deployment.base", moved)


def test_stale_when_what_it_depends_on_moved(applied: Folder) -> None:
    applied.edit("default: 20", "default: 30")
    saved(applied, "--target", "deployment.copilot")
    applied.ok("apply", "-y", "--replace", "job.copilot", "--target", "job.copilot")
    refused(applied.run("apply", "plan.ft"), "changed by another run: job.copilot")


def test_carried_over_when_only_others_moved(applied: Folder) -> None:
    applied.edit("jobs:\n", f"jobs:\n{OTHER}")
    applied.edit("default: 20", "default: 30")
    digest = saved(applied, "--target", "deployment.base")
    applied.ok("apply", "-y", "--target", "job.other")
    out = applied.ok("apply", "plan.ft", "--expect-digest", digest)
    assert "0 created, 1 updated" in out
    assert applied.run("plan", "-o", "json").json["summary"]["update"] == 1
    state = applied.run("show", "-o", "json").json
    assert "job.other" in {r["address"] for r in state["resources"]}


def test_carried_over_onto_a_state_that_others_began(folder: Folder) -> None:
    saved(folder, "--target", "deployment.base")
    folder.ok("apply", "-y", "--target", "dataset.train")
    assert "1 created" in folder.ok("apply", "plan.ft")


def test_stale_when_it_would_be_planned_differently_now(applied: Folder) -> None:
    """The old model was in no one's way; now somebody deploys it."""
    applied.edit("deployments:\n", "deployments:\n  more:\n    model: ${job.copilot.fine_tuned_model}\n")
    applied.edit("n_epochs: 3", "n_epochs: 4")
    saved(applied, "--target", "deployment.copilot")
    applied.edit("n_epochs: 4", "n_epochs: 3")
    applied.ok("apply", "-y", "--target", "deployment.more")
    applied.edit("n_epochs: 3", "n_epochs: 4")
    refused(applied.run("apply", "plan.ft"), "would be planned differently now")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 105", "seed: 106", "changed in the spec: job.copilot"),
        (
            "{type: memory}",
            "{type: memory}\n  more: {type: memory, default: true}",
            "job.copilot, 1 more",
        ),
        ("  name: ${", "  id: ${", "changed in the spec: output id, output name"),
    ],
)
def test_stale_when_the_spec_changed(applied: Folder, old: str, new: str, said: str) -> None:
    applied.edit("default: 20", "default: 30")
    saved(applied)
    applied.edit(old, new)
    refused(applied.run("apply", "plan.ft"), said)


def test_the_layout_of_the_spec_is_no_change(applied: Folder) -> None:
    applied.edit("default: 20", "default: 30")
    saved(applied)
    applied.edit("jobs:\n", "\n# trained at night\njobs:\n")
    applied.ok("apply", "plan.ft")


def test_stale_when_the_data_changed(folder: Folder) -> None:
    saved(folder)
    folder.write("data/valid.jsonl", examples(10, "other "))
    refused(folder.run("apply", "plan.ft"), "changed files: data/valid.jsonl (dataset.valid)")
    assert folder.ok("state", "list") == ""


def test_another_state_is_refused(applied: Folder, tmp_path: Path) -> None:
    applied.edit("default: 20", "default: 30")
    saved(applied)
    shutil.rmtree(applied.path / "state")
    refused(applied.run("apply", "plan.ft"), "run: deployment.base, deployment.copilot")
    applied.ok("apply", "-y")
    applied.edit("default: 30", "default: 20")
    saved(applied)
    state = applied.ok("state", "pull")
    applied.write("other.json", state.replace(json.loads(state)["lineage"], "another"))
    shutil.rmtree(applied.path / "state")
    applied.ok("state", "push", "other.json")
    refused(applied.run("apply", "plan.ft"), "the state was removed or replaced")


def test_variables_that_were_given_are_in_it(folder: Folder) -> None:
    folder.write("vars.yaml", "capacity: 44\n")
    folder.ok("plan", "ftops.yaml", "--var-file", "vars.yaml", "--out", "plan.ft")
    folder.ok("apply", "plan.ft")
    folder.ok("plan", "ftops.yaml", "--var", "capacity=45", "--out", "plan.ft")
    assert "2 updated" in folder.ok("apply", "plan.ft")
    done = folder.run("plan", "ftops.yaml", "--out", "plan.ft", environ={"FTOPS_VAR_capacity": "46"})
    assert done.code == 0
    assert "2 updated" in folder.ok("apply", "plan.ft")
    assert "sku.capacity: 46 → 20" in folder.ok("plan", "ftops.yaml")


def test_a_default_that_changed_is_noticed(folder: Folder) -> None:
    saved(folder)
    folder.edit("default: 20", "default: 21")
    refused(folder.run("apply", "plan.ft"), "changed in the spec: deployment.base")


def test_another_checkout_may_apply_it(folder: Folder, tmp_path: Path) -> None:
    saved(folder)
    there = Folder(tmp_path / "there")
    shutil.copytree(folder.path, there.path)
    shutil.rmtree(folder.path)
    assert "5 created" in there.ok("apply", "plan.ft")


def test_environments(folder: Folder) -> None:
    folder.edit("variables:\n", "environments:\n  prod: {variables: {capacity: 50}}\n\nvariables:\n")
    folder.ok("plan", "--env", "prod", "--out", "plan.ft")
    done = folder.run("apply", "plan.ft", "--env", "default")
    assert (done.code, "the plan is for the environment prod" in done.err) == (1, True)
    folder.ok("apply", "plan.ft")
    assert folder.ok("state", "list") == ""
    assert "deployment.base" in folder.ok("state", "list", "--env", "prod")


def test_destroy_and_refresh_only(applied: Folder) -> None:
    applied.ok("plan", "--refresh-only", "--out", "plan.ft")
    applied.ok("apply", "plan.ft")
    saved(applied, "--destroy")
    (applied.path / "data" / "train.jsonl").unlink()
    assert "5 deleted" in applied.ok("apply", "plan.ft")


def test_a_blocked_plan_is_saved_to_be_shown_and_not_applied(applied: Folder) -> None:
    """Protection leaves no plan at all; what preflight found is part of one."""
    applied.edit("    suffix: copilot", "    suffix: copilot\n    lifecycle: {prevent_destroy: true}")
    applied.ok("apply", "-y")
    applied.edit("seed: 105", "seed: 106")
    assert applied.run("plan", "--out", "plan.ft").code == 3
    assert not (applied.path / "plan.ft").exists()


# secrets

SECRET = SPEC.replace("  capacity: {", "  key: {type: string, sensitive: true}\n  capacity: {").replace(
    "  base:\n", '  base:\n    tags: {owner: "${env.OWNER}", key: "${var.key}"}\n'
)


def test_secrets_are_asked_for_again_and_have_to_be_the_same(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, SECRET)
    environ = {"OWNER": "canary-one", "FTOPS_VAR_key": "canary-two"}
    assert folder.run("plan", "--out", "plan.ft", environ=environ).code == 0
    assert "canary" not in (folder.path / "plan.ft").read_text("utf-8")
    assert "canary" not in folder.ok("show", "plan.ft")
    other = folder.run("apply", "plan.ft", environ={**environ, "OWNER": "canary-three"})
    refused(other, "changed secrets: ${env.OWNER}")
    assert folder.run("apply", "plan.ft", environ={"OWNER": "canary-one"}).code == 1
    done = folder.run("apply", "plan.ft", "--var", "key=canary-two", environ={"OWNER": "canary-one"})
    assert done.code == 0, done
    assert "canary" not in done.out + done.err


# encryption

KEYS = {"KEY": "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=", "OTHER": "0" * 64}


def test_a_plan_is_encrypted_where_its_state_is(tmp_path: Path) -> None:
    sealed = SPEC.replace(
        "ftops: {name: drone}", 'ftops: {name: drone, state: {encryption: {key: "${env.KEY}"}}}'
    )
    folder = Folder.make(tmp_path, sealed)

    def run(*arguments: str, **environ: str) -> Done:
        return folder.run(*arguments, environ={**KEYS, **environ})

    assert run("plan", "--out", "plan.ft").code == 0
    text = (folder.path / "plan.ft").read_text("utf-8")
    assert "copilot" not in text
    assert run("show", "plan.ft").out.startswith("Saved plan of drone")
    wrong = run("apply", "plan.ft", KEY=KEYS["OTHER"])
    assert wrong.code == 1
    assert "Traceback" not in wrong.err
    folder.write("other.ft", text.replace('"spec": "drone"', '"spec": "drome"'))
    assert "damaged" in lines(run("show", "other.ft"))
    assert "5 created" in run("apply", "plan.ft").out
    folder.write("away/plan.ft", text)
    for command in ("show", "apply"):
        away = folder.run("-C", "away", command, "plan.ft", environ=KEYS)
        assert away.code == 1
        assert "the saved plan is encrypted: plan.ft" in away.err
        assert "Its key is named in the spec drone that it was made from, and there is none in" in lines(away)
        assert "`ftops -C FOLDER …`; the path of the plan starts there" in lines(away)
    assert run("-C", str(folder.path), "show", "away/plan.ft").out.startswith("Saved plan of drone")
    folder.write("away/ftops.yaml", sealed.replace("name: drone", "name: glider"))
    other = folder.run("-C", "away", "show", "plan.ft", environ=KEYS)
    assert "and . is the spec glider" in lines(other)


@pytest.mark.parametrize("given", [(), ("--var", "capacity=30")])
def test_a_variable_of_another_value_is_named(folder: Folder, given: tuple[str, ...]) -> None:
    assert folder.run("plan", "--out", "plan.ft", *given).code == 0
    done = folder.run("apply", "plan.ft", "--var", "capacity=25")
    assert done.code == 3
    said = " ".join(done.err.split())
    assert "the variable capacity has another value than when it was planned" in said


def test_a_plan_is_not_applied_where_its_spec_is_not(folder: Folder) -> None:
    saved(folder)
    folder.write("away/plan.ft", (folder.path / "plan.ft").read_text("utf-8"))
    assert folder.ok("-C", "away", "show", "plan.ft").startswith("Saved plan of drone")
    away = folder.run("-C", "away", "apply", "plan.ft")
    assert away.code == 1
    assert "the spec of the plan isn't here: ." in lines(away)


@pytest.mark.parametrize("name", ["key", "fallback"])
def test_a_key_that_is_none_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    keys = {"key": "${env.KEY}", name: "${env.BAD}"}
    written = ", ".join(f'{key}: "{value}"' for key, value in keys.items())
    state = f"ftops: {{name: drone, state: {{encryption: {{{written}}}}}}}"
    folder = Folder.make(tmp_path, SPEC.replace("ftops: {name: drone}", state))
    for command in (("plan",), ("apply", "-y"), ("state", "list")):
        done = folder.run(*command, environ={**KEYS, "BAD": "canary-too-short"})
        assert f"`encryption.{name}` isn't a valid encryption key --> ftops.yaml:1:" in lines(done)
        assert "canary" not in done.err


# digests


def test_an_expected_digest_is_an_approval(folder: Folder) -> None:
    digest = saved(folder)
    assert "5 created" in folder.ok("apply", "--expect-digest", digest)


def test_another_digest_is_refused_with_3(folder: Folder) -> None:
    digest = saved(folder)
    folder.edit("seed: 105", "seed: 106")
    for arguments in ((), ("-y",)):
        done = folder.run("apply", *arguments, "--expect-digest", digest)
        assert done.code == 3
        assert "this isn't the expected plan" in done.err
        assert "differs in what it does or where" in " ".join(done.err.split())
    assert folder.ok("state", "list") == ""


def test_a_digest_outlives_unrelated_runs(applied: Folder) -> None:
    applied.edit("default: 20", "default: 30")
    digest = saved(applied, "--target", "deployment.base")
    applied.ok("apply", "-y", "--target", "deployment.copilot")
    applied.ok("apply", "--target", "deployment.base", "--expect-digest", digest)


# bad input


def lines(done: Done) -> str:
    assert done.code == 1, done
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


@pytest.mark.parametrize("command", ["show", "apply"])
def test_files_that_are_no_plan(folder: Folder, command: str) -> None:
    saved(folder)
    plan = folder.path / "plan.ft"
    text = plan.read_text("utf-8")
    for damaged in (text.replace("copilot", "copiloT", 1), text[: len(text) // 2], text + "\n", text[:-2]):
        plan.write_text(damaged, "utf-8")
        assert "the saved plan is damaged: plan.ft" in lines(folder.run(command, "plan.ft"))
    for nothing in ("", "{}", "{\n", "jobs: {}\n", "x" * 300, text[2:]):
        plan.write_text(nothing, "utf-8")
        assert "not a saved plan: plan.ft" in lines(folder.run(command, "plan.ft"))
    plan.write_bytes(b"\xff\xfe\x00")
    assert "not a saved plan: plan.ft" in lines(folder.run(command, "plan.ft"))
    later = text.replace(f'"ftops_plan": {PLAN_FILE_VERSION}', '"ftops_plan": 99')
    plan.write_text(later, "utf-8")
    assert "has version 99" in lines(folder.run(command, "plan.ft"))
    assert folder.ok("state", "list") == ""


def test_a_plan_in_a_yaml_file_is_known_by_its_content(folder: Folder) -> None:
    folder.ok("plan", "--out", "plan.yaml", "ftops.yaml")
    assert folder.ok("show", "plan.yaml").startswith("Saved plan of drone")


def test_it_is_not_put_anywhere(folder: Folder) -> None:
    for place in ("no/such/folder/plan", "data"):
        done = folder.run("plan", "--out", place)
        assert done.code == 1
        assert "Traceback" not in done.err
    assert not (folder.path / "no").exists()
    assert sorted(p.name for p in (folder.path / "data").iterdir()) == ["train.jsonl", "valid.jsonl"]
    assert not [p for p in folder.path.iterdir() if p.name.endswith(".tmp")]


def test_a_saved_plan_takes_no_wishes(folder: Folder) -> None:
    saved(folder)
    for option in (("--target", "job.copilot"), ("--destroy",), ("--no-refresh",), ("--offline",)):
        assert "a saved plan is applied as it is" in lines(folder.run("apply", "plan.ft", *option))
    (folder.path / "sub").mkdir()
    done = folder.run("-C", "sub", "apply", "../plan.ft")
    assert done.code == 1


def test_a_digest_has_a_form(folder: Folder) -> None:
    assert "--expect-digest needs" in lines(folder.run("apply", "--expect-digest", "sha256:12"))


@pytest.mark.parametrize("name", ["data/train.jsonl", "ftops.yaml", "notes"])
def test_no_other_file_is_overwritten(folder: Folder, name: str) -> None:
    folder.write("notes", "mine\n")
    before = (folder.path / name).read_bytes()
    refused = folder.run("plan", "--out", name)
    assert (refused.code, refused.out) == (1, "")
    assert f"{name} exists and isn't a saved plan" in refused.err
    assert (folder.path / name).read_bytes() == before


def test_a_saved_plan_may_be_overwritten(folder: Folder) -> None:
    folder.ok("plan", "--out", "plan.ft")
    folder.edit("seed: 105", "seed: 106")
    folder.ok("plan", "--out", "plan.ft")
    assert "5 created" in folder.ok("apply", "plan.ft")


def test_variables_are_kept_as_they_were_written(folder: Folder) -> None:
    folder.edit("variables:\n", "variables:\n  cfg: {type: map}\n  tag: {default: none}\n")
    folder.edit("  base:\n", "  base:\n    tags: {v: '${var.cfg.v}', t: '${var.tag}'}\n")
    given = ("--var", "cfg={v: 0613, n: [1.10, '7', no, null]}", "--var", "tag=1.10")
    folder.ok("plan", "--out", "plan.ft", *given)
    assert "5 created" in folder.ok("apply", "plan.ft")
    shown = folder.ok("state", "show", "deployment.base")
    assert '"0613"' in shown
    assert '"1.10"' in shown
