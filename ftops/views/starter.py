"""Starter project of `ftops init`: a small spec that can be applied as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ftops.core.address import Json

SPEC = """\
# A spec for ftops: what should exist. `ftops plan` shows what would change, `ftops apply` applies it.
# For completion in your editor, run `ftops schema > ftops.schema.json`.

# There is no `providers:` here, so everything runs in the built-in emulator: no account,
# no costs. The end of this file shows how to use Azure OpenAI.

# The name of the state, wherever this folder is checked out.
ftops: {name: NAME}

variables:
  capacity: {type: integer, default: 10, minimum: 1, description: Thousands of tokens per minute}

# Training examples, one JSON object per line. Paths are relative to this file.
datasets:
  train: {path: data/train.jsonl, format: chat}

jobs:
  assistant:
    model: gpt-4o-mini-2024-07-18
    training: train # the dataset above
    hyperparameters: {n_epochs: 3}
    seed: 7
    suffix: assistant

# ${…} refers to an attribute of another resource: ftops trains first, then deploys.
deployments:
  assistant:
    model: ${job.assistant.fine_tuned_model}
    sku: {name: Standard, capacity: "${var.capacity}"}

outputs:
  model: ${job.assistant.fine_tuned_model}
  deployment: ${deployment.assistant.name}

# On Azure OpenAI: fill this in and remove the #, then run `ftops plan --env prod`. Each environment
# has its own state. Sign in with `az login`; no key is stored here.
#
# providers:
#   local:
#     type: emulator
#     default: true
#   azure:
#     type: azure_openai
#     endpoint: https://acme.openai.azure.com/
#     subscription_id: ${env.AZURE_SUBSCRIPTION_ID}
#     resource_group: rg-ai
#     account: acme
#     api_version: 2024-10-21
#
# environments:
#   dev: {provider: local}
#   prod: {provider: azure, variables: {capacity: 50}}
"""

_SYSTEM = "You answer questions about the opening hours of a museum, in one short sentence."
_EXAMPLES = (
    ("When do you open on Monday?", "We are closed on Mondays."),
    ("When do you open on Tuesday?", "On Tuesdays we open at ten."),
    ("How long are you open on Wednesday?", "On Wednesdays we are open from ten to five."),
    ("Is Thursday a late day?", "Yes, on Thursdays we are open until nine in the evening."),
    ("When do you close on Friday?", "On Fridays we close at five."),
    ("Are you open at the weekend?", "Yes, on Saturdays and Sundays from nine to six."),
    ("When is the last admission?", "The last admission is half an hour before we close."),
    ("Are you open on New Year's Day?", "No, on the first of January we are closed."),
    ("Are you open at Easter?", "Yes, at Easter we are open as on Sundays."),
    ("What does a ticket cost?", "I know only the opening hours; prices are on our website."),
    ("Can I come at eight in the morning?", "Not yet: the earliest we open is nine, at the weekend."),
    ("Will you write a poem for me?", "I know only the opening hours; may I help you with these?"),
)


IGNORE = """\
# Files of ftops, and the state: in Git, it would be out of date in all branches but one.
.ftops/
/state/
"""
"""The .gitignore of a new project."""


def files(name: str) -> Mapping[str, str]:
    """Relative path → content of a spec with this name."""
    spec = SPEC.replace("NAME", name, 1)
    return {"ftops.yaml": spec, "data/train.jsonl": "".join(f"{_line(*pair)}\n" for pair in _EXAMPLES)}


def _line(question: str, answer: str) -> str:
    messages: Json = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return json.dumps({"messages": messages}, ensure_ascii=False)
