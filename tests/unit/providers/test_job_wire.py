"""Settings of training: each that the schema declares is checked, sent and recognised, by its declaration."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ftops.config.loader import load
from ftops.config.schema.block import Field
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.config.schema.resources import Job
from ftops.core.address import Address
from ftops.core.errors import SpecError
from ftops.providers.base import Request
from ftops.providers.dataplane.job_wire import job_body, job_counts
from ftops.providers.dataplane.listing import job_inputs
from ftops.providers.dataplane.run_wire import progress_of

ROOT = Path(__file__).parents[3]
METHODS = ("supervised", "dpo", "reinforcement")
GRADER = {"type": "python", "name": "g", "source": "def grade(sample, item): return 1"}
FORMAT = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {"type": "object"}}}
VALUES = {"reasoning_effort": "low", "grader": GRADER, "response_format": FORMAT}
"""Of settings that aren't numbers."""
KEYS = [(field, False) for field in Job.fields.values() if field.method]
HYPERPARAMETERS = [(field, True) for field in Hyperparameters.fields.values()]
SETTINGS = [
    (field, is_nested, method) for field, is_nested in (*KEYS, *HYPERPARAMETERS) for method in METHODS
]
SUPPORTED = [setting for setting in SETTINGS if setting[0].method in (None, setting[2])]


def setting_id(value: Field | bool | str) -> str | None:
    return value.key if isinstance(value, Field) else None


def inputs_with(field: Field, is_nested: bool, method: str) -> dict[str, Any]:
    setting = {field.key: VALUES.get(field.key, 2)}
    own = {"hyperparameters": setting} if is_nested else setting
    return {"model": "gpt-4o-mini-2024-07-18", "method": method, "training": "file-1", **own}


@pytest.mark.parametrize(("field", "is_nested", "method"), SUPPORTED, ids=setting_id)
def test_what_is_sent_is_listed_again(field: Field, is_nested: bool, method: str) -> None:
    inputs = inputs_with(field, is_nested, method)
    body = job_body(
        Request(Address("job", "a"), inputs, token="t", folder=Path()),
        with_method=True,
        with_training_type=False,
    )
    listed = job_inputs(body)
    assert {name: listed.get(name) for name in inputs} == inputs


@pytest.mark.parametrize(("field", "is_nested", "method"), SETTINGS, ids=setting_id)
def test_a_spec_can_set_it_for_its_method(tmp_path: Path, field: Field, is_nested: bool, method: str) -> None:
    job = {"grader": GRADER, "validation": "p"} if method == "reinforcement" else {}
    job |= inputs_with(field, is_nested, method) | {"training": "p"}
    file = tmp_path / "ftops.yaml"
    file.write_text(f"datasets: {{p: {{path: p.jsonl}}}}\njobs: {{a: {job}}}\n".replace("'", '"'), "utf-8")
    if field.method in (None, method):
        assert load(file, environ={}).resources
        return
    with pytest.raises(SpecError) as refused:
        load(file, environ={})
    summaries = [diagnostic.summary for diagnostic in refused.value.diagnostics]
    assert f"the method {method} doesn't support `{field.key}`" in summaries


def test_the_document_has_the_method_of_each() -> None:
    text = (ROOT / "docs" / "language.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*`) \|.*\| (\w+) \|$", text.partition("| key | values | method |")[2], re.M)
    described = {key: method for keys, method in rows for key in re.findall(r"`(\w+)`", keys)}
    declared = {field.key: field.method or "all" for field in Hyperparameters.fields.values()}
    assert {key: described.get(key) for key in declared} == declared


def test_rewards_of_an_event_are_shown() -> None:
    scores = {"train_reward_mean": 0.25, "valid_reward_mean": 0.5, "graders": {"exact": {}}}
    usage = {"samples": {"train_reasoning_tokens_mean": 120.0}}
    event = {"message": "Step 3/10: reward 0.25", "data": {"step": 3, "scores": scores, "usage": usage}}
    shown = progress_of(event)
    assert shown.message == "step 3/10: reward 0.25, valid reward 0.5, train reasoning tokens 120"
    assert shown.percent == 30


@pytest.mark.parametrize(
    ("status", "counted"),
    [
        *((word, "queued_jobs") for word in ("pending", "queued", "validating_files", "Queued")),
        *((word, "running_developer_jobs") for word in ("running", "pausing", "resuming")),
        *((word, "") for word in ("paused", "succeeded", "failed", "cancelled", "something new")),
    ],
)
def test_jobs_count_by_the_words_of_both_dialects(status: str, counted: str) -> None:
    counts = job_counts([{"status": status, "trainingType": "developerTier"}])
    assert {name for name, number in counts.items() if number} == {counted} - {""}


@pytest.mark.parametrize(
    ("beta", "sent"), [({}, {}), ({"beta": "auto"}, {}), ({"beta": 0.1, "l2_multiplier": 0}, None)]
)
def test_what_is_left_to_the_service_is_not_sent(beta: dict[str, Any], sent: dict[str, Any] | None) -> None:
    """ftops has no default of its own: documents have had several."""
    inputs = {"model": "gpt-4o-2024-08-06", "method": "dpo", "training": "file-1", **beta}
    request = Request(Address("job", "a"), inputs, token="t", folder=Path())
    dpo = job_body(request, with_method=True, with_training_type=False)["method"]["dpo"]
    assert dpo.get("hyperparameters", {}) == (beta if sent is None else sent)
