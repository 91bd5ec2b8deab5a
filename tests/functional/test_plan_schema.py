"""The published schema of `plan -o json`: documents of real plans have these keys, and no others."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from ftops.cli.plan_flow import plan_document
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, Place
from ftops.planning.plan import (
    Action,
    AttributeChange,
    Change,
    Drift,
    Gate,
    Held,
    Plan,
    Reason,
    SettingChange,
)
from ftops.views.plan_schema import plan_schema
from tests.functional.test_policy import RULES
from tests.golden.cli import SPEC, Folder, golden
from tests.support.evaluations import trained, written
from tests.support.pages import blocks


def closed(schema: Any) -> Any:
    """The schema with no room for keys that it doesn't name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if "properties" in schema else inner


STRICT = validator_for(closed(plan_schema()))


def check(document: Any) -> None:
    STRICT.validate(document)
    for key in document:
        assert not STRICT.is_valid({k: v for k, v in document.items() if k != key}), key


def test_documents_of_the_command_line(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "here", SPEC + RULES)
    printed = folder.ok("schema", "--plan")
    assert json.loads(printed) == plan_schema()
    flags = ("--override", "only-4-1", "--reason", "a trial")
    check(folder.run("plan", "-o", "json").json)
    check(folder.run("plan", "-o", "json", *flags).json)
    folder.ok("apply", "-y", *flags)
    folder.edit("seed: 105", "seed: 106")
    folder.edit("  base:\n    model: gpt-4o-mini-2024-07-18\n", "  chat:\n    model: gpt-4o-2024-08-06\n")
    folder.edit("  name: ${deployment.copilot.name}", "  other: ${deployment.chat.name}")
    folder.write(
        "ftops.yaml",
        (folder.path / "ftops.yaml").read_text() + "moved: [{from: deployment.base, to: deployment.chat}]\n",
    )
    for more in ((), ("--destroy",), ("--refresh-only",), ("--untrusted",)):
        check(folder.run("plan", "-o", "json", *more).json)
    assert folder.run("plan", "-o", "json").json["moves"]


def test_documents_with_costs_and_evaluations(tmp_path: Path) -> None:
    written(tmp_path)
    trained_spec = trained(tmp_path)
    deployment = {"model": "${job.copilot.fine_tuned_model}", "gate": {"evaluation": "exam"}}
    spec = {**trained_spec, "deployments": {"copilot": deployment}}
    (tmp_path / "ftops.yaml").write_text(json.dumps(spec), encoding="utf-8")
    document = Folder(tmp_path).run("plan", "--offline", "-o", "json").json
    check(document)
    estimate = document["estimate"]
    assert estimate["training"] and estimate["hosting"] and estimate["asking"]
    assert any("gates" in change for change in document["changes"])


def test_a_document_with_everything() -> None:
    job, served = Address("job", "copilot"), Address("deployment", "chat", "a")
    seen = AttributeChange("seed", 1, None, True, "from a set")
    gate = Gate(Address("evaluation", "exam"), {"verdict": "better"}, "gpt-4o")
    change = Change(
        "deployment.chat#1", served, Action.REPLACE, Reason("code", "text"), "azure", ("job.copilot",),
        {"seed": 1}, {"seed": 2}, (seen,), fingerprint="f", remote_id="r", deposed="1", deposes="2",
        gates=(gate,), override="agreed",
    )  # fmt: skip
    plan = Plan(
        "drone", "prod", "l", 3,
        changes=(change,),
        drift=(Drift(job, "changed", (seen,), "revert"),),
        held=(Held(served, ("too few",)),),
        settings=(SettingChange(served, "lifecycle.prevent_destroy", True, False),),
        findings=(Diagnostic("s", "d", "h", Place("f", 1, 2, "t", 1), "warning", "rule", "path"),),
    )  # fmt: skip
    document = json.loads(json.dumps(plan_document(plan, (Diagnostic("s"),))))
    check(document)
    spoiled: Any
    for spoiled in (
        {"serial": -1},
        {"mode": "later"},
        {"format_version": 2},
        {"summary": {}},
        {"findings": [{}]},
    ):
        assert not STRICT.is_valid({**document, **spoiled}), spoiled


LANGUAGES = {
    "rego": r"\b(?:input|change)((?:\.\w+)+)",
    "cel": r"\b(?:plan|change)((?:\.\w+)+)",
}
"""What an example reads, as a regular expression."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_examples_read_what_is_there(tmp_path: Path, language: str) -> None:
    """Every key that an example reads is in the document that comes with the tests, and in the schema."""
    folder = Folder.make(tmp_path / "here")
    text = folder.run("plan", "-o", "json").out
    golden("plan-document", re.sub(r"v2:sha256:[0-9a-f]{64}", f"v2:sha256:{'0' * 64}", text), ".json")
    document = json.loads(text)
    schema = plan_schema()
    (example,) = blocks("policy.md", language, "Rules in other languages")
    read = set(re.findall(LANGUAGES[language], example))
    assert len(read) >= 4
    for path in read:
        first, *rest = path.strip(".").split(".")
        if first in document:
            inner: Any = document[first]
            for name in [name for name in rest if name not in ("all", "exists")]:
                inner = inner[name]
        else:
            assert first in schema["$defs"]["Change"]["properties"], path
            assert any(first in change for change in document["changes"]), path
