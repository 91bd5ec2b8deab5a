"""Evals by the SDK: criteria, runs over rows and answers of deployments, results, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.emulator.samples import jsonl, text
from tests.emulator.server import MODEL, STANDARD, Emulator, deployment, ended, until, upload

PREVIEW = "api-version=2025-04-01-preview"
SCHEMA: Any = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
}
ROWS = [
    {"question": "capital of France", "answer": "Paris"},
    {"question": "capital of Italy", "answer": "Rome"},
    {"question": "capital of Spain", "answer": "Lisbon"},
]
KNOWN = {"capital of France": "Paris", "capital of Italy": "Rome", "capital of Spain": "Madrid"}
LABELS = {"Paris": "city", "Rome": '{"result": "city"}', "Madrid": "a large one"}
SCORES = {"Paris": "1", "Rome": '{"score": 0.25}', "Madrid": "very good"}
EXACT: Any = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
ALIKE: Any = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.3,
}
LABEL: Any = {
    "type": "label_model",
    "name": "is a city",
    "model": "judge",
    "input": [{"role": "user", "content": "label {{sample.output_text}}"}],
    "labels": ["city", "country"],
    "passing_labels": ["city"],
}
SCORE: Any = {
    "type": "score_model",
    "name": "quality",
    "model": "judge",
    "input": [{"role": "user", "content": {"type": "input_text", "text": "score {{sample.output_text}}"}}],
}
TEMPLATE: Any = [{"type": "message", "role": "user", "content": "{{item.question}}"}]


def examples() -> list[dict[str, Any]]:
    """A model that knows capitals, labels and scores; and says some of these so that they can't be read."""
    known = [text(question, answer) for question, answer in KNOWN.items()]
    labels = [text(f"label {city}", label) for city, label in LABELS.items()]
    scores = [text(f"score {city}", score) for city, score in SCORES.items()]
    return [*known, *labels, *scores] * 8


@pytest.fixture(scope="module")
def client(shared: Emulator) -> Iterator[OpenAI]:
    with shared.data() as client, shared.control() as control:
        job = client.fine_tuning.jobs.create(
            model=MODEL,
            training_file=upload(client, jsonl(examples())),
            hyperparameters={"n_epochs": 20},
            extra_body=STANDARD,
        )
        tuned = str(ended(client, job.id).fine_tuned_model)
        for name in ("pupil", "judge"):
            body = deployment(tuned)
            control.deployments.begin_create_or_update("rg-emulator", "emulator", name, body).result()
    shared.advance(1)
    with shared.v1() as client:
        yield client


def create(client: OpenAI, *criteria: Any, **more: Any) -> Any:
    config: Any = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
    given: Any = {"name": "capitals", "data_source_config": config, **more}
    return client.evals.create(testing_criteria=list(criteria or (EXACT,)), **given)


def content(rows: Any = ROWS) -> Any:
    return {"type": "file_content", "content": [{"item": row} for row in rows]}


def asking(**more: Any) -> Any:
    source = {"type": "completions", "model": "pupil", "source": content()}
    return {**source, "input_messages": {"type": "template", "template": TEMPLATE}, **more}


def ran(client: OpenAI, found: Any, source: Any, **more: Any) -> Any:
    """A run that has ended."""
    run = client.evals.runs.create(found.id, data_source=source, **more)

    def check() -> Any:
        now = client.evals.runs.retrieve(run.id, eval_id=found.id)
        return now if now.status not in ("queued", "in_progress") else None

    return until(check)


def items(client: OpenAI, run: Any, **more: Any) -> list[Any]:
    found = client.evals.runs.output_items.list(run.id, eval_id=run.eval_id, **more)
    return [item.model_dump() for item in found.data]


def test_an_eval_is_created_changed_listed_and_deleted(client: OpenAI) -> None:
    found = create(client, EXACT, ALIKE, metadata={"team": "a"})
    assert [c.id.rpartition("-")[0][:5] for c in found.testing_criteria] == ["exact", "alike"]
    config = found.data_source_config.to_dict()
    assert config["schema"]["properties"]["item"] == SCHEMA
    assert config["schema"]["required"] == ["item", "sample"]
    assert client.evals.retrieve(found.id).metadata == {"team": "a"}
    other = create(client, name="other")
    assert client.evals.update(found.id, name="renamed").name == "renamed"
    listed = [row.id for row in client.evals.list(order="asc") if row.id in (found.id, other.id)]
    assert listed == [found.id, other.id]
    newest = client.evals.list(order="desc", order_by="updated_at", limit=1)
    assert [row.id for row in newest.data] == [found.id] and newest.has_more
    assert client.evals.delete(found.id).eval_id == found.id
    with pytest.raises(openai.NotFoundError):
        client.evals.retrieve(found.id)


