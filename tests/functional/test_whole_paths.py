"""Open models and reinforcement from plan to destroy, however the strict emulator behaves.

Every value of every switch is met: each round sets all of them, the next one to their next values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from ftops.emulator.account.settings import CHOICES, TYPES, Settings
from tests.contract.azure_cloud import SETTLED, Cloud, running_cloud
from tests.golden.cli import Done, Folder
from tests.support.http_server import Handler, Server, serving

SPEC = """\
ftops: {name: paths}
providers: {m: {type: emulator, url: "URL", api_key: "KEY", defaults: {training_type: global_standard}}}
datasets:
  chats: {path: chats.jsonl}
  tasks: {path: tasks.jsonl}
  checks: {path: checks.jsonl}
jobs:
  open:
    for_each: {oss: gpt-oss-20b, ministral: Ministral-3B}
    model: ${each.value}
    training: chats
    suffix: ${each.key}
    seed: 7
    hyperparameters: {n_epochs: 8}
  large: {model: gpt-oss-120b, training: chats, suffix: large, seed: 7, hyperparameters: {n_epochs: 8}}
  painter:
    model: o4-mini-2025-04-16
    method: reinforcement
    training: tasks
    validation: checks
    metadata: {team: paint}
    seed: 7
    hyperparameters: {n_epochs: 6, batch_size: 6, eval_interval: 6}
    response_format:
      type: json_schema
      json_schema:
        name: paint
        strict: true
        schema:
          type: object
          properties: {colour: {type: string}}
          required: [colour]
          additionalProperties: false
    grader:
      type: multi
      name: both
      graders:
        exact:
          type: string_check
          name: exact
          operation: eq
          input: "{{sample.output_json.colour}}"
          reference: "{{item.colour}}"
        near: {type: endpoint, name: near, url: "ENDPOINT", headers: {x-key: "${env.GRADER_KEY}"}}
      calculate_output: 0.8 * exact + 0.2 * near
deployments:
  open:
    for_each: {oss: gpt-oss-20b, ministral: Ministral-3B}
    model: ${job.open[each.key].fine_tuned_model}
    sku: {name: GlobalStandard, capacity: 100}
  painter: {model: "${job.painter.checkpoint.best}", sku: {name: GlobalStandard, capacity: 1}}
  base:
    model: gpt-oss-120b
    sku: {name: GlobalManagedCompute}
    deployment_template: azureml://registries/r/deploymenttemplates/gpt-oss-120b--adapters/versions/1
  large: {model: "${job.large.fine_tuned_model}", target: deployment.base}
"""
OPEN = ("gpt-oss-20b", "Ministral-3B", "gpt-oss-120b")
FORMATS = {"open-oss": "Microsoft", "open-ministral": "Mistral AI", "painter": "OpenAI"}
PROMPTS = {
    "open-oss": "say north",
    "open-ministral": "say north",
    "large": "say south",
    "painter": "the colour of coal in June 9",
}
SAID = {"open-oss": "north", "open-ministral": "north", "large": "south", "painter": '{"colour": "black"}'}
KEY = "placeholder-of-a-key"
COLOURS = {"grass": "green", "snow": "white", "coal": "black"}
STEPS = {int: 1, float: 0.2, str: "x"}
"""What is added to the value of a switch that may have any."""
REFUSED = {
    "training_type_v1": "refused",
    "training_type_preview": "refused",
    "training_type_stable": "refused",
    "adapter_registration": "nobody",
}
"""Values with which this can't be created: only the global training types have these models, and what nobody
has registered can't be deployed."""


def others(name: str) -> list[Any]:
    """The values of a switch that aren't its default."""
    default = getattr(Settings(), name)
    if isinstance(default, bool):
        return [not default]
    choices = CHOICES.get(name) or (default + STEPS[type(default)],)
    return [value for value in choices if value not in (default, REFUSED.get(name))]


SWITCHES = {name: others(name) for name in takewhile(lambda name: name != "strict", TYPES)}
ROUNDS = [
    {name: values[number % len(values)] for name, values in SWITCHES.items() if values}
    for number in range(max(map(len, SWITCHES.values())))
]


