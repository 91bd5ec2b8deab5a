"""Policies on the command line: whose rules count, what they refuse, and what is overridden."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_cli_costs import git
from tests.golden.cli import SPEC, Done, Folder, golden

RULES = """
policy:
  - deny: {models: {allow: [gpt-4.1-2025-04-14]}}
    name: only-4-1
    message: Only GPT-4.1 here
    overridable: true
  - deny: {delete: {kinds: deployment}}
  - warn: {require: {gates: true}}
"""
OVERRIDE = "\noverrides: [{rule: only-4-1, reason: agreed with Alice, until: 2999-12-31}]\n"
DENIED = "the model gpt-4o-mini-2024-07-18 isn't allowed"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A project whose base has rules."""
    made = Folder.make(tmp_path / "project", SPEC + RULES)
    git(made.path, "init", "-q", "-b", "main")
    commit(made)
    return made


def commit(folder: Folder) -> None:
    git(folder.path, "add", "-A")
    git(folder.path, "commit", "-qm", "change", "--allow-empty")


def plan(folder: Folder, *argv: str, **environ: str) -> dict[str, Any]:
    """The document of a plan."""
    done = folder.run("plan", *argv, "-o", "json", environ=environ)
    assert done.code in (0, 3), done
    document: dict[str, Any] = done.json
    assert (document["verdict"]["level"] == "denied") == (done.code == 3)
    return document


def denied(document: dict[str, Any]) -> list[str]:
    return sorted(f["rule"] for f in document["findings"] if f["severity"] == "error")


def refused(done: Done, *words: str) -> None:
    assert done.code == 1, done
    for word in words:
        assert word in done.out + done.err


def test_a_rule_names_itself_its_message_and_both_places(folder: Folder) -> None:
    document = plan(folder)
    first = document["findings"][0]
    assert (first["rule"], first["place"]["file"]) == ("policy/only-4-1", "ftops.yaml")
    assert DENIED in first["summary"]
    assert "ftops.yaml:38:5" in first["detail"]
    assert "Only GPT-4.1 here." in first["detail"]
    for command in ("apply", "destroy"):
        done = folder.run(command, "-y", "--override", "delete", "--reason", "x")
        assert done.code == 3, done
        assert "the rule `delete` can't be overridden" in done.err
    assert not list((folder.path / "state").rglob("*.json"))


def test_a_plan_without_a_policy_has_the_digest_that_it_had(folder: Folder) -> None:
    with_rules = plan(folder)["digest"]
    folder.write("ftops.yaml", SPEC)
    before = plan(folder)
    folder.write("ftops.yaml", SPEC + "\npolicy: []\n")
    after = plan(folder)
    assert before == after
    assert before["digest"] != with_rules
    assert before["destination"]["policies"] == {}


def test_pitfall_20_a_loosened_policy_is_judged_by_the_base(folder: Folder) -> None:
    """Rules are removed, weakened or made overridable, and broken at once."""
    base = plan(folder)
    assert denied(base) == ["policy/only-4-1"] * 3
    assert plan(folder, "--policy-from", "main") == base | {"warnings": base["warnings"]}
    for rules, changes in {
        "": {"only-4-1": "removed", "delete": "removed", "require": "removed"},
        RULES.replace("gpt-4.1-2025-04-14", "'*'"): {"only-4-1": "changed"},
        RULES.replace("deny: {models", "warn: {models"): {"only-4-1": "changed"},
        RULES + "    environments: [default]\n": {"require": "changed"},
        RULES + "  - warn: {retrain: {}}\n": {"retrain": "added"},
    }.items():
        folder.write("ftops.yaml", SPEC + rules)
        document = plan(folder, "--policy-from", "main")
        assert set(denied(document)) == {"policy/only-4-1"}, rules
        assert {c["rule"]: c["what"] for c in document["policy"]["changes"]} == changes
        text = folder.run("plan", "--policy-from", "main").out
        assert text.startswith("warning: the spec changes the policy: ")
    folder.write("ftops.yaml", SPEC + RULES.replace("true", "false", 1))
    done = folder.run("plan", "--policy-from", "main", "--override", "only-4-1", "--reason", "x")
    assert "the rule `only-4-1` can't be overridden" in done.err


def test_what_the_base_denies_only_there_is_denied(folder: Folder) -> None:
    """The environment is the one that is planned; its name can't be changed to escape."""
    folder.write("ftops.yaml", SPEC + "\nenvironments: {prod: {}}\n" + RULES + "    environments: ['pr*']\n")
    commit(folder)
    assert [f["rule"] for f in plan(folder)["findings"]].count("policy/require") == 0
    folder.edit("policy:", "policy: []\nunused:")
    folder.write("ftops.yaml", (folder.path / "ftops.yaml").read_text().partition("unused:")[0])
    document = plan(folder, "--env", "prod", "--policy-from", "main")
    assert [f["rule"] for f in document["findings"]].count("policy/require") == 1