def test_a_run_asks_a_deployment_and_grades_its_answers(client: OpenAI) -> None:
    found = create(client, EXACT, ALIKE)
    run = ran(client, found, asking(), name="first", metadata={"a": "b"})
    assert (run.status, run.model, run.name, run.metadata) == ("completed", "pupil", "first", {"a": "b"})
    assert run.result_counts.model_dump() == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    counted = [(row.passed, row.failed) for row in run.per_testing_criteria_results]
    assert counted == [(2, 1), (2, 1)]
    assert [row.testing_criteria for row in run.per_testing_criteria_results] == [
        criterion.id for criterion in found.testing_criteria
    ]
    (usage,) = run.per_model_usage
    assert (usage.invocation_count, usage.completion_tokens, usage.cached_tokens) == (3, 3, 0)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert run.report_url.endswith(f"/openai/v1/evals/{found.id}/runs/{run.id}")
    rows = items(client, run)
    assert [row["status"] for row in rows] == ["pass", "pass", "fail"]
    assert [row["datasource_item_id"] for row in rows] == [0, 1, 2]
    assert rows[2]["datasource_item"] == ROWS[2]
    assert rows[2]["sample"]["output"][0]["content"] == "Madrid"
    assert rows[2]["sample"]["input"] == [{"role": "user", "content": "capital of Spain"}]
    assert rows[2]["sample"]["seed"] == 42
    assert [result["score"] for result in rows[2]["results"]] == [0.0, pytest.approx(1 / 6)]
    assert items(client, run, status="fail") == [rows[2]]
    one = client.evals.runs.output_items.retrieve(rows[0]["id"], eval_id=found.id, run_id=run.id)
    assert one.model_dump() == rows[0]


def test_rows_can_bring_their_answers(client: OpenAI) -> None:
    source: Any = {
        "type": "file_content",
        "content": [
            {"item": ROWS[0], "sample": {"output_text": "Paris"}},
            {"item": ROWS[1], "sample": {"choices": [{"message": {"content": "Rome"}}]}},
            {"item": ROWS[2], "sample": {"output_text": "Madrid"}},
        ],
    }
    run = ran(client, create(client), {"type": "jsonl", "source": source})
    assert (run.model, run.per_model_usage, run.result_counts.passed) == (None, [], 2)


def test_rows_come_from_a_file_too(client: OpenAI, shared: Emulator) -> None:
    data = "".join(json.dumps({"item": row}) + "\n" for row in ROWS).encode()
    file = client.files.create(file=("rows.jsonl", data), purpose="evals")
    source = asking(source={"type": "file_id", "id": file.id})
    run = ran(client, create(client), source)
    assert (run.status, run.result_counts.passed) == ("completed", 2)
    broken = client.files.create(file=("rows.jsonl", data + b"{\n"), purpose="evals")
    run = ran(client, create(client), asking(source={"type": "file_id", "id": broken.id}))
    assert (run.status, run.error.code) == ("failed", "UserError")
    assert "Line 4" in run.error.message
    assert items(client, run) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [({"question": "a"}, "Row 2 doesn't fit the item_schema"), (None, "Row 2 has no 'item'")],
)
def test_a_row_that_does_not_fit_fails_the_run(client: OpenAI, row: Any, message: str) -> None:
    run = ran(client, create(client), asking(source=content([ROWS[0], row])))
    assert run.status == "failed" and message in run.error.message


def test_models_label_and_score(client: OpenAI, shared: Emulator) -> None:
    found = create(client, LABEL, SCORE)
    run = ran(client, found, asking())
    assert run.result_counts.model_dump() == {"total": 3, "errored": 1, "failed": 1, "passed": 1}
    rows = items(client, run)
    assert [row["status"] for row in rows] == ["pass", "fail", "error"]
    assert [[result["score"] for result in row["results"]] for row in rows] == [
        [1.0, 1.0], [1.0, 0.25], [None, None],
    ]  # fmt: skip
    label, score = rows[2]["results"]
    assert label["sample"]["error"]["code"] == score["sample"]["error"]["code"] == "model_grader_parse_error"
    assert "none of the labels city, country: 'a large one'" in label["sample"]["error"]["message"]
    assert {result["passed"] for result in rows[2]["results"]} == {False}
    assert sum(usage.invocation_count for usage in run.per_model_usage) == 9
    shared.settings(eval_pass_share=0.25)
    assert ran(client, found, asking()).result_counts.passed == 2
    shared.settings(eval_pass_share=0.5)


