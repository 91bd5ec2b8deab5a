"""The engine on every route, and on both dialects of answers about jobs, with a strict service."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.planning.plan import Action, Mode
from tests.contract.azure_cloud import BASE_MODEL, Cloud
from tests.contract.sessions import Project, done
from tests.support.nightly import by_night

SPEC = f"""
ftops: {{name: dialects}}
providers:
  azure:
    type: azure_openai
    endpoint: http://127.0.0.1:1
    subscription_id: s
    resource_group: g
    account: a
datasets:
  train: {{path: train.jsonl}}
  valid: {{path: valid.jsonl}}
jobs:
  copilot:
    model: {BASE_MODEL}
    training: train
    validation: valid
    hyperparameters: {{n_epochs: 2, batch_size: auto}}
    suffix: copilot
deployments:
  copilot: {{model: "${{job.copilot.fine_tuned_model}}"}}
"""
CASES = [
    ("2024-10-21", "dated", "stored"),
    ("2025-04-01-preview", "dated", "stored"),
    ("v1", "dated", "stored"),
    ("v1", "dated", "dropped"),
    ("v1", "preview", "stored"),
    ("v1", "preview", "dropped"),
]
BY_NIGHT = (("dated", "dropped"), ("preview", "stored"))


@pytest.mark.parametrize(
    ("version", "dialect", "metadata"), by_night(CASES, lambda case: case[1:] in BY_NIGHT)
)
def test_a_spec_from_nothing_to_nothing(
    cloud: Cloud, tmp_path: Path, version: str, dialect: str, metadata: str
) -> None:
    cloud.admin("POST", "reset")
    with cloud.set(strict=True, job_dialect=dialect, metadata=metadata):
        project = Project(tmp_path, {"azure": {**cloud.settings(), "api_version": version}})
        done(project.apply(SPEC))
        assert project.plan(SPEC).changes == ()
        changed = SPEC.replace("n_epochs: 2", "n_epochs: 3")
        done(project.apply(changed))
        assert project.plan(changed).changes == ()
        done(project.apply(changed, mode=Mode.DESTROY))
        left = cloud.admin("GET", "objects")
    assert (left["jobs"], left["deployments"], left["models"]) == ([], [], [])


GRADER = """{
    type: string_check,
    name: exact,
    operation: eq,
    input: "{{sample.output_text}}",
    reference: "{{item.colour}}",
}"""
CHOSEN = {
    "nothing": "",
    "auto": """hyperparameters: {
        n_epochs: auto, learning_rate_multiplier: auto, compute_multiplier: auto, reasoning_effort: default
    }""",
    "values": """hyperparameters: {
        n_epochs: 2, learning_rate_multiplier: 1.5, eval_samples: 2, reasoning_effort: low
    }""",
}
"""What a job asks for."""


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize(
    ("dialect", "effort"), [("dated", "default"), ("preview", "default"), ("preview", "medium")]
)
def test_a_job_in_the_queue_differs_in_nothing(
    cloud: Cloud, tmp_path: Path, dialect: str, effort: str, chosen: str
) -> None:
    """Until it has ended, what the service chooses is `auto`, -1 or a number."""
    cloud.admin("POST", "reset")
    jobs = f"""
jobs:
  solver:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: train
    validation: valid
    suffix: solver
    grader: {GRADER}
    {CHOSEN[chosen]}
"""
    spec = SPEC[: SPEC.index("jobs:")] + jobs
    with cloud.set(strict=True, job_dialect=dialect, queue_seconds=3600, default_effort=effort):
        project = Project(tmp_path, {"azure": cloud.settings()})
        for name in ("train", "valid"):
            row = '{"messages": [{"role": "user", "content": "%d"}], "colour": "%s"}\n'
            text = "".join(row % (number, name) for number in range(12))
            (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
        project.apply(spec, wait=False)
        [job] = cloud.admin("GET", "objects")["jobs"]
        assert job["status"] == "pending"
        assert [change.action for change in project.plan(spec).changes] == [Action.RESUME]
        moved = spec.replace("suffix: solver", "suffix: other")
        assert Action.REPLACE in {change.action for change in project.plan(moved).changes}


@pytest.mark.parametrize(
    ("dialect", "metadata"), [("dated", "dropped"), ("preview", "stored"), ("preview", "dropped")]
)
def test_a_lost_reply_costs_no_second_job(cloud: Cloud, tmp_path: Path, dialect: str, metadata: str) -> None:
    cloud.admin("POST", "reset")
    with cloud.set(strict=True, job_dialect=dialect, metadata=metadata):
        project = Project(tmp_path, {"azure": cloud.settings()})
        cloud.fault("POST /openai/v1/fine_tuning/jobs", effect="drop_after")
        done(project.apply(SPEC))
        assert cloud.admin("GET", "objects")["counts"]["jobs"] == 1
