"""A state belongs to one spec: who renames, copies or links folders is told so before anything is made."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ftops.core.confined_files import ALLOW
from tests.golden.cli import SPEC, Folder

UNNAMED = SPEC.replace("ftops: {name: drone}\n", "")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def applied(path: Path, spec: str = UNNAMED) -> Folder:
    folder = Folder.make(path, spec)
    folder.ok("apply", "-y")
    return folder


def refused(folder: Folder, *said: str, spec: str = ".", is_found: bool = False) -> str:
    """Planning and applying are refused alike, and nothing is recorded. Where it is known which state is
    meant, that can be read all the same, with a warning."""
    before = sorted(folder.path.parent.rglob("default.json"))
    looks = (("state", "list"), ("state", "pull"), ("show",), ("output",), ("state", "show", "job.copilot"))
    for argv in (("plan",), ("apply", "-y"), ("destroy", "-y"), *looks):
        done = folder.run(*argv, spec)
        reads = is_found and argv in looks
        assert (done.code, bool(done.out)) == ((0, True) if reads else (1, False)), done
        text = " ".join(done.err.split())
        assert text.startswith("warning: " if reads else "error: ")
        for words in said:
            assert words in text, text
    if is_found:
        assert "copilot" in folder.ok("output", "name", spec)
        assert "job.copilot" in folder.ok("state", "list", spec)
        assert "done" in folder.ok("audit", spec)
    assert sorted(folder.path.parent.rglob("default.json")) == before
    return text


def test_a_folder_that_was_renamed(project: Path) -> None:
    applied(project / "before")
    (project / "before").rename(project / "after")
    folder = Folder(project / "after")
    refused(
        folder,
        "there is no state for `after`",
        "It was before/ftops.yaml",
        "`ftops: {name: before}`",
        is_found=True,
    )
    folder.write("name.yaml", "ftops: {name: before}\n")
    assert folder.ok("plan").startswith("No changes. 5 resources of before")


def test_a_new_spec_beside_one_that_is_gone_may_say_its_name(project: Path) -> None:
    applied(project / "before")
    shutil.rmtree(project / "before")
    folder = Folder.make(project / "after", UNNAMED)
    refused(folder, "if this is another spec, set `ftops: {name: after}`", is_found=True)
    folder.write("name.yaml", "ftops: {name: after}\n")
    assert "Plan: 5 to create" in folder.ok("plan")


def test_a_spec_that_was_destroyed_and_removed_is_in_nobodys_way(project: Path) -> None:
    applied(project / "before").ok("destroy", "-y")
    shutil.rmtree(project / "before")
    assert "Plan: 5 to create" in Folder.make(project / "after", UNNAMED).ok("plan")


def test_a_link_to_the_folder_leads_to_the_same_state(project: Path) -> None:
    applied(project / "before")
    (project / "after").symlink_to("before")
    assert Folder(project).ok("plan", "after").startswith("No changes. 5 resources of before")
    assert Folder(project).ok("plan", "after/ftops.yaml").startswith("No changes. 5 resources of before")


def test_a_link_above_the_folder_leads_to_the_same_state(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    applied(tmp_path / "repo" / "specs" / "here")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "repo" / "specs")
    for path in ("link/here", "link/here/../here", "link/../specs/here/ftops.yaml"):
        plan = Folder(tmp_path / "elsewhere").ok("plan", path)
        assert plan.startswith("No changes. 5 resources of here"), path
    assert Folder(tmp_path / "elsewhere").ok("apply", "-y", "link/here").startswith("No changes.")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("default.json")] == [
        Path("repo/state/here/default.json")
    ]


def test_a_link_that_leads_elsewhere_leads_to_the_state_from_there(project: Path) -> None:
    for name in ("one", "two"):
        Folder.make(project / name, UNNAMED)
    (project / "link").symlink_to("one")
    Folder(project).ok("apply", "-y", "link")
    (project / "link").unlink()
    (project / "link").symlink_to("two")
    assert "Plan: 5 to create" in Folder(project).ok("plan", "link")


OTHER_FOLDERS = {
    "set": (None, "kept"),
    "set to one outside": (None, "OUTSIDE"),
    "changed": ("kept", "deeper/down/there"),
    "changed back": ("deeper/down/there", None),
    "changed from one outside": ("OUTSIDE", "kept"),
}


def set_path(folder: Folder, path: str | None, outside: Path) -> None:
    place = (path or "state").replace("OUTSIDE", str(outside))
    folder.write("state.yaml", f"ftops: {{state: {{path: {place}}}}}\n")


@pytest.mark.parametrize(("before", "after"), OTHER_FOLDERS.values(), ids=OTHER_FOLDERS.keys())
def test_another_folder_of_states(
    project: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    before: str | None,
    after: str | None,
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    monkeypatch.setenv(ALLOW, str(outside))
    folder = Folder.make(project / "here", UNNAMED)
    set_path(folder, before, outside)
    folder.ok("apply", "-y")
    set_path(folder, after, outside)
    text = refused(
        folder, "the state is in another folder", "Restore the setting of `state`, or move it:", is_found=True
    )
    command = re.search(r"or move it: `(mkdir .*)`$", text)
    assert command is not None
    subprocess.run(command[1], shell=True, check=True)
    assert folder.ok("plan").startswith("No changes. 5 resources of here")


def test_another_folder_of_states_in_a_fresh_clone(project: Path) -> None:
    """What ftops noted for itself isn't there, and the state came with the spec."""
    folder = Folder.make(project / "here", UNNAMED)
    set_path(folder, "some/where", project)
    folder.ok("apply", "-y")
    shutil.rmtree(project / ".ftops")
    set_path(folder, None, project)
    refused(folder, f"the state is in another folder: {project}/some/where/here", is_found=True)


