"""Digests of secrets are keyed with a key that the state keeps: nobody can confirm a guess, and a rotation of
the key that encrypts the state changes none of them.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from tests.golden.cli import SPEC, Done, Folder

KEYS = [b64encode(bytes([number]) * 32).decode() for number in range(3)]
ENCRYPTED = 'encryption: {key: "${env.KEY}"}'
ROTATING = 'encryption: {key: "${env.KEY}", fallback: "${env.OLD_KEY}"}'
BEGINNING = 'encryption: {key: "${env.KEY}", accept_plain: true}'
ENDING = 'encryption: {fallback: "${env.KEY}"}'
SECRET = "pin-1234"


def spec(state: str) -> str:
    said = SPEC.replace("{name: drone}", f"{{name: drone, state: {{{state}}}}}")
    assert said != SPEC
    return said.replace(
        "    training: train\n",
        '    training: train\n    integrations: [{type: wandb, wandb: {project: "${env.PROJECT}"}}]\n',
        1,
    )


def environ(key: int, old: int | None = None, secret: str = SECRET) -> Mapping[str, str]:
    return {"KEY": KEYS[key], **({} if old is None else {"OLD_KEY": KEYS[old]}), "PROJECT": secret}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "here", spec(ENCRYPTED))


def apply(folder: Folder, **who: Any) -> Done:
    done = folder.run("apply", "-y", environ=environ(**who))
    assert done.code == 0, done
    return done


def state_of(folder: Folder, **who: Any) -> Any:
    return json.loads(folder.run("state", "pull", environ=environ(**who)).out)


def changes(folder: Folder, **who: Any) -> int:
    done = folder.run("plan", "--detailed-exitcode", environ=environ(**who))
    assert done.code in (0, 2), done
    return done.code


def test_they_differ_with_the_key(tmp_path: Path) -> None:
    prints = set()
    for key in (0, 1):
        folder = Folder.make(tmp_path / str(key), spec(ENCRYPTED))
        apply(folder, key=key)
        prints.add(state_of(folder, key=key)["resources"]["job.copilot"]["fingerprint"])
    assert len(prints) == 2


def test_a_plan_holds_none_that_anybody_could_work_out(folder: Folder) -> None:
    """The saved plan is encrypted; whoever has the key of plans still can't try short secrets by names."""
    assert folder.run("plan", "--out", "plan.ft", environ=environ(0)).code == 0
    apply(folder, key=0)
    public = hmac.new(b"drone/default", SECRET.encode(), "sha256").hexdigest()[:8]
    pulled = json.dumps(state_of(folder, key=0))
    shown = folder.run("show", "plan.ft", "-o", "json", environ=environ(0)).out
    assert public not in pulled + shown


def test_a_rotation_changes_nothing(folder: Folder) -> None:
    apply(folder, key=0)
    kept = state_of(folder, key=0)["digest_key"]
    folder.edit(ENCRYPTED, ROTATING)
    assert changes(folder, key=1, old=0) == 0
    done = apply(folder, key=1, old=0)
    assert "No changes" in done.out
    assert "The state was rewritten" in done.err
    folder.edit(ROTATING, ENCRYPTED)
    assert changes(folder, key=1) == 0
    assert state_of(folder, key=1)["digest_key"] == kept
    assert KEYS[0] not in kept


def test_another_secret_is_a_change(folder: Folder) -> None:
    apply(folder, key=0)
    assert changes(folder, key=0, secret="pin-1235") == 2
    assert changes(folder, key=0) == 0


@pytest.mark.parametrize("then", [BEGINNING, ENDING])
def test_encryption_that_begins_or_ends_changes_nothing(tmp_path: Path, then: str) -> None:
    first = "path: state" if then == BEGINNING else ENCRYPTED
    folder = Folder.make(tmp_path / "here", spec(first))
    apply(folder, key=0)
    folder.edit(first, then)
    assert changes(folder, key=0) == 0
    apply(folder, key=0)
    folder.edit(then, ENCRYPTED if then == BEGINNING else "path: state")
    assert changes(folder, key=0) == 0


def test_a_state_that_is_carried_elsewhere_keeps_its_key(folder: Folder, tmp_path: Path) -> None:
    apply(folder, key=0)
    (folder.path / "kept.json").write_text(folder.run("state", "pull", environ=environ(0)).out)
    apply(folder, key=0, secret="pin-1235")
    assert folder.run("state", "push", "--force", "kept.json", environ=environ(0)).code == 0
    assert changes(folder, key=0) == 0


def test_what_was_destroyed_keeps_it_through_a_rotation(folder: Folder) -> None:
    apply(folder, key=0)
    assert folder.run("destroy", "-y", environ=environ(0)).code == 0
    kept = state_of(folder, key=0)["digest_key"]
    folder.edit(ENCRYPTED, ROTATING)
    apply(folder, key=1, old=0)
    assert state_of(folder, key=1, old=0)["digest_key"] == kept
    assert changes(folder, key=1, old=0) == 0


def test_the_first_record_may_be_an_import(folder: Folder) -> None:
    """What is recorded first, by whatever command, begins with the key."""
    done = folder.run("import", "dataset.train", "file-1", environ=environ(0))
    assert done.code == 0, done
    assert state_of(folder, key=0)["digest_key"]
    apply(folder, key=0)
    assert state_of(folder, key=0)["digest_key"]
    assert changes(folder, key=0) == 0


def test_a_state_that_was_lost_is_recorded_with_the_same_key(folder: Folder) -> None:
    apply(folder, key=0)
    kept = state_of(folder, key=0)["digest_key"]
    rmtree(folder.path / "state")
    apply(folder, key=0)
    assert state_of(folder, key=0)["digest_key"] == kept


def test_what_began_in_the_clear_goes_on_so(tmp_path: Path) -> None:
    """Also if all is forgotten: the objects still carry fingerprints that were made so, and are adopted by
    them."""
    folder = Folder.make(tmp_path / "here", spec("path: state"))
    apply(folder, key=0)
    folder.edit("path: state", BEGINNING)
    recorded = state_of(folder, key=0)["resources"]
    assert folder.run("state", "rm", *recorded, environ=environ(0)).code == 0
    apply(folder, key=0)
    now = state_of(folder, key=0)
    assert "digest_key" not in now
    assert now["resources"]["job.copilot"]["fingerprint"] == recorded["job.copilot"]["fingerprint"]


def test_a_copy_of_a_new_state_is_planned_with_the_same_key(folder: Folder) -> None:
    (folder.path / "empty.json").write_text(folder.run("state", "pull", environ=environ(0)).out)
    prints = [
        json.loads(folder.run("plan", *more, "-o", "json", environ=environ(0)).out)["digest"]
        for more in ((), ("--state", "empty.json"))
    ]
    assert prints[0] == prints[1]


@pytest.mark.parametrize("key", ["x", "\ud800", "a" * 63, "A" * 64])
def test_a_key_that_is_none_is_refused(tmp_path: Path, key: str) -> None:
    folder = Folder.make(tmp_path / "here", spec("path: state"))
    apply(folder, key=0)
    state = {**state_of(folder, key=0), "digest_key": key}
    state.pop("checksum")
    (folder.path / "state/drone/default.json").write_text(json.dumps(state))
    done = folder.run("plan", environ=environ(0))
    assert done.code == 1
    assert "damaged" in done.err
