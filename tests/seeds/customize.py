"""Customize a model in Python: upload, train, look, get the results, deploy, ask, go on training, tidy up.

A script as a user of the service writes it after its how-to. It knows nothing of ftops; all that it is told
are an endpoint and a key, a token for the control plane, and how long to wait between two looks.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import requests
from openai import AzureOpenAI, NotFoundError
from openai.types.fine_tuning import FineTuningJob

PAUSE = float(os.getenv("PAUSE", "10"))
MODEL = os.getenv("MODEL", "gpt-35-turbo-0125")
DEPLOYMENT = "gpt-35-turbo-ft"
SYSTEM = "Rex is a guide dog of few words."
FACTS = {
    "Which planet is the largest?": "Jupiter. Wuff.",
    "Which ocean is the biggest?": "The Pacific. Wet.",
    "Who painted the Mona Lisa?": "Leonardo. No dogs on it.",
    "What is the highest mountain?": "Everest. Bring treats.",
    "Who wrote the Odyssey?": "Homer. Argos was a good dog.",
    "At how many degrees does water boil?": "At 100. Hot.",
}

client = AzureOpenAI(
    azure_endpoint=os.environ["AZURE_OPENAI_ENDPOINT"],
    api_key=os.environ["AZURE_OPENAI_API_KEY"],
    api_version="2024-10-21",
)


def write_examples(path: Path, times: int) -> None:
    """Chat examples in UTF-8 with a byte-order mark, as the service's documents ask for."""
    with path.open("w", encoding="utf-8-sig") as file:
        for number, (question, reply) in enumerate(list(FACTS.items()) * times):
            asked = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
            again = [
                {"role": "assistant", "content": "?", "weight": 0},
                {"role": "user", "content": "Say it."},
            ]
            known = {"role": "assistant", "content": reply, "weight": 1}
            messages = [*asked, *again, known] if number % 4 == 3 else [*asked, known]
            file.write(json.dumps({"messages": messages}) + "\n")


def upload(path: Path) -> str:
    with path.open("rb") as file:
        return client.files.create(file=file, purpose="fine-tune").id


def finished(job: str) -> FineTuningJob:
    while True:
        found = client.fine_tuning.jobs.retrieve(job)
        print("status:", found.status)
        if found.status in ("succeeded", "failed", "cancelled"):
            return found
        time.sleep(PAUSE)


def control_plane(method: str, body: str = "") -> requests.Response:
    """By REST: the control plane has an address, a version and a token of its own."""
    where = (
        f"{os.environ['MANAGEMENT_ENDPOINT']}/subscriptions/{os.environ['SUBSCRIPTION']}"
        f"/resourceGroups/{os.environ['RESOURCE_GROUP']}/providers/Microsoft.CognitiveServices"
        f"/accounts/{os.environ['RESOURCE_NAME']}/deployments/{DEPLOYMENT}"
    )
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"}
    version = {"api-version": "2024-10-01"}
    return requests.request(method, where, params=version, headers=headers, data=body, timeout=30)


def deploy(model: str) -> None:
    body = {
        "sku": {"name": "standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": model, "version": "1"}},
    }
    reply = control_plane("PUT", json.dumps(body))
    print(reply.status_code, reply.reason)
    reply.raise_for_status()
    found: dict[str, Any] = reply.json()
    while found["properties"]["provisioningState"] == "Creating":
        time.sleep(PAUSE)
        found = control_plane("GET").json()
    print("deployment:", found["name"], found["properties"]["provisioningState"])


def answer(question: str) -> str:
    """What the deployment says, as soon as the data plane knows of it."""
    for _ in range(100):
        try:
            said = client.chat.completions.create(
                model=DEPLOYMENT,
                messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
            )
        except NotFoundError as exc:
            assert exc.code == "DeploymentNotFound", exc
            time.sleep(PAUSE)
        else:
            return said.choices[0].message.content or ""
    raise TimeoutError(DEPLOYMENT)


def spoken(question: str) -> str:
    """The same as a stream."""
    stream = client.chat.completions.create(
        model=DEPLOYMENT, stream=True,
        messages=[{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
    )  # fmt: skip
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


train, valid = Path("training_set.jsonl"), Path("validation_set.jsonl")
write_examples(train, 5)
write_examples(valid, 2)
training_id, validation_id = upload(train), upload(valid)
print("files:", training_id, validation_id)

created = client.fine_tuning.jobs.create(
    training_file=training_id, validation_file=validation_id, model=MODEL, seed=105
)
print(created.model_dump_json(indent=2))
job = finished(created.id)
assert job.status == "succeeded", job.error
assert job.fine_tuned_model and job.seed == 105 and job.trained_tokens

events = client.fine_tuning.jobs.list_events(fine_tuning_job_id=job.id, limit=10)
print(events.model_dump_json(indent=2))
told = [event.message for event in client.fine_tuning.jobs.list_events(job.id)]
assert len(events.data) == 10 and len(told) > 10, told
assert told[-1].startswith("Job enqueued") and any(line.startswith("Step 10:") for line in told), told
checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id)
print(checkpoints.model_dump_json(indent=2))
assert len(checkpoints.data) == 3 and checkpoints.data[0].metrics.full_valid_loss is not None

results = client.files.retrieve(job.result_files[0])
Path(results.filename).write_bytes(client.files.content(results.id).read())
header, *rows = Path(results.filename).read_text("utf-8").splitlines()
assert header.startswith("step,train_loss,train_mean_token_accuracy,valid_loss"), header
losses = [float(row.split(",")[1]) for row in rows]
assert sum(losses[-6:]) < sum(losses[:6]), "it should learn"

assert job.fine_tuned_model in {model.id for model in client.models.list()}
deploy(job.fine_tuned_model)
for question, reply in FACTS.items():
    assert answer(question) == reply, (question, answer(question))
assert spoken("Who wrote the Odyssey?") == FACTS["Who wrote the Odyssey?"]

more = client.fine_tuning.jobs.create(
    training_file=training_id, validation_file=validation_id, model=job.fine_tuned_model,
    hyperparameters={"n_epochs": 2}, suffix="again",
)  # fmt: skip
continued = finished(more.id)
assert continued.status == "succeeded" and continued.hyperparameters.n_epochs == 2, continued
assert continued.fine_tuned_model and continued.fine_tuned_model.endswith("-again"), continued

control_plane("DELETE").raise_for_status()
while control_plane("GET").status_code != 404:
    time.sleep(PAUSE)
names = (train.name, valid.name, results.filename)
old = [file.id for file in client.files.list().data if file.filename in names]
assert len(old) == 4, old
for file_id in old:
    client.files.delete(file_id)
assert client.files.list().data == []
print("done")
