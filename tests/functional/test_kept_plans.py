"""Plans that are kept beside the state by their digest: just that plan is applied, or it is refused."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import SPEC, Done, Folder
from tests.security.test_approvals import forged

KEYS = {"KEY": "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="}
SEALED = SPEC.replace(
    "ftops: {name: drone}", 'ftops: {name: drone, state: {encryption: {key: "${env.KEY}"}}}'
)
PLANS = Path("state", "plans", "drone", "default")


def kept(folder: Folder, *arguments: str, **environ: str) -> str:
    """Plans and keeps it; the digest."""
    done = folder.run("plan", "--save", *arguments, environ=environ)
    assert done.code == 0, done
    digest = done.out.partition("Digest: ")[2].split()[0]
    assert done.out.endswith(f"beside the state. To apply it: ftops apply {digest}\n")
    return digest


def file_of(folder: Folder, digest: str) -> Path:
    return folder.path / PLANS / digest.rpartition(":")[2]


def refused(done: Done, *said: str) -> None:
    assert done.code == 3, done
    for words in said:
        assert words.lower() in " ".join(done.err.split()).lower(), done.err


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "here")


def test_a_kept_plan_is_shown_and_applied_by_its_digest(folder: Folder) -> None:
    digest = kept(folder, "--var", "capacity=33", "--out", "plan.ft")
    assert file_of(folder, digest).stat().st_mode & 0o777 == 0o600
    assert folder.ok("show", digest) == folder.ok("show", "plan.ft")
    assert folder.run("show", digest, "-o", "json").json["digest"] == digest
    assert folder.ok("show", digest, "-o", "markdown").startswith("###")
    assert "5 created" in folder.ok("apply", digest)
    assert "sku.capacity: 33 → 20" in folder.ok("plan")
    refused(folder.run("apply", digest), "has been applied already")


def test_a_kept_plan_is_stale_like_a_file(folder: Folder) -> None:
    digest = kept(folder)
    folder.edit("seed: 105", "seed: 106")
    refused(folder.run("apply", digest), "the saved plan is stale", "changed in the spec: job.copilot")


def _another(folder: Folder, digest: str, file: Path) -> None:
    """Another valid plan, under this name."""
    other = kept(folder, "--var", "capacity=44", **KEYS)
    assert other != digest
    file_of(folder, other).replace(file)


def _truncated(folder: Folder, digest: str, file: Path) -> None:
    file.write_text(file.read_text()[:-200])


def _altered(folder: Folder, digest: str, file: Path) -> None:
    """With the right checksum, and the digest that it had."""

    def change(raw: dict[str, Any]) -> None:
        if "sealed" in raw:
            sealed = raw["sealed"]
            raw["sealed"] = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
        else:
            raw["plan"]["changes"][0]["after"]["path"] = "data/valid.jsonl"

    forged(file, change)


def _not_text(folder: Folder, digest: str, file: Path) -> None:
    file.write_bytes(b"\xff\xfe")


def _of_another_environment(folder: Folder, digest: str, file: Path) -> None:
    folder.edit("variables:\n", "environments:\n  prod: {variables: {capacity: 50}}\n\nvariables:\n")
    other = kept(folder, "--env", "prod", **KEYS)
    (file.parents[1] / "prod" / other.rpartition(":")[2]).replace(file)


def _missing(folder: Folder, digest: str, file: Path) -> None:
    file.unlink()


SWAPPED = {
    "another": (_another, "it is another plan: its digest is v2:"),
    "truncated": (_truncated, "the saved plan is damaged"),
    "altered": (_altered, "can't be trusted"),
    "not-text": (_not_text, "it isn't text"),
    "other-environment": (_of_another_environment, "can't be trusted"),
    "missing": (_missing, "no plan with this digest is kept"),
}


@pytest.mark.parametrize("spec", [SPEC, SEALED], ids=["plain", "sealed"])
@pytest.mark.parametrize(("change", "said"), SWAPPED.values(), ids=SWAPPED.keys())
def test_pitfall_4_a_kept_plan_that_was_swapped_is_refused(
    tmp_path: Path, spec: str, change: Any, said: str
) -> None:
    folder = Folder.make(tmp_path / "here", spec)
    digest = kept(folder, **KEYS)
    change(folder, digest, file_of(folder, digest))
    for command in ("show", "apply"):
        refused(folder.run(command, digest, environ=KEYS), said)
    assert folder.run("state", "list", environ=KEYS).out == ""


def test_pitfall_4_a_kept_plan_that_is_not_encrypted_is_refused_where_there_is_a_key(tmp_path: Path) -> None:
    """Even with `accept_plain`, under which a state may be plain."""
    folder = Folder.make(tmp_path / "here", SEALED.replace('KEY}"', 'KEY}", accept_plain: true'))
    digest = kept(folder, **KEYS)
    assert "copilot" not in file_of(folder, digest).read_text()
    plain = Folder.make(tmp_path / "there")
    file_of(folder, digest).write_bytes(file_of(plain, kept(plain)).read_bytes())
    refused(folder.run("apply", digest, environ=KEYS), "can't be trusted")
    same = kept(plain, "--out", "plain.ft")  # a digest says nothing of encryption: the plan itself is right
    assert same == digest
    refused(folder.run("show", digest, environ=KEYS), "it isn't encrypted, and the plans of this spec are")


def test_pitfall_4_a_file_named_like_a_digest_is_not_taken_for_the_plan(folder: Folder) -> None:
    digest = kept(folder)
    folder.ok("plan", "--var", "capacity=44", "--out", digest)
    folder.ok("apply", digest)
    assert folder.ok("plan").startswith("No changes.")


def test_plans_that_are_too_old_are_refused_and_deleted_by_the_next_save(folder: Folder) -> None:
    folder.edit("{name: drone}", "{name: drone, state: {plan_max_age: 2h}}")
    digest = kept(folder)
    file = file_of(folder, digest)

    def age(raw: dict[str, Any]) -> None:
        raw["origin"]["at"] = "2026-01-01T00:00:00Z"

    forged(file, age)
    refused(folder.run("apply", digest), "the plan is too old to be applied", "kept for 0.0833333 days")
    foreign = file.with_name("notes.txt")
    foreign.write_text("mine")
    for path in (file, foreign):
        os.utime(path, (time.time() - 7300,) * 2)
    young = kept(folder, "--var", "capacity=21")
    assert {path.name for path in file.parent.iterdir()} == {"notes.txt", young.rpartition(":")[2]}


def test_no_secret_is_kept(tmp_path: Path) -> None:
    spec = SPEC.replace("  base:\n", '  base:\n    tags: {owner: "${env.OWNER}"}\n')
    folder = Folder.make(tmp_path, spec)
    digest = kept(folder, OWNER="canary-one")
    assert "canary" not in file_of(folder, digest).read_text()
    refused(folder.run("apply", digest, environ={"OWNER": "canary-two"}), "changed secrets: ${env.OWNER}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--save", "--untrusted"), "an untrusted plan can't be saved"),
        (("plan", "--save", "--state", "state.json"), "--save needs the state itself"),
        (("apply", "v2:sha256:12"), "not the digest of a plan: v2:sha256:12"),
        (("apply", f"v2:sha256:{'0' * 64}", "--target", "job.copilot"), "no plan with this digest is kept"),
    ],
)
def test_wrong_usage_is_told(folder: Folder, arguments: tuple[str, ...], said: str) -> None:
    done = folder.run(*arguments)
    assert done.code in (1, 3)
    assert said.lower() in " ".join(done.err.split()).lower()


def test_a_plan_that_cannot_be_applied_is_not_kept(folder: Folder) -> None:
    folder.edit("{name: drone}", "{name: drone, budget: {training: 0.0000001}}")
    folder.edit("m: {type: memory}", "m: {type: emulator, data: cloud}")
    done = folder.run("plan", "--offline", "--save")
    assert (done.code, done.out.endswith("Not saved: this plan can't be applied\n")) == (3, True)
    assert not (folder.path / PLANS).exists()


def test_an_unnamed_spec_keeps_no_plan(folder: Folder) -> None:
    folder.edit("ftops: {name: drone}\n", "")
    done = folder.run("plan", "--save", "-o", "json")
    assert done.code == 1
    assert "the spec doesn't set its name" in json.dumps(done.json)