def test_a_row_that_cannot_be_answered_is_an_error(client: OpenAI) -> None:
    run = ran(client, create(client), asking(model="nothing"))
    assert run.result_counts.errored == 3
    assert items(client, run)[0]["sample"]["error"]["code"] == "DeploymentNotFound"
    template: Any = [{"role": "user", "content": "{{item.nothing}}"}]
    run = ran(client, create(client), asking(input_messages={"type": "template", "template": template}))
    assert items(client, run)[0]["sample"]["error"]["code"] == "invalid_variable_error"


def test_messages_can_be_those_of_the_row(client: OpenAI) -> None:
    row = {**ROWS[0], "chat": {"messages": [{"role": "user", "content": "capital of France"}]}}
    given = {"type": "item_reference", "item_reference": "item.chat.messages"}
    source = asking(type="responses", source=content([row, ROWS[1]]), input_messages=given)
    source["sampling_params"] = {"temperature": 0.5, "text": {"format": {"type": "text"}}}
    run = ran(client, create(client), source)
    assert run.result_counts.model_dump() == {"total": 2, "errored": 1, "failed": 0, "passed": 1}
    rows = items(client, run)
    assert rows[0]["sample"]["temperature"] == 0.5
    assert "messages" in rows[1]["sample"]["error"]["message"]


def test_a_run_is_queued_and_then_in_progress(client: OpenAI, shared: Emulator) -> None:
    shared.settings(eval_queue_seconds=3600, eval_run_seconds=3600)
    found = create(client)
    run = client.evals.runs.create(found.id, data_source=asking())
    assert (run.status, run.result_counts.total) == ("queued", 0)
    shared.advance(3600)
    assert client.evals.runs.retrieve(run.id, eval_id=found.id).status == "in_progress"
    assert client.evals.runs.output_items.list(run.id, eval_id=found.id).data == []
    canceled = client.evals.runs.cancel(run.id, eval_id=found.id)
    assert canceled.status == "canceled"
    path = f"/openai/v1/evals/{found.id}/runs/{run.id}"
    status, _, answer = shared.call("POST", path)
    assert (status, answer["error"]["code"]) == (400, "unexpectedEntityState")
    shared.settings(strict=True)
    assert shared.call("POST", f"{path}/cancel")[0] == 404, "only the SDK has this path"
    shared.settings(strict=False)
    other = client.evals.runs.create(found.id, data_source=asking())
    shared.settings(eval_queue_seconds=0.0, eval_run_seconds=0.0)
    until(lambda: client.evals.runs.retrieve(other.id, eval_id=found.id).status == "completed")
    assert [row.id for row in client.evals.runs.list(found.id, order="desc")] == [other.id, run.id]
    assert [row.id for row in client.evals.runs.list(found.id, status="canceled")] == [run.id]
    assert client.evals.runs.delete(run.id, eval_id=found.id).run_id == run.id
    assert [row.id for row in client.evals.runs.list(found.id)] == [other.id]


def test_a_stopped_server_computes_a_run_again(start: Any) -> None:
    settings = ("--eval-queue-seconds=3600", "--clock-rate=0")
    emulator = start(*settings)
    with emulator.v1() as client:
        found = create(client)
        source: Any = {"type": "jsonl", "source": content()}
        source["source"]["content"][0]["sample"] = {"output_text": "Paris"}
        run = client.evals.runs.create(found.id, data_source=source)
        emulator.stop(9)
        emulator = start(*settings)
    emulator.advance(7200)
    with emulator.v1() as client:
        until(lambda: client.evals.runs.retrieve(run.id, eval_id=found.id).status == "completed")
        done = client.evals.runs.retrieve(run.id, eval_id=found.id)
    assert done.result_counts.model_dump() == {"total": 3, "errored": 2, "failed": 0, "passed": 1}


