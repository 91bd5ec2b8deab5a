"""An approval names its place: what a digest and a saved plan bind, and what is refused."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import SPEC, Done, Folder

AZURE = """\
ftops: {name: drone}
variables:
  endpoint: {type: string, default: "https://acme-east.openai.azure.com/"}
providers:
  azure:
    type: azure_openai
    endpoint: ${var.endpoint}
    subscription_id: 00000000-0000-0000-0000-000000000001
    resource_group: rg-ai
    account: acme-east
    api_key: ${env.SOME_KEY}
datasets:
  train: {path: data/train.jsonl, format: chat}
"""
UNNAMED = SPEC.replace("ftops: {name: drone}\n", "")


def digest(done: Done) -> str:
    found = re.search(r"Digest: (\S+)", done.out)
    assert found, done
    return found[1]


def offline(folder: Folder, *more: str) -> Done:
    return folder.run("plan", "--offline", "--no-refresh", *more, environ={"SOME_KEY": "k"})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "here")


@pytest.fixture
def azure(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "here", AZURE)


def test_two_checkouts_have_one_digest(tmp_path: Path) -> None:
    folders = [Folder.make(tmp_path / name) for name in ("s", "repo")]
    assert len({digest(folder.run("plan")) for folder in folders}) == 1


ELSEWHERE = {
    "endpoint": ("https://acme-east.openai.azure.com/", "https://acme-west.openai.azure.com/"),
    "account": ("account: acme-east", "account: acme-west"),
    "resource-group": ("rg-ai", "rg-other"),
    "subscription": ("000000000001", "000000000002"),
    "tenant": ("account: acme-east", "account: acme-east\n    credential: {tenant_id: t}"),
    "cloud": (
        "account: acme-east",
        'account: acme-east\n    control_plane: {endpoint: "https://management.usgovcloudapi.net"}',
    ),
    "type": (AZURE[AZURE.index("  azure:") : AZURE.index("datasets")], "  azure: {type: emulator}\n"),
    "state": ("{name: drone}", "{name: drone, state: {path: kept}}"),
    "drift": ("{name: drone}", "{name: drone, drift: {changed: ignore}}"),
    "budget": ("{name: drone}", "{name: drone, budget: {training: 5}}"),
}


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_another_place_is_another_digest(azure: Folder, change: tuple[str, str]) -> None:
    before = digest(offline(azure))
    azure.edit(*change)
    assert digest(offline(azure)) != before


SAME_PLACE = {
    "key": ("${env.SOME_KEY}", "${env.SOME_KEY}\n    visible_after: 7"),
    "api-version": ("account: acme-east", "account: acme-east\n    api_version: 2025-01-01"),
    "spelling": ("https://acme-east.openai.azure.com/", "https://ACME-east.openai.azure.com"),
}


@pytest.mark.parametrize("change", SAME_PLACE.values(), ids=SAME_PLACE.keys())
def test_the_same_place_is_the_same_digest(azure: Folder, change: tuple[str, str]) -> None:
    before = digest(offline(azure))
    azure.edit(*change)
    assert digest(offline(azure)) == before


def test_a_plan_says_where_it_is_applied(azure: Folder) -> None:
    said = offline(azure).out
    assert (
        "Provider azure: azure_openai, acme-east.openai.azure.com, account acme-east, resource group rg-ai, "
        "subscription 00000000-0000-0000-0000-000000000001, set by var.endpoint\nState: local, path state\n"
    ) in said
    where = offline(azure, "-o", "json").json["destination"]
    assert where["providers"]["azure"]["host"] == "acme-east.openai.azure.com"
    assert where["state"] == {"backend": "local", "path": "state"}


def test_a_plan_whose_account_was_given_from_outside_says_so_first(azure: Folder) -> None:
    given = "endpoint=https://acme-west.openai.azure.com/"
    first = "the account of provider azure is set outside the spec, by var.endpoint: acme-west.openai"
    assert first in offline(azure, "--var", given).out.splitlines()[0]
    assert first in offline(azure, "--var", given, "-o", "json").json["warnings"][0]
    assert offline(azure, "--var", given, "--out", "plan.ft").code == 0
    lines = azure.ok("show", "plan.ft").splitlines()
    assert first in lines[2]
    assert any(line.startswith("Input variables: endpoint = https://acme-west") for line in lines)
    comment = azure.ok("show", "plan.ft", "-o", "markdown")
    assert comment.index(first) < comment.index("dataset.train")
    assert "Provider azure: azure_openai, acme-west.openai.azure.com" in comment


def test_an_account_that_was_given_from_outside_is_named(azure: Folder) -> None:
    azure.edit("variables:", "variables:\n  account: {default: acme-east}")
    azure.edit("account: acme-east\n", "account: ${var.account}\n")
    first = offline(azure, "--var", "account=acme-west").out.splitlines()[0]
    assert first.endswith(
        "by var.account: acme-east.openai.azure.com, account acme-west, resource group rg-ai, "
        "subscription 00000000-0000-0000-0000-000000000001"
    )


def test_a_digest_of_the_first_version_is_refused(folder: Folder) -> None:
    done = folder.run("apply", "--expect-digest", f"sha256:{'0' * 64}")
    assert done.code == 1
    assert "doesn't cover where a plan is applied" in " ".join(done.err.split())


def test_a_digest_that_was_approved_for_another_place_is_refused(folder: Folder) -> None:
    approved = digest(folder.run("plan"))
    folder.edit("{name: drone}", "{name: drone, state: {path: kept}}")
    done = folder.run("apply", "--expect-digest", approved)
    assert done.code == 3
    assert not (folder.path / "kept" / "drone" / "default.json").exists()


NEEDS_A_NAME: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "saved": (("plan", "--out", "plan.ft"), {}, "Its plan is saved"),
    "expected": (("apply", "--expect-digest", f"v2:sha256:{'0' * 64}"), {}, "applied by digest"),
    "ci": (("plan",), {"CI": "true"}, "CI is set"),
    "ci-record": (("state", "list"), {"CI": "true"}, "CI is set"),
    "ci-destroy": (("destroy", "-y"), {"CI": "1"}, "CI is set"),
}


@pytest.mark.parametrize(("argv", "environ", "why"), NEEDS_A_NAME.values(), ids=NEEDS_A_NAME.keys())
def test_what_is_approved_elsewhere_says_its_name(
    tmp_path: Path, argv: tuple[str, ...], environ: dict[str, str], why: str
) -> None:
    folder = Folder.make(tmp_path / "here", UNNAMED)
    done = folder.run(*argv, environ=environ)
    assert done.code == 1
    said = " ".join(done.err.split())
    assert "the spec doesn't set its name" in said
    assert why in said
    assert "`ftops: {name: here}`" in said
    folder.write("ftops.yaml", "ftops: {name: drone}\n" + UNNAMED)
    assert "doesn't set its name" not in folder.run(*argv, environ=environ).err


def test_init_writes_a_name(tmp_path: Path) -> None:
    Folder(tmp_path).ok("init", "My Copilot")
    assert "ftops: {name: my-copilot}\n" in (tmp_path / "My Copilot" / "ftops.yaml").read_text()


def forged(path: Path, change: Any) -> None:
    """Rewrites a plan file, with a checksum that is right."""
    raw = json.loads(path.read_text())
    change(raw)
    raw.pop("checksum")
    text = json.dumps(raw, indent=1, sort_keys=True)
    first = '{\n "ftops_plan": 2,\n'
    body = first + text.removeprefix("{\n").replace(' "ftops_plan": 2,\n', "").removesuffix("\n}")
    path.write_text(f'{body},\n "checksum": "sha256:{sha256(body.encode()).hexdigest()}"\n}}\n')


def _other_input(raw: dict[str, Any]) -> None:
    raw["plan"]["changes"][0]["after"]["purpose"] = "assistants"


def _deletion(raw: dict[str, Any]) -> None:
    step = raw["plan"]["changes"][0]
    raw["plan"]["changes"].append(
        {**step, "step": f"{step['step']}#x", "action": "delete", "remote_id": "file-1"}
    )


def _other_account(raw: dict[str, Any]) -> None:
    raw["plan"]["destination"]["providers"]["m"]["account"] = "other"


FORGERIES = {"input": _other_input, "deletion": _deletion, "account": _other_account}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_step_is_refused(folder: Folder, change: Any) -> None:
    folder.ok("plan", "--out", "plan.ft")
    forged(folder.path / "plan.ft", change)
    assert folder.run("show", "plan.ft").code == 0
    done = folder.run("apply", "plan.ft")
    assert done.code == 3, done
    assert "the saved plan is stale" in done.err
    assert json.loads(folder.run("show", "-o", "json").out)["resources"] == []


def test_a_plan_that_is_not_encrypted_is_refused_where_plans_are(folder: Folder) -> None:
    """Who can write the file, and has no key, can't have it applied."""
    folder.ok("plan", "--out", "plain.ft")
    encrypted = '{name: drone, state: {encryption: {key: "${env.SECRET_KEY}"}}}'
    folder.edit("{name: drone}", encrypted)
    key = {"SECRET_KEY": "ab" * 32}
    done = folder.run("apply", "plain.ft", environ=key)
    assert done.code == 3
    assert "the saved plan isn't encrypted, and the plans of this spec are" in done.err
    forged(folder.path / "plain.ft", lambda raw: raw.update(is_sealed=True))
    assert folder.run("apply", "plain.ft", environ=key).code == 3
    assert folder.run("plan", "--out", "sealed.ft", environ=key).code == 0
    assert "5 created" in folder.run("apply", "sealed.ft", environ=key).out
