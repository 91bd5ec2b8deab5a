"""Previews: environments that expire, and `ftops gc`, which deletes them with all that they made.

The service is an emulator. A preview with the `ttl` OVER has expired as soon as it is applied. Numbers of
pitfalls are those that users of such tools meet when they have previews of pull requests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.state.backends.base import lock_info
from ftops.state.backends.local import LocalStore
from ftops.state.entries import Begun
from ftops.state.live_state import fold
from ftops.state.state import Operation, PendingOperation, State
from tests.contract.azure_cloud import BASE_MODEL, Cloud
from tests.golden.cli import Done, Folder
from tests.support.command import run
from tests.support.gated import emptied

OVER, LATER = "0.01s", "72h"
PROD = '{pattern: "prod*", ttl: 0.01s}'


@dataclass(frozen=True)
class Scene:
    """A spec with previews in a folder, and the account."""

    folder: Folder
    cloud: Cloud

    def spec(self, ttl: str = OVER, environments: str = "", deployment: str = "", more: str = "") -> None:
        provider = f"{{type: emulator, url: '{self.cloud.url}', api_key: '{self.cloud.key}'}}"
        preview = f'pr: {{pattern: "pr-*", ttl: {ttl}, sample: 10}}' if ttl else 'pr: {pattern: "pr-*"}'
        self.folder.write(
            "ftops.yaml",
            f"ftops: {{name: scene}}\nproviders: {{here: {provider}}}\n"
            f"environments: {{{environments or f'prod: {{}}, {preview}'}}}\n"
            "datasets: {train: {path: data/train.jsonl}}\n"
            f"jobs: {{copilot: {{model: {BASE_MODEL}, training: train, hyperparameters: {{n_epochs: 1}}}}}}\n"
            f'deployments:\n  copilot: {{model: "${{job.copilot.fine_tuned_model}}"{deployment}}}\n{more}',
        )

    def run(self, *words: str, code: int = 0, **environ: str) -> Done:
        done = self.folder.run(*words, environ=environ)
        assert done.code == code, done
        assert "Traceback" not in done.err
        return done

    def apply(self, name: str, *words: str, code: int = 0) -> Done:
        return self.run("apply", "-y", "--env", name, *words, code=code)

    def gc(self, *words: str, code: int = 0) -> dict[str, str]:
        """The result for each preview."""
        done = self.run("gc", "-y", "-o", "json", *(words or ("--expired",)), code=code)
        assert done.json["exit_code"] == code
        return {one["environment"]: one["result"] for one in done.json["previews"]}

    def store(self, name: str) -> LocalStore:
        return LocalStore(self.folder.path / "state", "scene", name)

    def left(self) -> dict[str, list[str]]:
        """What the account holds: the names of deployments and models, and files for training."""
        objects = self.cloud.admin("GET", "objects")
        return {
            "deployments": sorted(one["name"] for one in objects["deployments"]),
            "models": sorted(one["id"].partition(".ft-")[2][33:] for one in objects["models"]),
            "files": sorted(one["id"] for one in objects["files"] if one["purpose"] == "fine-tune"),
        }

    def states(self) -> set[str]:
        folder = self.folder.path / "state" / "scene"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()


@pytest.fixture
def scene(tmp_path: Path, account: Cloud) -> Iterator[Scene]:
    with emptied(account) as cloud:
        scene = Scene(Folder.make(tmp_path / "here"), cloud)
        scene.spec()
        yield scene


NOTHING: dict[str, list[str]] = {"deployments": [], "models": [], "files": []}
REMOVED = {".spec", "pr-1.audit.jsonl"}


def test_a_preview_expires_and_leaves_only_its_audit_log(scene: Scene) -> None:
    scene.apply("prod", "--no-adopt")
    before = scene.left()
    assert before["deployments"] == ["copilot"]
    scene.apply("pr-1", "--no-adopt")
    assert scene.left()["deployments"] == ["copilot", "pr-1-copilot"]
    assert scene.left()["models"] == ["", "pr-1"]
    scene.run("plan", "--save", "--env", "pr-1")
    assert "everything is deleted after" in scene.run("show", "--env", "pr-1").out
    dry = scene.run("gc", "--expired", "--dry-run")
    assert "deployment.copilot" in dry.out
    assert scene.left()["deployments"] == ["copilot", "pr-1-copilot"]
    assert scene.gc() == {"pr-1": "deleted"}
    assert scene.left() == before
    assert {name for name in scene.states() if name.startswith("pr-")} == {"pr-1.audit.jsonl"}
    assert not list((scene.folder.path / "state" / "plans" / "scene" / "pr-1").iterdir())
    assert scene.gc() == {}
    assert "gc" in scene.run("audit", "--env", "pr-1").out


def test_each_apply_renews_also_without_changes(scene: Scene) -> None:
    scene.apply("pr-1")
    over = scene.store("pr-1").read().expires_at
    scene.spec(LATER)
    done = scene.apply("pr-1")
    assert "everything is deleted 72h after the last apply" in done.out
    assert scene.store("pr-1").read().expires_at > over
    assert scene.gc() == {"pr-1": "kept"}
    assert scene.run("plan", "--env", "pr-1", "-o", "json").json["ttl"] == "72h"
    assert "Preview: everything is deleted 72h" in scene.run("plan", "--env", "pr-1", "-o", "markdown").out
    assert scene.gc("--env", "pr-1", "--expired") == {"pr-1": "kept"}
    assert scene.gc("--env", "pr-1") == {"pr-1": "deleted"}
    assert scene.left() == NOTHING


def test_pitfall_23_gc_needs_no_branch_and_no_declaration(scene: Scene) -> None:
    """The pull request was closed with conflicts, and its branch is gone."""
    scene.apply("pr-1")
    scene.spec(environments="prod: {}")
    assert scene.gc() == {"pr-1": "deleted"}
    assert (scene.left(), scene.states()) == (NOTHING, REMOVED)


@pytest.mark.parametrize(
    "environments",
    [f"p: {PROD}", f"prod: {PROD}, p: {PROD}", f"preview: {PROD}"],
    ids=["undeclared", "its own name", "another name"],
)
def test_pitfall_23_gc_never_touches_prod(scene: Scene, environments: str) -> None:
    """A pull request that declares a pattern for prod, so that it would expire."""
    scene.apply("prod-eu", code=1)
    scene.spec(environments="prod-eu: {}")
    scene.apply("prod-eu")
    before = scene.left()
    scene.spec(environments=environments)
    why = "was made to stay" if environments.count("pattern") == 1 else "matches more than one"
    for words in (("apply", "-y"), ("plan",)):
        done = scene.folder.run(*words, "--env", "prod-eu")
        assert (done.code in (1, 3), why in done.words) == (True, True)
    assert scene.gc() == {}
    assert scene.gc("--env", "prod-eu", code=1) == {"prod-eu": "refused"}
    assert (scene.left(), scene.store("prod-eu").read().expires_at) == (before, "")


def test_a_spec_cannot_shorten_the_life_of_another_environment(scene: Scene) -> None:
    scene.spec(LATER)
    scene.apply("pr-1")
    scene.spec(OVER)
    assert scene.gc() == {"pr-1": "kept"}


def test_pitfall_23_closing_does_not_build_it_again(scene: Scene) -> None:
    scene.apply("pr-1")
    scene.gc("--env", "pr-1")
    created = scene.cloud.admin("GET", "objects")["created"]
    assert scene.gc("--env", "pr-1") == {}
    assert scene.cloud.admin("GET", "objects")["created"] == created


def test_without_a_ttl_nothing_expires(scene: Scene) -> None:
    scene.spec(ttl="")
    scene.apply("pr-1")
    assert scene.gc() == {}
    assert scene.gc("--env", "pr-1", code=1) == {"pr-1": "refused"}


def test_to_stay_for_good_is_a_step_of_a_plan(scene: Scene) -> None:
    scene.apply("pr-1")
    ending = scene.run("plan", "--env", "pr-1", "--save", "-o", "json").json["digest"]
    scene.spec(ttl="")
    plan = scene.run("plan", "--env", "pr-1", "--no-refresh")
    assert "No longer a preview: it stays for good." in plan.out
    assert scene.run("plan", "--env", "pr-1", "-o", "json").json["digest"] != ending
    scene.run("apply", "--env", "pr-1", code=1)
    assert scene.store("pr-1").read().expires_at
    scene.apply("pr-1")
    assert scene.gc() == {}


def test_what_is_protected_stays_and_others_go(scene: Scene) -> None:
    scene.apply("pr-1")
    scene.spec(deployment=", lifecycle: {prevent_destroy: true}")
    assert "will outlive its environment" in scene.apply("pr-2").err
    scene.spec()  # what is recorded counts, not the spec of the working copy
    assert scene.gc(code=1) == {"pr-1": "deleted", "pr-2": "refused"}
    assert scene.left()["deployments"] == ["pr-2-copilot"]


def test_a_run_in_progress_is_left_alone(scene: Scene) -> None:
    scene.apply("pr-1")
    with scene.store("pr-1").lock(lock_info("a", "apply", "now")):
        done = scene.run("gc", "-y", "--expired", code=4)
        assert "pr-1: in use" in done.out
        assert "process" in done.words
    assert scene.gc() == {"pr-1": "deleted"}


def test_jobs_in_progress_are_cancelled(scene: Scene) -> None:
    scene.cloud.admin("PATCH", "settings", {"min_training_seconds": 9 * 3600})
    scene.apply("pr-1", "--no-wait", code=4)
    assert scene.gc() == {"pr-1": "deleted"}
    assert (scene.left(), scene.states()) == (NOTHING, REMOVED)


def test_what_was_imported_is_only_forgotten(scene: Scene) -> None:
    """By hand; `import` blocks have no effect."""
    none = "environments: {pr: {pattern: 'pr-*', ttl: 0.01s}}\n"
    head = (scene.folder.path / "ftops.yaml").read_text().partition("environments")[0]
    scene.folder.write("ftops.yaml", head + none)
    scene.apply("pr-1")
    scene.folder.write("ftops.yaml", head + none + "datasets: {train: {path: data/train.jsonl}}\n")
    scene.run("apply", "-y")
    before = scene.left()
    scene.run("import", "dataset.train", before["files"][0], "--env", "pr-1")
    scene.apply("pr-1")
    assert scene.store("pr-1").read().resources[Address("dataset", "train")].remote_id == before["files"][0]
    assert scene.gc() == {"pr-1": "deleted"}
    assert scene.left() == before


def test_an_import_block_for_prod_takes_nothing_from_it(scene: Scene) -> None:
    """The deployment has another name in a preview: it would be replaced, and that of prod deleted."""
    scene.apply("prod")
    before, recorded = scene.left(), scene.store("prod").read().resources
    blocks = ", ".join(f"{{to: {a}, id: '{one.remote_id}'}}" for a, one in recorded.items())
    scene.spec(more=f"import: [{blocks}]\n")
    done = scene.apply("pr-1")
    assert "deployment.copilot isn't imported: `pr-1` expires, and has no objects of others" in done.words
    assert scene.left()["deployments"] == ["copilot", "pr-1-copilot"]
    assert "isn't imported" not in scene.run("plan", "--env", "pr-1", "--no-refresh").words
    assert scene.gc() == {"pr-1": "deleted"}
    assert scene.left() == before
    assert "No changes." in scene.run("plan", "--env", "prod").out


def test_previews_adopt_nothing_from_each_other(scene: Scene) -> None:
    for name in ("pr-1", "pr-2"):
        scene.apply(name)
    assert len(scene.left()["files"]) == 2
    assert scene.gc("--env", "pr-1") == {"pr-1": "deleted"}
    assert "No changes." in scene.run("plan", "--env", "pr-2").out
    assert scene.gc() == {"pr-2": "deleted"}
    assert scene.left() == NOTHING


def test_a_file_that_another_environment_has_adopted_stays(scene: Scene) -> None:
    scene.spec(environments=f'prod: {{}}, pr: {{pattern: "pr-*", ttl: {OVER}}}')
    scene.apply("pr-1")
    (file,) = scene.left()["files"]
    scene.apply("prod")
    assert scene.store("prod").read().resources[Address("dataset", "train")].remote_id == file
    assert scene.gc() == {"pr-1": "deleted"}
    assert scene.left() == {"deployments": ["copilot"], "models": [""], "files": [file]}
    scene.run("plan", "--env", "prod", "--detailed-exitcode")


def test_a_local_state_from_elsewhere_is_refused(scene: Scene) -> None:
    """A checkout with a state that lists objects of others as an expired preview."""
    scene.apply("prod")
    before, prod = scene.left(), scene.store("prod").read()
    scene.store("pr-1").write(replace(prod, expires_at="2026-01-01T00:00:00Z"))
    done = scene.run("gc", "-y", "--expired", code=1)
    assert "can't be trusted here" in done.words
    assert scene.left() == before


@pytest.mark.parametrize("kind", ["resources", "deposed", "pending"])
def test_objects_that_somebody_else_has_put_into_its_state_are_refused(scene: Scene, kind: str) -> None:
    """A branch with a state in Git, in which a preview of this machine lists objects of prod."""
    scene.apply("prod")
    scene.apply("pr-1")
    before, prod, mine = scene.left(), scene.store("prod").read().resources, scene.store("pr-1").read()
    job = prod[Address("job", "copilot")]
    intent = PendingOperation(
        job.address, Operation.CREATE, job.provider, job.token, job.inputs, account=job.account
    )
    forged: dict[str, State] = {
        "resources": replace(mine, resources=prod),
        "deposed": replace(mine, deposed={(job.address, "0"): job}),
        "pending": replace(mine, pending={job.address: intent}),
    }
    scene.store("pr-1").write(forged[kind])
    assert scene.gc(code=1) == {"pr-1": "refused"}
    assert scene.left() == before
    scene.store("pr-1").write(mine)
    assert scene.gc() == {"pr-1": "deleted"}


def test_nothing_is_deleted_through_a_link(scene: Scene) -> None:
    """A checkout whose link takes the place of the versions of a state."""
    mine = scene.folder.path / "mine"
    mine.mkdir()
    (mine / "1.json").write_text("{}")
    store = scene.store("pr-1")
    history = store.snapshot_path.with_suffix(".history")
    history.parent.mkdir(parents=True)
    history.symlink_to(mine, target_is_directory=True)
    store.write_snapshot(State("lineage", 3))
    store.remove()
    assert (mine / "1.json").read_text() == "{}"
    assert not store.snapshot_path.exists()


def test_a_preview_of_an_untrusted_spec_is_planned(scene: Scene) -> None:
    scene.spec(environments=f'pr: {{pattern: "pr-*", ttl: {LATER}, tier: developer}}')
    done = scene.run("plan", "--untrusted", "--env", "pr-1")
    assert "everything is deleted 72h after the last apply" in done.out


def test_a_broken_state_does_not_keep_others(scene: Scene) -> None:
    for name in ("pr-1", "pr-2"):
        scene.apply(name)
    scene.store("pr-1").snapshot_path.write_text("{")
    assert scene.gc(code=1) == {"pr-1": "failed", "pr-2": "deleted"}
    assert scene.left()["deployments"] == ["pr-1-copilot"]


def test_what_to_delete_has_to_be_said(scene: Scene) -> None:
    scene.apply("pr-1")
    for words in ((), ("--expired",), ("--env", "pr-1"), ("--expired", "-o", "json")):
        scene.run("gc", *words, code=1)
    assert scene.gc("--env", "../../x") == {}
    assert scene.left()["deployments"] == ["pr-1-copilot"]


def killed(scene: Scene, number: int, mode: str, *words: str) -> int:
    command = [sys.executable, "-m", "tests.support.kill_at", str(number), mode, "--", *words]
    return run(command, scene.folder.path).returncode


def test_killed_at_each_write_gc_goes_on(scene: Scene) -> None:
    """The apply was killed, then gc at each of its writes to the journal."""
    assert killed(scene, 5, "torn", "apply", "-y", "--env", "pr-1") == -9
    number = 1
    while killed(scene, number, ("before", "torn", "after")[number % 3], "gc", "-y", "--expired") == -9:
        number += 1
        assert number < 30
    assert scene.gc() == {}
    assert (scene.left(), scene.states()) == (NOTHING, REMOVED)


def test_what_a_crash_left_is_found(scene: Scene) -> None:
    """The job was created, but the run was killed before that was recorded."""
    scene.cloud.admin("PATCH", "settings", {"min_training_seconds": 9 * 3600})
    scene.apply("pr-1", "--no-wait", code=4)
    store = scene.store("pr-1")
    state = store.read()
    job = state.resources[Address("job", "copilot")]
    intent = PendingOperation(
        job.address, Operation.CREATE, job.provider, job.token, job.inputs, account=job.account
    )
    without = {a: r for a, r in state.resources.items() if a != job.address}
    store.write(fold(replace(state, resources=without), [Begun(intent)]))
    assert scene.gc() == {"pr-1": "deleted"}
    assert scene.left() == NOTHING