def test_the_dated_plane_has_it_since_its_preview(shared: Emulator, client: OpenAI) -> None:
    config = {"type": "custom", "item_schema": SCHEMA}
    body = {"data_source_config": config, "testing_criteria": [EXACT]}
    status, _, found = shared.call("POST", f"/openai/evals?{PREVIEW}", body)
    assert (status, found["object"]) == (201, "eval")
    assert shared.call("POST", "/openai/evals?api-version=2024-10-21", body)[0] == 404
    shared.settings(eval_create_status=200)
    assert shared.call("POST", "/api/projects/support/openai/v1/evals", body)[0] == 200
    shared.settings(eval_create_status=201, eval_queue_seconds=60.0)
    run = {"data_source": {"type": "jsonl", "source": content()}}
    path = f"/openai/evals/{found['id']}/runs"
    status, _, created = shared.call("POST", f"{path}?{PREVIEW}", run)
    assert (status, created["status"], created["model"]) == (201, "queued", None)
    assert shared.call("POST", path.replace("/openai/", "/openai/v1/"), run)[0] == 201


def test_headers_of_endpoints_are_masked(shared: Emulator, client: OpenAI) -> None:
    endpoint = {
        "type": "endpoint", "name": "remote", "url": "http://127.0.0.1:9/", "headers": {"x-key": "abc"},
        "pass_threshold": 5,
    }  # fmt: skip
    body = {
        "data_source_config": {"type": "custom", "item_schema": SCHEMA},
        "testing_criteria": [endpoint],
    }
    criterion = shared.call("POST", "/openai/v1/evals", body)[2]["testing_criteria"][0]
    assert set(criterion["headers"]["x-key"]) == {"*"}
    assert criterion["grdr_id"] is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data_source_config": {"type": "logs"}}, "keeps no logs"),
        ({"data_source_config": {"type": "custom"}}, "item_schema' is required"),
        ({"data_source_config": {"type": "custom", "item_schema": {"type": "x"}}}, "not a JSON Schema"),
        ({"testing_criteria": []}, "at least one grader"),
        ({"testing_criteria": [{**EXACT, "name": ""}]}, "a grader with a 'name'"),
        ({"testing_criteria": [{**EXACT, "operation": "is"}]}, "'operation' must be one of"),
        ({"testing_criteria": [{**ALIKE, "pass_threshold": None}]}, "needs 'pass_threshold'"),
        ({"testing_criteria": [{**ALIKE, "evaluation_metric": "cosine"}]}, "'evaluation_metric' must be"),
        ({"testing_criteria": [{**LABEL, "passing_labels": ["lake"]}]}, "some of the 'labels'"),
        ({"testing_criteria": [{**LABEL, "labels": []}]}, "needs 'labels'"),
        ({"metadata": {"a": 1}}, "'metadata' takes 16 pairs"),
        ({"name": 1}, "'name' must be a string"),
    ],
)
def test_evals_that_are_refused(shared: Emulator, changes: Any, problem: str) -> None:
    config = {"type": "custom", "item_schema": SCHEMA}
    body = {"data_source_config": config, "testing_criteria": [EXACT], **changes}
    status, _, answer = shared.call("POST", "/openai/v1/evals", body)
    assert status == 400 and problem in answer["error"]["message"]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({}, "needs a 'type' and a 'source'"),
        ({"type": "azure_ai_responses", "source": content()}, "only runs of the types"),
        ({"type": "jsonl", "source": {"type": "stored_completions"}}, "file_id with 'id' or file_content"),
        ({"type": "jsonl", "source": {"type": "file_content", "content": []}}, "file_content with 'content'"),
        ({"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}, "does not exist"),
        (asking(model=""), "the name of a deployment"),
        (asking(input_messages={"type": "template", "template": []}), "a template with messages"),
        (asking(sampling_params=[]), "'data_source.sampling_params' must be an object"),
    ],
)
def test_runs_that_are_refused(client: OpenAI, shared: Emulator, source: Any, problem: str) -> None:
    body = {"data_source": source}
    status, _, answer = shared.call("POST", f"/openai/v1/evals/{create(client).id}/runs", body)
    assert status == 400 and problem in answer["error"]["message"]


def test_a_file_of_another_purpose_is_refused(client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
    source: Any = {"type": "jsonl", "source": {"type": "file_id", "id": file.id}}
    with pytest.raises(openai.BadRequestError, match="instead of 'evals'"):
        client.evals.runs.create(create(client).id, data_source=source)
