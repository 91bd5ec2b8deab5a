"""Preference tuning, and a base model that is tuned again: every call that the two need, by the SDK."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from openai import AzureOpenAI
from openai.types.fine_tuning import FineTuningJob

PAUSE = float(os.getenv("PAUSE", "10"))
client = AzureOpenAI(
    azure_endpoint=os.environ["AZURE_OPENAI_ENDPOINT"],
    api_key=os.environ["AZURE_OPENAI_API_KEY"],
    api_version="2025-04-01-preview",
)
WISHES = {"tea": "With pleasure.", "coffee": "Right away.", "water": "Still or sparkling?"}


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def pair(drink: str, polite: str) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"A cup of {drink}, please"}], "tools": [],
                  "parallel_tool_calls": True},
        "preferred_output": said(polite),
        "non_preferred_output": said("Get it yourself."),
    }  # fmt: skip


def finished(job: str) -> FineTuningJob:
    while (found := client.fine_tuning.jobs.retrieve(job)).status not in ("succeeded", "failed", "cancelled"):
        time.sleep(PAUSE)
    assert found.status == "succeeded", found.error
    return found


content = "".join(json.dumps(pair(*wish)) + "\n" for wish in list(WISHES.items()) * 5).encode()
file = client.files.create(file=("pairs.jsonl", content), purpose="fine-tune")
file = client.files.wait_for_processing(file.id, poll_interval=PAUSE)
assert file.status == "processed", file.status

job = client.fine_tuning.jobs.create(
    model="gpt-4o-2024-08-06",
    training_file=file.id,
    suffix="polite",
    metadata={"team": "bar"},
    method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": 2}}},
    extra_body={"trainingType": "GlobalStandard"},
)
seen: set[str] = set()
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(PAUSE)
    job = client.fine_tuning.jobs.retrieve(job.id)
    for event in reversed(client.fine_tuning.jobs.list_events(job.id, limit=100).data):
        if event.id not in seen:
            print(event.created_at, event.message)
    seen.update(event.id for event in client.fine_tuning.jobs.list_events(job.id, limit=100).data)
assert job.status == "succeeded", job.error
assert job.method and job.method.type == "dpo", job.method
assert [found.id for found in client.fine_tuning.jobs.list(metadata={"team": "bar"})] == [job.id]

steps = [checkpoint.step_number for checkpoint in client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)]
assert steps == sorted(steps, reverse=True) and len(steps) == 2, steps
assert job.fine_tuned_model
again = client.fine_tuning.jobs.create(
    model=job.fine_tuned_model, training_file=file.id, method={"type": "dpo"},
    extra_body={"trainingType": "GlobalStandard"},
)  # fmt: skip
client.fine_tuning.jobs.cancel(again.id)
assert client.fine_tuning.jobs.retrieve(again.id).status == "cancelled"
print("done")
