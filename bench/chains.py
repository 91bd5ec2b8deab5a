"""Generated specs: the same infrastructure for both tools, as chains of dataset, job and deployment.

`written`: every resource is spelled out, as people write them. `each`: three blocks with for_each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

KINDS = 3
"""Resources in a chain."""
MODEL = "gpt-4o-mini-2024-07-18"
DATA = "data.jsonl"

Writer = Callable[[int], str]


def write_data(folder: Path) -> None:
    """Writes a valid file of ten examples, which all datasets share."""
    lines = []
    for number in range(10):
        messages = [
            {"role": "user", "content": f"What is {number} + {number}?"},
            {"role": "assistant", "content": f"{2 * number}"},
        ]
        lines.append(json.dumps({"messages": messages}))
    (folder / DATA).write_text("\n".join(lines) + "\n")


def write_terraform(folder: Path, form: str, resources: int) -> None:
    """Writes a folder for Terraform with its built-in `terraform_data`, which calls no service."""
    folder.mkdir(parents=True)
    write_data(folder)
    (folder / "main.tf").write_text(TERRAFORM[form](resources // KINDS))


def write_ftops(folder: Path, form: str, resources: int) -> None:
    """Writes a folder for ftops with the provider `memory`, which calls no service."""
    folder.mkdir(parents=True)
    write_data(folder)
    (folder / "spec.yaml").write_text(FTOPS[form](resources // KINDS))


def write_terraform_state(folder: Path, resources: int) -> None:
    """Writes the state after an apply of the form `written`, for sizes where an apply takes too long."""
    digest = hashlib.sha256((folder / DATA).read_bytes()).hexdigest()
    rows: list[dict[str, object]] = []
    for number in range(1, resources // KINDS + 1):
        dataset, job = f"id-d-{number}", f"id-j-{number}"
        data_input: dict[str, object] = {"path": DATA, "digest": digest}
        sku = {"name": "Standard", "capacity": 1}
        below = [f"terraform_data.d{number:04}"]
        rows += [
            _state_row(f"d{number:04}", dataset, data_input, []),
            _state_row(f"j{number:04}", job, {"model": MODEL, "training": dataset}, below),
            _state_row(
                f"p{number:04}",
                f"id-p-{number}",
                {"model": job, "sku": sku},
                [*below, f"terraform_data.j{number:04}"],
            ),
        ]
    state = {"version": 4, "serial": 1, "lineage": "bench", "outputs": {}, "resources": rows}
    (folder / "terraform.tfstate").write_text(json.dumps(state))


def _terraform_written(chains: int) -> str:
    return "".join(_terraform_chain(f"{number:04}") for number in range(1, chains + 1))


def _terraform_chain(number: str) -> str:
    return f"""\
resource "terraform_data" "d{number}" {{
  input = {{
    path   = "{DATA}"
    digest = filesha256("${{path.module}}/{DATA}")
  }}
}}

resource "terraform_data" "j{number}" {{
  input = {{
    model    = "{MODEL}"
    training = terraform_data.d{number}.id
  }}
}}

resource "terraform_data" "p{number}" {{
  input = {{
    model = terraform_data.j{number}.id
    sku   = {{ name = "Standard", capacity = 1 }}
  }}
}}

"""


def _terraform_each(chains: int) -> str:
    return f"""\
locals {{
  keys = toset([for number in range(1, {chains + 1}) : format("%04d", number)])
}}

resource "terraform_data" "d" {{
  for_each = local.keys
  input = {{
    path   = "{DATA}"
    digest = filesha256("${{path.module}}/{DATA}")
  }}
}}

resource "terraform_data" "j" {{
  for_each = local.keys
  input = {{
    model    = "{MODEL}"
    training = terraform_data.d[each.key].id
  }}
}}

resource "terraform_data" "p" {{
  for_each = local.keys
  input = {{
    model = terraform_data.j[each.key].id
    sku   = {{ name = "Standard", capacity = 1 }}
  }}
}}
"""


_FTOPS_HEAD = "providers:\n  m: {type: memory}\n"


def _ftops_written(chains: int) -> str:
    numbers = [f"{number:04}" for number in range(1, chains + 1)]
    datasets = "".join(f"  d{n}:\n    path: {DATA}\n    format: chat\n" for n in numbers)
    jobs = "".join(f"  j{n}:\n    model: {MODEL}\n    training: d{n}\n" for n in numbers)
    deployments = "".join(_ftops_deployment(n) for n in numbers)
    return f"{_FTOPS_HEAD}\ndatasets:\n{datasets}\njobs:\n{jobs}\ndeployments:\n{deployments}"


def _ftops_deployment(number: str) -> str:
    return f"""\
  p{number}:
    model: ${{job.j{number}.fine_tuned_model}}
    sku: {{name: Standard, capacity: 1}}
"""


def _ftops_each(chains: int) -> str:
    keys = ", ".join(f'"{number:04}"' for number in range(1, chains + 1))
    return f"""{_FTOPS_HEAD}
datasets:
  d:
    for_each: [{keys}]
    path: {DATA}
    format: chat

jobs:
  j:
    for_each: [{keys}]
    model: {MODEL}
    training: ${{dataset.d[each.key].id}}

deployments:
  p:
    for_each: [{keys}]
    model: ${{job.j[each.key].fine_tuned_model}}
    sku: {{name: Standard, capacity: 1}}
"""


TERRAFORM: Mapping[str, Writer] = {"written": _terraform_written, "each": _terraform_each}
FTOPS: Mapping[str, Writer] = {"written": _ftops_written, "each": _ftops_each}


def _state_row(name: str, remote_id: str, inputs: dict[str, object], below: list[str]) -> dict[str, object]:
    typed = {"value": inputs, "type": _type(inputs)}
    attributes = {"id": remote_id, "input": typed, "output": typed, "triggers_replace": None}
    instance = {
        "schema_version": 0,
        "attributes": attributes,
        "sensitive_attributes": [],
        "dependencies": below,
    }
    return {
        "mode": "managed",
        "type": "terraform_data",
        "name": name,
        "provider": 'provider["terraform.io/builtin/terraform"]',
        "instances": [instance],
    }


def _type(value: object) -> object:
    """The type of a value in Terraform's notation."""
    if isinstance(value, dict):
        return ["object", {key: _type(item) for key, item in value.items()}]
    return "number" if isinstance(value, int) else "string"
