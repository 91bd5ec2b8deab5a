"""--untrusted: what is withheld counts as unchanged, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Done, Folder

A, B = "canary-7f3a91", "canary-0c55e2"
ENVIRON = {
    "A": A,
    "B": B,
    "ENDPOINT": "https://acme.openai.azure.com",
    "ORG": "org-1",
    "PLACE": "cloud",
    "SUB": "00000000-0000-0000-0000-000000000000",
}


def plan(folder: Folder, *argv: str, environ: dict[str, str] = ENVIRON) -> Done:
    done = folder.run("plan", "--untrusted", "--detailed-exitcode", *argv, environ=environ)
    assert A not in done.out + done.err
    assert B not in done.out + done.err
    return done


def applied(path: Path, text: str) -> Folder:
    folder = Folder.make(path, text)
    done = folder.run("apply", "-y", environ=ENVIRON)
    assert done.code == 0, done
    return folder


# secrets of resources


def tagged(value: str) -> str:
    return f"""\
ftops: {{name: drone}}
providers: {{m: {{type: memory}}}}
deployments: {{base: {{model: gpt-4o-mini-2024-07-18, tags: {{"team.owner": "{value}", who: "{value}"}}}}}}
"""


def trained(key: str) -> str:
    return f"""\
ftops: {{name: drone}}
providers: {{m: {{type: memory}}}}
datasets: {{train: {{path: data/train.jsonl}}}}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    integrations: [{{type: wandb, wandb: {{project: "{key}"}}}}]
"""


@pytest.mark.parametrize("value", ["${env.A}", "x-${env.A}", "${env.A}-${env.B}"])
def test_a_secret_from_the_same_place_is_no_change(tmp_path: Path, value: str) -> None:
    folder = applied(tmp_path / "here", tagged(value))
    done = plan(folder)
    assert done.code == 0, done
    assert "No changes." in done.out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("${env.A}", "${env.B}"),
        ("x-${env.A}", "y-${env.A}"),
        ("${env.A}", "x-${env.A}"),
        ("${env.A}-${env.B}", "${env.B}-${env.A}"),
    ],
)
def test_a_secret_from_another_place_is_a_change(tmp_path: Path, before: str, after: str) -> None:
    folder = applied(tmp_path / "here", tagged(before))
    folder.write("ftops.yaml", tagged(after))
    done = plan(folder)
    assert done.code == 2, done
    assert f"~ tags.who: {before} → {after}" in done.out
    assert f"~ tags.team.owner: {before} → {after}" in done.out


def test_the_stand_in_as_a_text_is_a_change(tmp_path: Path) -> None:
    folder = applied(tmp_path / "here", tagged("${env.A}"))
    folder.write("ftops.yaml", tagged("withheld"))
    done = plan(folder)
    assert done.code == 2, done
    assert '~ tags.who: (sensitive) → "withheld"' in done.out


def test_of_two_secrets_the_one_that_is_given_is_compared(tmp_path: Path) -> None:
    folder = applied(tmp_path / "here", tagged("${env.A}-${env.B}"))
    allowed = {**ENVIRON, "FTOPS_ALLOW_ENV": "A"}
    assert plan(folder, environ=allowed).code == 0
    changed = plan(folder, environ={**allowed, "A": "canary-another"})
    assert changed.code == 2
    assert "~ tags.who: (sensitive) → (sensitive) (another one)" in changed.out


def test_a_secret_in_a_list_is_no_change(tmp_path: Path) -> None:
    folder = applied(tmp_path / "here", trained("${env.A}"))
    assert "No changes." in plan(folder).out
    folder.write("ftops.yaml", trained("${env.B}"))
    done = plan(folder)
    assert done.code == 2, done
    assert "~ integrations.0.wandb.project: ${env.A} → ${env.B}  # forces replacement" in done.out


# accounts


def at(provider: str) -> str:
    return f"""\
