"""Field aliases: types that several fields of a spec have, and those with long patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ftops.config.schema.field_types import Boolean, Choice, Number, Refused
from ftops.config.schema.text_types import Spelled, Text, WeeklyHours
from ftops.core.address import NAME as NAME_PATTERN
from ftops.core.normal_form import squeezed
from ftops.core.resource_types import (
    DEPLOYMENT_STATES,
    SERVICE_TIERS,
    TRAINING_TYPES,
    UPGRADE_OPTIONS,
)
from ftops.core.serving import ACCELERATOR_TYPES, SKU_NAMES
from ftops.yaml.document import Given


def choice(*words: str, elsewhere: Mapping[str, str] = {}) -> Choice:
    """One of these words, without references and secrets. `elsewhere`: what other tools call them."""
    return Choice(words=words, closed=True, elsewhere=elsewhere)


AUTO = ("auto",)
"""Of hyperparameters: the service chooses."""
OPEN_TEXT = Text()
FIXED_TEXT = Text(closed=True)
FLAG = Boolean(closed=True)
AMOUNT = Number(minimum=0, closed=True)
HOURS = WeeklyHours(closed=True)
METHOD = Choice(
    words=("supervised", "dpo", "reinforcement"),
    closed=True,
    elsewhere={
        **dict.fromkeys(("sft", "fine-tune", "finetune", "full", "lora"), "supervised"),
        **dict.fromkeys(("preference", "preferences", "orpo"), "dpo"),
        **dict.fromkeys(("rft", "rl", "grpo", "ppo", "rlhf"), "reinforcement"),
    },
)
NAME = Text(
    NAME_PATTERN,
    "a name: lower-case letters, digits and `-`, starting with a letter, at most 63 characters",
    "Choose a name that starts with a letter.",
    63,
    joiner="-",
    closed=True,
)
TRAINING_TYPE = Spelled(
    spellings={
        **{squeezed(name): name for name in TRAINING_TYPES},
        "datazonestandard": "data_zone",
        "developertier": "developer",
    },
    closed=True,
)
SKU_NAME = Spelled(spellings={**{squeezed(n): n for n in SKU_NAMES}, "developer": "DeveloperTier"})
UPGRADE_OPTION = Choice(
    words=UPGRADE_OPTIONS,
    elsewhere={
        **dict.fromkeys(("never", "none", "manual", "off"), "NoAutoUpgrade"),
        **dict.fromkeys(("auto", "latest", "always", "default"), "OnceNewDefaultVersionAvailable"),
    },
)
SERVICE_TIER = Choice(words=SERVICE_TIERS, spellings={word.lower(): word for word in SERVICE_TIERS})
DEPLOYMENT_STATE = Choice(
    words=DEPLOYMENT_STATES,
    spellings={word.lower(): word for word in DEPLOYMENT_STATES},
    elsewhere={
        **dict.fromkeys(("stopped", "off", "disabled"), "Paused"),
        **dict.fromkeys(("on", "started", "enabled"), "Running"),
    },
)
API_VERSION = Text(
    r"[vV]1|preview|latest|\d{4}-\d{2}-\d{2}(-[A-Za-z0-9]+)?",
    "an API version: v1, or a date such as 2025-04-01-preview",
    "Write a version that the service documents, such as v1.",
    joiner="-",
    closed=True,
)
ACCOUNT_ID = Text(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    "the ARM ID of an account",
    "It looks like /subscriptions/…/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/….",
)
ACCELERATOR_TYPE = Spelled(spellings={squeezed(name): name for name in ACCELERATOR_TYPES})
DEPLOYMENT_TEMPLATE = Text(
    r"azureml://registries/[^/]+/deploymenttemplates/[^/]+/(?:versions|labels)/[^/]+",
    "the ID of a deployment template",
    "It looks like azureml://registries/…/deploymenttemplates/…/versions/1; the Foundry portal shows it.",
)
MODEL_VERSION = Text(
    r"azureai://accounts/[^/]+/projects/[^/]+/models/[A-Za-z0-9._-]+/versions/[A-Za-z0-9._-]+",
    "the ID of a version of a project model",
    "It looks like azureai://accounts/…/projects/…/models/…/versions/1.",
)
LOCATION = Text(
    r"[A-Za-z0-9-]+",
    "a region as Azure names it, such as swedencentral",
    "Write it without blanks, as `az account list-locations` does.",
    joiner="",
    closed=True,
)
URL = Text(
    r"https?://\S+",
    "a URL that begins with https://",
    "The service downloads it over HTTPS; another file can be downloaded first, and named with `path`.",
)
REGION = Text(
    r"[a-z0-9-]+",
    "a region such as eu-west-1: lower-case letters, digits and `-`",
    "It becomes part of the host name of the service.",
    joiner="-",
    closed=True,
)
SUFFIX = Text(
    r"[A-Za-z0-9_-]+",
    "1 to 64 letters, digits, `-` or `_`",
    "Write letters, digits, `-` or `_`: it becomes part of the model's name, and the service would reject "
    "other characters only after the upload.",
    64,
    joiner="-",
    is_shown=True,
)
DEPLOYMENT_NAME = Text(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?",
    "1 to 64 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit",
    maximum=64,
    joiner="-",
    is_shown=True,
)


_WANDB_KEY = re.compile(r"(?:\w+-)?(?:[0-9a-f]{40}|wandb_v\d+_\w{20,})")
WANDB_KEY_DETAIL = "Anyone who can read the spec, or a commit that contained it, could use the key."
WANDB_KEY_HINT = (
    "Remove it, and create a new key. The service has the key in its own settings: in Azure as a secret of a "
    "Key Vault, at OpenAI in those of the organization."
)


class OfWandb(Text, frozen=True):
    """Text for Weights & Biases, which is no API key."""

    def convert(self, value: Any) -> str | None:
        is_written = isinstance(value, str) and not isinstance(value, Given)
        if is_written and _WANDB_KEY.fullmatch(value):
            raise Refused("can't be an API key", WANDB_KEY_DETAIL, WANDB_KEY_HINT, is_secret=True)
        return super().convert(value)


WANDB_PROJECT = OfWandb(
    r"[^/\\#?%:]+",
    "the name of a project: at most 128 characters, without / \\ # ? % and :",
    "A team or user is named by `entity`.",
    128,
)
WANDB_ENTITY = OfWandb(r"[^\s/\\#?%:]+", "the name of a team or a user", maximum=128)
WANDB_NAME = OfWandb(expected="a text of at most 128 characters", maximum=128)
WANDB_TAG = OfWandb(expected="a text of at most 64 characters", maximum=64)
