"""docs/policy.md: the rules in Rego and CEL judge a plan as it says there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.install import Client, from_pypi
from tests.golden.cli import GOLDEN
from tests.support.pages import blocks

PLAN = json.loads((GOLDEN / "plan-document.json").read_text("utf-8"))
DELETED = {
    **PLAN,
    "changes": [
        {"step": "deployment.base", "address": "deployment.base", "action": "delete"},
        {"step": "job.copilot", "address": "job.copilot", "action": "delete"},
    ],
}
UNPRICED = {**PLAN, "estimate": {**PLAN["estimate"], "training_total_is_complete": False}}
EXPENSIVE = {**PLAN, "estimate": {**PLAN["estimate"], "training_total": 100.5}}
OF_41 = json.loads(json.dumps(PLAN).replace("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14"))

REGO = """
import json, regopy, sys
rules, plan = json.load(sys.stdin)
interpreter = regopy.Interpreter()
interpreter.add_module("plan", rules)
interpreter.set_input(plan)
print(json.dumps(json.loads(str(interpreter.query("data.main.deny")))["expressions"][0]))
"""
CEL = """
import cel, json, sys
rule, plan = json.load(sys.stdin)
print(json.dumps(cel.evaluate(rule, {"plan": plan})))
"""


def judged(client: Client, program: str, language: str, plan: Any, folder: Path) -> Any:
    (rule,) = blocks("policy.md", language, "Rules in other languages")
    given, script = folder / "given.json", folder / "judge.py"
    given.write_text(json.dumps([rule, plan]), "utf-8")
    script.write_text(program.replace("json.load(sys.stdin)", f"json.load(open({str(given)!r}))"), "utf-8")
    return client.json("python", script)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (PLAN, []),
        (DELETED, ["deployment.base must not be deleted"]),
        (UNPRICED, ["training costs more than $100, or it isn't known what"]),
        (EXPENSIVE, ["training costs more than $100, or it isn't known what"]),
    ],
    ids=["fine", "deleted", "unpriced", "expensive"],
)
def test_rego(tmp_path: Path, plan: Any, words: list[str]) -> None:
    assert judged(from_pypi("regopy", "regopy"), REGO, "rego", plan, tmp_path) == words


@pytest.mark.parametrize(
    ("plan", "fine"),
    [(OF_41, True), (PLAN, False), (DELETED, False), (UNPRICED, False), (EXPENSIVE, False)],
    ids=["fine", "another model", "deleted", "unpriced", "expensive"],
)
def test_cel(tmp_path: Path, plan: Any, fine: bool) -> None:
    client = from_pypi("common-expression-language", "common-expression-language")
    assert judged(client, CEL, "cel", plan, tmp_path) is fine