ftops: {{name: drone}}
providers: {{p: {provider}}}
datasets: {{train: {{path: data/train.jsonl, format: chat}}}}
"""


AZURE = (
    '{{type: azure_openai, endpoint: "{endpoint}", account: {account}, resource_group: rg, '
    'subscription_id: "{subscription}", api_key: "${{env.A}}"}}'
)


def azure(
    endpoint: str = "https://acme.openai.azure.com", account: str = "acme", subscription: str = "${env.SUB}"
) -> str:
    return at(AZURE.format(endpoint=endpoint, account=account, subscription=subscription))


def recorded_at(path: Path, text: str) -> Folder:
    """With an object on record in the account of a spec, which nobody asks."""
    folder = applied(path, at("{type: memory}"))
    folder.write("ftops.yaml", text)
    done = folder.run("state", "replace-provider", "p", "p", "--force", "-y", environ=ENVIRON)
    assert done.code == 0, done
    return folder


def emulated(setting: str) -> str:
    return at(f'{{type: emulator, {setting}, api_key: "${{env.A}}"}}')


def platform(settings: str) -> str:
    return at(f'{{type: openai, {settings}, api_key: "${{env.A}}"}}')


SAME = {
    "all but a key and a subscription is written": (azure(), azure()),
    "an endpoint is withheld": (azure(), azure("${env.ENDPOINT}")),
    "a subscription is withheld since": (azure(subscription=ENVIRON["SUB"]), azure()),
    "a folder is withheld": (emulated('data: "${env.PLACE}"'), emulated('data: "${env.PLACE}"')),
    "a part of a folder is withheld": (emulated('data: "x-${env.PLACE}"'), emulated('data: "x-${env.A}"')),
    "an organization is withheld": (
        platform("project: proj_1, organization: org-1"),
        platform('project: proj_1, organization: "${env.ORG}"'),
    ),
}


@pytest.mark.parametrize(("before", "after"), SAME.values(), ids=SAME.keys())
def test_settings_that_are_withheld_are_no_change(tmp_path: Path, before: str, after: str) -> None:
    folder = recorded_at(tmp_path / "here", before)
    folder.write("ftops.yaml", after)
    done = plan(folder)
    assert done.code == 0, done
    assert "No changes." in done.out


OTHER = {
    "another host": (azure(), azure("https://evil.openai.azure.com")),
    "another account": (azure(), azure(account="evil")),
    "another account at a withheld endpoint": (azure(), azure("${env.ENDPOINT}", account="evil")),
    "another subscription": (azure(), azure(subscription="11111111-1111-1111-1111-111111111111")),
    "another type": (azure(), at('{type: openai, api_key: "${env.A}"}')),
    "the stand-in, written": (emulated("data: cloud"), emulated("data: withheld")),
    "the stand-in, in the same place": (emulated('data: "${env.PLACE}"'), emulated("data: withheld")),
    "another text before it": (emulated('data: "x-${env.PLACE}"'), emulated('data: "y-${env.PLACE}"')),
    "another folder": (emulated("data: cloud"), emulated("data: elsewhere")),
    "another project": (
        platform("project: proj_1, organization: org-1"),
        platform('project: proj_2, organization: "${env.ORG}"'),
    ),
}


@pytest.mark.parametrize(("before", "after"), OTHER.values(), ids=OTHER.keys())
def test_another_account_is_a_change(tmp_path: Path, before: str, after: str) -> None:
    folder = recorded_at(tmp_path / "here", before)
    folder.write("ftops.yaml", after)
    done = plan(folder)
    assert done.code != 0, done
    assert "No changes." not in done.out


def test_a_resource_that_moves_to_the_written_stand_in_is_replaced(tmp_path: Path) -> None:
    """Both accounts would have the same name if their settings were taken as they are read."""
    two = """\
ftops: {{name: drone}}
providers:
  p: {{type: emulator, data: "${{env.PLACE}}"}}
  q: {{type: emulator, data: withheld}}
datasets: {{train: {{path: data/train.jsonl, format: chat, provider: {name}}}}}
"""
    folder = recorded_at(tmp_path / "here", two.format(name="p"))
    assert plan(folder).code == 0
    folder.write("ftops.yaml", two.format(name="q"))
    done = plan(folder)
    assert done.code == 2, done
    assert "1 to create" in done.out or "1 to replace" in done.out


def test_where_it_leads_is_shown_without_changes_too(tmp_path: Path) -> None:
    folder = recorded_at(tmp_path / "here", azure())
    said = plan(folder).out
    assert "Provider p: azure_openai, acme.openai.azure.com, account acme, resource group rg" in said
    assert "set by env.SUB" in said
    assert "State: local, path state" in said
    document = plan(folder, "-o", "json").json["destination"]
    assert document["providers"]["p"]["host"] == "acme.openai.azure.com"
    assert document["state"]["backend"] == "local"


def test_nothing_random_is_shown(tmp_path: Path) -> None:
    folder = recorded_at(tmp_path / "here", azure("${env.ENDPOINT}"))
    assert plan(folder).out == plan(folder).out
    assert plan(folder, "-o", "json").out == plan(folder, "-o", "json").out


@pytest.mark.parametrize("environ", [{}, {"FTOPS_UNTRUSTED": "1"}], ids=["option", "environment"])
def test_nobody_can_be_asked_what_has_drifted(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = applied(tmp_path / "here", at("{type: memory}"))
    option = () if environ else ("--untrusted",)
    done = folder.run("plan", "--refresh-only", *option, environ=environ)
    assert done.code != 0
    assert "--refresh-only can't be combined with --untrusted" in " ".join(done.err.split())
