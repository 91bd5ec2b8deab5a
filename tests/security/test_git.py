"""Git is asked for earlier versions of data: no program that a repository names is run for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.functional.test_cli_costs import CATALOG, SPEC, git, lost
from tests.golden.cli import Folder, examples

CANARY = "canary"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path / "project", SPEC)
    made.write("ftops.catalog.yaml", CATALOG)
    git(made.path, "init", "-q")
    made.ok("apply", "-y")
    git(made.path, "add", "data", "ftops.yaml")
    git(made.path, "commit", "-qm", "one")
    return made


def arm(repository: Path, canary: Path) -> None:
    """Every setting by which a repository may have a program run, that this is about."""
    program = repository / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >>{canary}\ncat\n', encoding="utf-8")
    program.chmod(0o755)
    hooks = repository / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        (hooks / name).symlink_to(program)
    settings = {
        "alias.log": f"!{program}",
        "alias.cat-file": f"!{program}",
        "alias.ls-tree": f"!{program}",
        "core.editor": str(program),
        "core.fsmonitor": str(program),
        "core.gitProxy": str(program),
        "core.hooksPath": str(hooks),
        "core.pager": str(program),
        "core.sshCommand": str(program),
        "diff.external": str(program),
        "diff.canary.textconv": str(program),
        "diff.canary.command": str(program),
        "filter.canary.smudge": str(program),
        "filter.canary.process": str(program),
        "gpg.program": str(program),
        "log.showSignature": "true",
        "pager.log": str(program),
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{program} %S",
        "protocol.ext.allow": "always",
        "extensions.partialClone": "origin",
    }
    for name, value in settings.items():
        git(repository, "config", "--file", str(repository / "config"), name, value)
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "attributes").write_text("* diff=canary filter=canary\n", encoding="utf-8")


def sign(folder: Path) -> None:
    """Puts a signature on the last commit, for `log.showSignature` to check."""

    def said(*arguments: str, given: str = "") -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, input=given, text=True, capture_output=True, check=True
        )
        return done.stdout

    head, _, message = said("cat-file", "commit", "HEAD").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n{message}"
    commit = said("hash-object", "-t", "commit", "-w", "--stdin", given=signed).strip()
    said("update-ref", "HEAD", commit)


def look_back(folder: Folder) -> str:
    """All that asks Git, with nothing kept that would spare the question."""
    folder.write("data/train.jsonl", examples(14, "other "))
    said = [folder.ok("data", "diff", "git:HEAD:data/train.jsonl", "data/train.jsonl")]
    for command in (("plan",), ("explain", "job.copilot")):
        lost(folder, "data")
        said.append(folder.ok(*command))
    assert "the policy is missing" in folder.run("plan", "--policy-from", "HEAD").err
    return "\n".join(said)


def test_a_bare_repository_beside_the_data_is_not_looked_into(folder: Folder, tmp_path: Path) -> None:
    canary = tmp_path / CANARY
    git(folder.path, "clone", "-q", "--bare", ".", "planted")
    for part in (folder.path / "planted").iterdir():
        part.rename(folder.path / "data" / part.name)
    sign(folder.path / "data")
    arm(folder.path / "data", canary)
    said = look_back(folder)
    assert "not at hand" not in said
    assert not canary.exists(), canary.read_text()


def test_nothing_that_the_repository_of_the_project_names_is_run(folder: Folder, tmp_path: Path) -> None:
    canary = tmp_path / CANARY
    sign(folder.path)
    arm(folder.path / ".git", canary)
    folder.write(".gitattributes", "* diff=canary filter=canary\n")
    said = look_back(folder)
    assert "not at hand" not in said
    git(folder.path, "show", "--no-ext-diff", "--no-patch")
    assert "--verify" in canary.read_text(), "what Git does by itself, or the trap would catch nothing"
    canary.unlink()
    for lost_object in (folder.path / ".git" / "objects").glob("??/*"):
        lost_object.unlink()  # as in a partial clone, which fetches from where its repository says
    lost(folder, "data")
    folder.ok("plan")
    assert "there is no revision HEAD" in folder.run("plan", "--policy-from", "HEAD").err
    assert not canary.exists(), canary.read_text()


def test_git_is_asked_nothing_outside_of_the_project(folder: Folder, tmp_path: Path) -> None:
    other = Folder.make(tmp_path / "other", SPEC)
    git(other.path, "init", "-q")
    git(other.path, "add", "data")
    git(other.path, "commit", "-qm", "one")
    arm(other.path / ".git", tmp_path / CANARY)
    (folder.path / "linked").symlink_to(other.path / "data")
    for name in (f"{other.path}/data/train.jsonl", "linked/train.jsonl"):
        done = folder.run("data", "diff", f"git:HEAD:{name}", "data/train.jsonl")
        assert (done.code, "must be in the project" in done.err) == (1, True), done.err
    done = folder.run("data", "diff", "git:--batch:data/train.jsonl", "data/train.jsonl")
    assert done.code == 1
    assert not (tmp_path / CANARY).exists()