def test_another_folder_of_states_for_one_environment_after_the_other(project: Path) -> None:
    folder = Folder.make(project / "here", UNNAMED + "environments: {prod: {}}\n")
    folder.ok("apply", "-y", "--env", "prod")
    set_path(folder, "kept", project)
    folder.ok("apply", "-y")
    refused_prod = folder.run("plan", "--env", "prod")
    assert refused_prod.code == 1
    assert "the state is in another folder" in refused_prod.err


def test_an_empty_state_in_another_folder_is_in_nobodys_way(project: Path) -> None:
    folder = applied(project / "here")
    folder.ok("destroy", "-y")
    set_path(folder, "kept", project)
    assert "Plan: 5 to create" in folder.ok("plan")


def test_another_name_for_the_same_file(project: Path) -> None:
    folder = applied(project / "here")
    folder.write("name.yaml", "ftops: {name: there}\n")
    refused(
        folder,
        "the state of this spec is recorded as `here`",
        "Keep the name: `ftops: {name: here}`",
        is_found=True,
    )
    (folder.path / "name.yaml").unlink()
    assert folder.ok("plan").startswith("No changes.")


def test_a_copy_of_the_folder(project: Path) -> None:
    applied(project / "one", SPEC)
    shutil.copytree(project / "one", project / "two")
    refused(Folder(project / "two"), "belongs to another spec: one/ftops.yaml", "This one is two/ftops.yaml")
    Folder(project / "two").edit("name: drone", "name: other")
    assert "Plan: 5 to create" in Folder(project / "two").ok("plan")


def test_folders_whose_names_come_to_the_same(project: Path) -> None:
    applied(project / "spec é")
    refused(Folder.make(project / "spec ü", UNNAMED), "the state of `spec` belongs to another spec: spec é/")


def test_files_side_by_side(project: Path) -> None:
    folder = applied(project / "here")
    folder.write("other.yaml", "datasets: {other: {path: data/train.jsonl}}\n")
    refused(folder, "another spec: here/ftops.yaml", "This one is here/other.yaml", spec="other.yaml")
    assert "1 to create" in folder.ok("plan", ".")
    (folder.path / "other.yaml").unlink()
    assert folder.ok("plan", "ftops.yaml").startswith("No changes.")


def test_a_repository_is_made_further_up(tmp_path: Path) -> None:
    folder = applied(tmp_path / "repo" / "spec")
    (tmp_path / "repo" / ".git").mkdir()
    text = refused(folder, "the state is in another folder", "the nearest folder with `.git`", is_found=True)
    command = re.search(r"Move it: `(mkdir .*)`$", text)
    assert command is not None
    subprocess.run(command[1], shell=True, check=True)
    assert folder.ok("plan").startswith("No changes. 5 resources of spec")


def test_a_project_may_move_as_a_whole(tmp_path: Path) -> None:
    applied(tmp_path / "repo" / "spec")
    (tmp_path / "repo").rename(tmp_path / "elsewhere")
    assert Folder(tmp_path / "elsewhere" / "spec").ok("plan").startswith("No changes.")


def test_a_file_at_the_root_of_a_project_that_is_renamed(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    applied(tmp_path / "repo")
    (tmp_path / "repo").rename(tmp_path / "elsewhere")
    folder = Folder(tmp_path / "elsewhere")
    refused(folder, "recorded as `repo`", "now called `elsewhere`", is_found=True)


def test_another_environment_is_no_other_spec(project: Path) -> None:
    spec = UNNAMED + "environments: {prod: {}}\n"
    folder = applied(project / "here", spec)
    assert "Plan: 5 to create" in folder.ok("plan", "--env", "prod")
