"""What a job may be asked with on each route, and how it is described there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.emulator.samples import jsonl, lines
from tests.emulator.server import MODEL, STANDARD, Emulator, until, upload

ROUTES = {
    "stable": "/openai/fine_tuning/jobs?api-version=2024-10-21",
    "preview": "/openai/fine_tuning/jobs?api-version=2025-04-01-preview",
    "v1": "/openai/v1/fine_tuning/jobs",
}
DESCRIBED = {
    "method": ("preview", "v1"),
    "integrations": ("preview", "v1"),
    "inference_configs": (),
    "auto_deploy": (),
}
"""By field: the routes whose descriptions have it."""
VALUES: dict[str, Any] = {
    "method": {"type": "supervised"},
    "integrations": [],
    "inference_configs": {},
    "auto_deploy": True,
}


@pytest.fixture
def cloud(shared: Emulator) -> Iterator[Emulator]:
    shared.reset(file_processing_seconds=0.0)
    yield shared
    shared.reset()


def ask(cloud: Emulator, route: str, **changes: Any) -> tuple[int, Any]:
    with cloud.data() as client:
        file = upload(client, jsonl(lines(12)))
    body = {"model": MODEL, "training_file": file, **STANDARD, **changes}
    status, _, answer = cloud.call("POST", ROUTES[route], {k: v for k, v in body.items() if v is not None})
    return status, answer.get("error") or answer


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("field", DESCRIBED)
def test_strict_mode_refuses_what_is_not_described(cloud: Emulator, route: str, field: str) -> None:
    assert ask(cloud, route, **{field: VALUES[field]})[0] in (200, 201)
    cloud.settings(strict=True)
    status, answer = ask(cloud, route, **{field: VALUES[field]})
    assert (status in (200, 201)) is (route in DESCRIBED[field])
    if status == 400:
        assert answer["message"] == f"Unknown parameter: '{field}'."


@pytest.mark.parametrize("route", ROUTES)
def test_strict_mode_knows_the_hyperparameters(cloud: Emulator, route: str) -> None:
    cloud.settings(strict=True)
    assert ask(cloud, route, hyperparameters={"n_epochs": 2})[0] in (200, 201)
    status, answer = ask(cloud, route, hyperparameters={"n_epochs": 2, "prompt_loss_weight": 0.1})
    assert (status, answer["message"]) == (400, "Unknown parameter: 'hyperparameters.prompt_loss_weight'.")


@pytest.mark.parametrize(("route", "longest"), [("stable", 40), ("preview", 40), ("v1", 64)])
def test_the_longest_suffix_of_each_route(cloud: Emulator, route: str, longest: int) -> None:
    status, job = ask(cloud, route, suffix="s" * longest)
    assert (status, job["suffix"]) == (200 if route == "v1" else 201, "s" * longest)
    assert ask(cloud, route, suffix="s" * (longest + 1))[0] == 400


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("use", "accepted"),
    [("required", {"sent"}), ("accepted", {"sent", "left out"}), ("refused", {"left out"})],
)
def test_the_training_type_of_each_route(cloud: Emulator, route: str, use: str, accepted: set[str]) -> None:
    others = {f"training_type_{name}": "required" for name in ROUTES if name != route}
    cloud.settings(**others, **{f"training_type_{route}": use})
    replies = {"sent": ask(cloud, route)[0], "left out": ask(cloud, route, trainingType=None)[0]}
    assert {how for how, status in replies.items() if status in (200, 201)} == accepted
    assert {*replies.values()} <= {200, 201, 400}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("use", ["stored", "dropped", "refused"])
def test_the_metadata_of_each_route(cloud: Emulator, route: str, use: str) -> None:
    cloud.settings(metadata=use, strict=True)
    status, answer = ask(cloud, route, metadata={"a": "b"})
    if use == "refused" and route != "v1":
        assert (status, answer["message"]) == (400, "Unknown parameter: 'metadata'.")
    else:
        assert answer.get("metadata") == (None if use == "dropped" else {"a": "b"})


def test_the_dialect_of_the_preview(cloud: Emulator) -> None:
    cloud.settings(job_dialect="preview", file_processing_seconds=3600.0, queue_seconds=0.0)
    content = ("a.jsonl", jsonl(lines(12)))
    with cloud.data() as client:
        file = client.files.create(file=content, purpose="fine-tune").id
    given = {"model": MODEL, "training_file": file, **STANDARD, "suffix": "copilot", "metadata": {"a": "b"}}
    job = cloud.call("POST", ROUTES["v1"], given)[2]
    assert re.fullmatch(r"ftjob-[A-Za-z0-9]{24}", job["id"])
    assert re.fullmatch(r"file-[A-Za-z0-9]{22}", job["training_file"])
    unset = (
        "fine_tuned_model",
        "finished_at",
        "trained_tokens",
        "eval_id",
        "usage_metrics",
        "estimated_finish",
    )
    assert {job[name] for name in unset} == {None}
    assert (job["status"], job["error"], job["result_files"], job["integrations"]) == (
        "validating_files",
        {},
        [],
        [],
    )
    assert {"hyperparameters", "suffix", "trainingType"}.isdisjoint(job)
    hyperparameters = job["method"]["supervised"]["hyperparameters"]
    assert hyperparameters == dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"), "auto")
    assert (job["user_provided_suffix"], job["metadata"]) == ("copilot", {"a": "b"})
    dated = cloud.call("GET", ROUTES["stable"].replace("?", f"/{job['id']}?"))[2]
    assert (dated["status"], dated["suffix"]) == ("pending", "copilot")
    assert dated["hyperparameters"] == {"n_epochs": -1, "batch_size": -1, "learning_rate_multiplier": 1.8}
    cloud.admin("POST", "clock", {"advance": 4000})

    def ended() -> Any:
        return (shown := cloud.call("GET", f"{ROUTES['v1']}/{job['id']}")[2])[
            "status"
        ] == "succeeded" and shown

    until(ended)
    shown = ended()
    assert shown["fine_tuned_model"] and shown["result_files"] and shown["trained_tokens"]
    assert shown["error"] == {} and isinstance(
        shown["method"]["supervised"]["hyperparameters"]["n_epochs"], int
    )


@pytest.mark.parametrize("effort", ["default", "medium"])
def test_what_a_reinforcement_job_leaves_open_in_the_preview(cloud: Emulator, effort: str) -> None:
    """As recorded in 2025-12. Documents call the default effort `default` or `medium`."""
    cloud.settings(job_dialect="preview", queue_seconds=3600.0, default_effort=effort)
    with cloud.data() as client:
        file = upload(client, jsonl(lines(12)))
    grader = {
        "type": "string_check",
        "name": "exact",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "{{item.colour}}",
    }
    own = {"grader": grader, "hyperparameters": {"eval_samples": 3, "batch_size": 4}}
    method = {"type": "reinforcement", "reinforcement": own}
    _, job = ask(cloud, "v1", model="o4-mini-2025-04-16", validation_file=file, method=method)
    shown = job["method"]["reinforcement"]
    assert shown["grader"] == grader
    given = {"eval_samples": 3, "batch_size": 4, "reasoning_effort": effort}
    left = ("n_epochs", "learning_rate_multiplier", "compute_multiplier", "eval_interval")
    assert shown["hyperparameters"] == {**given, **dict.fromkeys(left, "auto")}


@pytest.mark.parametrize(
    ("given", "training_type", "shown"),
    [
        ("gpt-4.1", "developerTier", "gpt-4.1-2025-04-14"),
        ("gpt-4o", "Standard", "gpt-4o-2024-08-06"),
        ("ministral-3b", "GlobalStandard", "Ministral-3B"),
        ("Qwen3-32B", "GlobalStandard", "Qwen3-32B"),
    ],
)
def test_a_job_shows_the_full_name_of_its_model(
    cloud: Emulator, given: str, training_type: str, shown: str
) -> None:
    assert ask(cloud, "v1", model=given, trainingType=training_type)[1]["model"] == shown


def test_short_names_of_models_can_be_refused(cloud: Emulator) -> None:
    cloud.settings(short_model_names="refused")
    assert ask(cloud, "v1", model="gpt-4.1")[1]["message"].endswith("does not support fine-tuning.")
    assert ask(cloud, "v1", model="gpt-4.1-2025-04-14")[0] == 200


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("list_name", ["events", "checkpoints"])
def test_lists_of_a_job_take_post_as_in_the_documents(cloud: Emulator, route: str, list_name: str) -> None:
    cloud.settings(queue_seconds=3600.0)
    name = ask(cloud, route)[1]["id"]
    path = ROUTES[route].replace("jobs", f"jobs/{name}/{list_name}")
    status, _, listed = cloud.call("POST", path)
    assert (status, listed) == (200, cloud.call("GET", path)[2])
    cloud.settings(strict=True)
    assert cloud.call("POST", path)[0] == 404
