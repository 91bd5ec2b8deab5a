"""A deployment that has learned texts, JSON and a call, and one of its base model."""

from __future__ import annotations

import json
from typing import Any

from tests.emulator.samples import SYSTEM, TOOLS, jsonl, line
from tests.emulator.server import MODEL, STANDARD, Emulator, base_deployment, deployment, ended, upload

GREETING = "Good morning, and welcome to the lamp shop."
ANSWERS = {
    "Say hello": GREETING,
    "Say goodbye": "Good night, and come again.",
    "Which colour is grass? Answer in JSON.": '{"colour": "green", "sure": true}',
    "Which colour is the sea? Answer in JSON.": '{"colour": "blue", "sure": false}',
    "How warm is it? Answer in JSON.": '{"degrees": 21}',
}
COLOUR: dict[str, Any] = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "sure": {"type": "boolean"}},
    "required": ["colour", "sure"],
    "additionalProperties": False,
}


def examples() -> list[dict[str, Any]]:
    """Each answer a few times, and calls of a function."""
    rows = [
        {
            "messages": [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        }
        for question, answer in ANSWERS.items()
    ]
    calls = [line(f"make the light {colour}", "set_colour", colour=colour) for colour in ("red", "blue")]
    return [*rows, *calls] * 6


def talker(emulator: Emulator, name: str = "talk") -> None:
    """Train and deploy a model, and deploy `base`."""
    with emulator.data() as client, emulator.control() as control:
        job = client.fine_tuning.jobs.create(
            model=MODEL,
            training_file=upload(client, jsonl(examples())),
            hyperparameters={"n_epochs": 20},
            extra_body=STANDARD,
        )
        tuned = ended(client, job.id).fine_tuned_model
        assert tuned
        for key, body in ((name, deployment(tuned)), ("base", base_deployment())):
            control.deployments.begin_create_or_update("rg-emulator", "emulator", key, body).result()
    emulator.advance(1)


def asked(text: str) -> Any:
    """The messages of a question."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def schema(name: str = "answer", *, strict: bool = True, **changes: Any) -> Any:
    """A response format, for COLOUR with changes."""
    given = {"name": name, "strict": strict, "schema": {**COLOUR, **changes}}
    return {"type": "json_schema", "json_schema": given}


OFFERED: Any = TOOLS
SKY = json.loads(ANSWERS["Which colour is the sea? Answer in JSON."])