def test_rules_in_a_file_of_their_own_stay_when_it_is_deleted(folder: Folder) -> None:
    """Nor does an object of Git count that stands for another one."""
    folder.write("ftops.yaml", SPEC)
    folder.write("rules.yaml", RULES)
    folder.write("production.yaml", "capacity: 30\n")
    commit(folder)
    (folder.path / "rules.yaml").unlink()
    text = (folder.path / "ftops.yaml").read_text()
    folder.write("other.yaml", "policy: []\n")
    commit(folder)
    git(folder.path, "replace", "HEAD~1:rules.yaml", "HEAD:other.yaml")
    assert text == SPEC
    document = plan(folder, "--policy-from", "HEAD~1", "--var-file", "production.yaml")
    assert set(denied(document)) == {"policy/only-4-1"}
    assert "HEAD~1:rules.yaml:3:5" in document["findings"][0]["detail"]


MISSING = {
    "no section": (SPEC, "the policy is missing"),
    "broken rule": (SPEC + "\npolicy: [{deny: {modles: {}}}]\n", "unknown key `modles`"),
    "broken YAML": (SPEC + "\npolicy: [\n", "main:ftops.yaml"),
    "two conditions": (SPEC + "\npolicy: [{deny: {delete: {}, retrain: {}}}]\n", "exactly one condition"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_policy_that_is_demanded_is_never_no_rules(folder: Folder, case: str, tmp_path: Path) -> None:
    text, words = MISSING[case]
    folder.write("ftops.yaml", text)
    commit(folder)
    folder.write("ftops.yaml", SPEC)
    for command in (("plan",), ("apply", "-y"), ("destroy", "-y")):
        refused(folder.run(*command, "--policy-from", "main"), words)
    outside = tmp_path / "policy.yaml"
    outside.write_text(text.removeprefix(SPEC) or "\n", encoding="utf-8")
    words = words.replace("main:ftops.yaml", "policy.yaml")
    refused(folder.run("plan", environ={"FTOPS_POLICY": str(outside)}), words)
    assert plan(folder)["summary"]["create"]


def test_where_no_policy_can_be_found(folder: Folder, tmp_path: Path) -> None:
    folder.write("ftops.yaml", SPEC)
    for revision in ("nowhere", "--all", "main:ftops.yaml", "../x", " "):
        refused(folder.run("plan", f"--policy-from={revision}"), "there is no revision")
    outside = {
        "": "FTOPS_POLICY is empty",
        str(tmp_path / "none.yaml"): "can't read",
        str(tmp_path): "can't read",
        "ftops.yaml": "must be a file outside the project",
    }
    for path, words in outside.items():
        refused(folder.run("plan", environ={"FTOPS_POLICY": path}), words)
    (tmp_path / "spec.yaml").write_text(SPEC + RULES, encoding="utf-8")
    words = "has the section `policy` alone"
    refused(folder.run("plan", environ={"FTOPS_POLICY": str(tmp_path / "spec.yaml")}), words)
    (folder.path / "new").mkdir()
    folder.write("new/ftops.yaml", SPEC + RULES)
    refused(folder.run("plan", "new", "--policy-from", "main"), "there is no spec at main:new")


def test_another_spec_can_not_be_linked_into_the_place_of_one(folder: Folder) -> None:
    """A checkout replaces the folder of a spec by a link to one with other rules."""
    for name, rules in (("prod", RULES), ("dev", "\npolicy: []\n")):
        folder.write(f"{name}/ftops.yaml", SPEC + rules)
        for data in ("train", "valid"):
            text = (folder.path / f"data/{data}.jsonl").read_text()
            folder.write(f"{name}/data/{data}.jsonl", text)
    commit(folder)
    assert denied(plan(folder, "prod", "--policy-from", "main"))
    (folder.path / "prod").rename(folder.path / "gone")
    (folder.path / "prod").symlink_to("dev")
    words = "can't be found at main"
    refused(folder.run("plan", "prod", "--policy-from", "main"), words)
    here = {"PWD": str(folder.path)}
    refused(folder.run("-C", "prod", "plan", "--policy-from", "main", environ=here), words)
    within = Folder(folder.path / "prod")
    refused(within.run("plan", "--policy-from", "main", environ={"PWD": str(within.path)}), words)
    assert not denied(plan(folder, "dev", "--policy-from", "main"))


def test_rules_of_a_file_outside_count_as_well(folder: Folder, tmp_path: Path) -> None:
    folder.write("ftops.yaml", SPEC + "\npolicy: [{deny: {retrain: {}}}]\n")
    outside = tmp_path / "policy.yaml"
    outside.write_text(RULES, encoding="utf-8")
    own = plan(folder)
    both = plan(folder, FTOPS_POLICY=str(outside))
    assert (denied(own), set(denied(both))) == ([], {"policy/only-4-1"})
    assert not both["policy"]["changes"]
    assert str(outside) in both["findings"][0]["detail"]
    assert own["digest"] != both["digest"]


def test_pitfall_19_an_untrusted_spec_loosens_nothing(folder: Folder) -> None:
    """Its rules are gone, it overrides those of the base, and a file in it would answer in their place."""
    folder.write("ftops.yaml", SPEC + OVERRIDE)
    folder.write(".ftops/policy.yaml", "policy: []\n")
    document = plan(folder, "--untrusted", "--policy-from", "main")
    assert set(denied(document)) == {"policy/only-4-1"}
    assert [c["what"] for c in document["policy"]["changes"]] == ["removed"] * 3
    assert document["policy"]["overridden"] == []
    notes = [f["summary"] for f in document["findings"] if f["severity"] == "warning"]
    assert "the override of `only-4-1` doesn't count" in notes


def test_pitfall_19_an_untrusted_plan_accepts_no_region_that_it_was_only_told(folder: Folder) -> None:
    folder.edit("m: {type: memory}", "m: {type: emulator}")
    folder.write("ftops.yaml", SPEC.replace("type: memory", "type: emulator") + "\npolicy: []\n")
    rules = "\npolicy: [{deny: {regions: {allow: [swedencentral]}}}]\n"
    folder.write("ftops.yaml", SPEC.replace("type: memory", "type: emulator") + rules)
    document = plan(folder, "--untrusted")
    assert denied(document) == ["policy/regions"]
    assert "the region of its account isn't known" in document["findings"][0]["summary"]


def test_an_override_is_reviewed_text_or_given_with_its_reason(folder: Folder) -> None:
    assert folder.run("plan", "--override", "only-4-1").code == 1
    assert folder.run("plan", "--reason", "x").code == 1
    given = plan(folder, "--override", "only-4-1", "--reason", "agreed with Alice")
    folder.write("ftops.yaml", SPEC + RULES + OVERRIDE)
    written = plan(folder, "--policy-from", "main")
    for document in (given, written):
        (lifted,) = document["policy"]["overridden"]
        assert (lifted["rule"], lifted["reason"]) == ("only-4-1", "agreed with Alice")
        assert len(lifted["denied"]) == 3
        assert document["destination"]["policies"]["override.only-4-1"] == "agreed with Alice"
    other = plan(folder, "--override", "only-4-1", "--reason", "another reason")
    assert other["digest"] != given["digest"]
    for change, words in {
        "reason: ' '": "an override needs a reason",
        "rule: only-4-2": "there is no rule `only-4-2`",
        "until: soon": "must be a day",
        "until: 2026-01-01": "the override of `only-4-1` has ended",
    }.items():
        key = change.partition(":")[0]
        old = {"reason": "reason: agreed with Alice", "rule": "rule: only-4-1", "until": "until: 2999-12-31"}
        folder.write("ftops.yaml", SPEC + RULES + OVERRIDE.replace(old[key], change))
        done = folder.run("plan")
        assert done.code in (1, 3)
        assert words in done.err
    folder.write("ftops.yaml", SPEC + RULES + OVERRIDE.replace(", until: 2999-12-31", ""))
    refused(folder.run("plan"), "`until` is missing")


def test_pitfall_21_what_was_overridden_is_in_digest_and_audit(folder: Folder) -> None:
    digest = plan(folder, "--override", "only-4-1", "--reason", "trial")["digest"]
    assert folder.run("apply", "--expect-digest", digest).code == 3
    done = folder.run("apply", "--expect-digest", digest, "--override", "only-4-1", "--reason", "other")
    assert "this isn't the expected plan" in done.err
    folder.ok("apply", "--expect-digest", digest, "--override", "only-4-1", "--reason", "trial")
    (run,) = json.loads(folder.ok("audit", "-o", "json"))["runs"]
    assert run["rule_overrides"] == {"only-4-1": "trial"}
    assert "rule only-4-1 overridden: trial" in folder.ok("audit")


def test_a_saved_plan_is_judged_again(folder: Folder, tmp_path: Path) -> None:
    """By the rules of then and now: another policy needs another approval."""
    folder.write("ftops.yaml", SPEC + RULES + OVERRIDE)
    assert folder.run("plan", "--out", "plan.json", "--policy-from", "main").code == 0
    outside = tmp_path / "policy.yaml"
    outside.write_text("policy: [{deny: {skus: {deny: [Standard]}}}]\n", encoding="utf-8")
    done = folder.run("apply", "plan.json", environ={"FTOPS_POLICY": str(outside)})
    assert (done.code, "the setting policy has another value" in done.err) == (3, True), done
    shown = folder.ok("show", "plan.json")
    assert "the rule only-4-1 is overridden until 2999-12-31" in shown
    folder.ok("apply", "plan.json")
    (run,) = json.loads(folder.ok("audit", "-o", "json"))["runs"]
    assert run["rule_overrides"] == {"only-4-1": "agreed with Alice"}


def test_a_region_is_what_the_account_says(tmp_path: Path) -> None:
    """When it is planned, and when the saved plan is applied."""
    rules = "[{deny: {regions: {allow: [swedencentral]}}}, {deny: {accounts: {allow: [emulator]}}}]"
    folder = Folder.make(tmp_path / "project", f"{SPEC.replace('memory', 'emulator')}\npolicy: {rules}\n")
    assert "the region of its account isn't known" in folder.run("plan", "--offline").err
    folder.ok("plan", "--out", "plan.json", "--target", "dataset.train")
    folder.ok("apply", "plan.json")
    folder.edit("[swedencentral]", "[westeurope]")
    assert "the region swedencentral isn't allowed" in folder.run("plan").err
    folder.edit("[westeurope]", "['*']")
    folder.edit("[emulator]", "[contoso]")
    assert "the account emulator isn't allowed" in folder.run("plan").err
    assert "the account emulator isn't allowed" in folder.run("destroy", "-y").err


def test_a_catalogue_of_the_project_lowers_no_cost(tmp_path: Path) -> None:
    """Nor makes another model of one: whoever changes the spec can change that file."""
    rules = "[{deny: {cost: {training: 0}}}, {deny: {models: {allow: [gpt-4.1-2025-04-14]}}}]"
    folder = Folder.make(tmp_path / "project", f"{SPEC.replace('memory', 'emulator')}\npolicy: {rules}\n")
    free = "{training_per_million: {standard: 0}}"
    cheap = f"models: {{gpt-4o-mini-2024-07-18: {{aliases: [gpt-4.1-2025-04-14], prices: {free}}}}}"
    folder.write("ftops.catalog.yaml", f"{cheap}\n")
    document = plan(folder, "--offline")
    assert document["estimate"]["training_total"] == 0
    assert set(denied(document)) == {"policy/cost", "policy/models"}
    outside = tmp_path / "catalogue.yaml"
    outside.write_text(f"{cheap}\n", encoding="utf-8")
    assert denied(plan(folder, "--offline", FTOPS_CATALOG=str(outside))) == []


def test_a_comment_shows_every_rule_that_is_broken(folder: Folder) -> None:
    """However often: the first of each rule, and how many there are."""
    names = [f"base{number}" for number in range(400)]
    many = f"{{for_each: [{', '.join(names)}], model: gpt-4o-mini-2024-07-18, name: '${{each.key}}'}}"
    rules = RULES.replace("  - warn", "  - deny: {skus: {allow: []}}\n  - warn")
    folder.write(
        "ftops.yaml",
        SPEC.replace("  copilot:\n    model: ${", f"  more: {many}\n  copilot:\n    model: ${{") + rules,
    )
    comment = folder.run("plan", "-o", "markdown", "--limit", "65536").out
    assert len(comment.encode()) <= 65536
    assert comment.startswith("### ❌ `drone`: denied by the policy: 805 errors\n")
    for rule, count in {"only-4-1": 403, "skus": 402}.items():
        assert comment.count(f"error[policy/{rule}]") == 5
        assert f"… {count - 5} more errors by the rule {rule}" in comment


def test_comments(folder: Folder) -> None:
    """A denied plan, an overridden one, and one that changes the policy."""
    golden("comment-denied", folder.run("plan", "-o", "markdown").out, ".md")
    golden("plan-denied", folder.run("plan").out)
    lifted = folder.run("plan", "-o", "markdown", "--override", "only-4-1", "--reason", "a trial")
    golden("comment-overridden", lifted.out, ".md")
    folder.write("ftops.yaml", SPEC.replace("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14"))
    changed = folder.run("plan", "-o", "markdown", "--policy-from", "main")
    golden("comment-policy-changed", changed.out, ".md")