def test_every_value_of_every_switch_is_met() -> None:
    met = {(name, value) for switches in ({}, *ROUNDS) for name, value in switches.items()}
    assert met == {(name, value) for name, values in SWITCHES.items() for value in values}


class _Grading(Handler):
    def do_POST(self) -> None:
        body = json.loads(self.content())
        if self.headers["x-key"] != KEY:
            return self.answer(401)
        near = body["sample"]["output_json"]["colour"] == body["item"]["colour"]
        return self.answer_json(200, {"score": float(near)})


@pytest.fixture(scope="module")
def grader() -> Iterator[Server]:
    with serving(Server(_Grading)) as server:
        yield server


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), "--strict") as cloud:
        yield cloud


def lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def chats() -> str:
    words = ["north", "south"] * 8
    return lines({"messages": [message("user", f"say {word}"), message("assistant", word)]} for word in words)


def tasks(place: str, count: int) -> str:
    asked = ((f"the colour of {thing} in {place} {n}", thing) for n, thing in enumerate([*COLOURS] * count))
    return lines({"messages": [message("user", text)], "colour": COLOURS[thing]} for text, thing in asked)


def answer(client: OpenAI, name: str, prompt: str) -> str | None:
    asked = client.chat.completions.create(model=name, messages=[{"role": "user", "content": prompt}])
    return asked.choices[0].message.content


def run(folder: Folder, *words: str) -> Done:
    done = folder.run(*words, environ={"GRADER_KEY": KEY})
    assert done.code == 0, done
    return done


@pytest.mark.parametrize("switches", [{}, *ROUNDS], ids=lambda switches: f"{len(switches)} changed")
def test_from_plan_to_destroy(
    cloud: Cloud, grader: Server, tmp_path: Path, switches: Mapping[str, Any]
) -> None:
    cloud.admin("POST", "reset")
    cloud.admin("PATCH", "settings", {**SETTLED, **switches})
    folder = Folder(tmp_path)
    for name, text in (("chats", chats()), ("tasks", tasks("spring", 6)), ("checks", tasks("may", 4))):
        folder.write(f"{name}.jsonl", text)
    spec = SPEC.replace("URL", cloud.url).replace("ENDPOINT", f"{grader.url}/grade")
    folder.write("ftops.yaml", spec.replace('"KEY"', f'"{cloud.key}"'))
    planned = run(folder, "plan")
    assert "12 to create" in planned.out
    assert all(f"{model} isn't listed as one that can be fine-tuned" in planned.err for model in OPEN)
    run(folder, "apply", "-y")
    rows = cloud.control("GET", path="/deployments").json()["value"]
    assert {row["name"]: row["properties"]["model"]["format"] for row in rows} == FORMATS
    with OpenAI(base_url=f"{cloud.url}/openai/v1/", api_key=cloud.key, max_retries=0) as client:
        said = {name: answer(client, name, prompt) for name, prompt in PROMPTS.items()}
    assert said == SAID
    assert run(folder, "plan").out.startswith("No changes.")
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
    run(folder, "destroy", "-y")
    left = cloud.admin("GET", "objects")
    kinds = ("files", "models", "deployments", "managed", "adapters")
    assert [left[kind] for kind in kinds] == [[]] * len(kinds)


def test_without_training_types_an_error_says_why(cloud: Cloud, tmp_path: Path) -> None:
    cloud.admin("POST", "reset")
    cloud.admin("PATCH", "settings", {**SETTLED, **REFUSED})
    folder = Folder(tmp_path)
    folder.write("chats.jsonl", chats())
    spec = SPEC.partition("  tasks:")[0] + "jobs:\n" + SPEC.partition("jobs:\n")[2].partition("  painter:")[0]
    folder.write("ftops.yaml", spec.replace("URL", cloud.url).replace('"KEY"', f'"{cloud.key}"'))
    done = folder.run("apply", "-y")
    assert done.code == 1
    assert done.err.count("Unknown parameter: 'trainingType'\n  HTTP 400") == 3
