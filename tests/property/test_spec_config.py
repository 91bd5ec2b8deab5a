"""What a spec means doesn't depend on how it is laid out; and its values survive being written down."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.config.config import Config
from ftops.config.loader import load
from ftops.core.address import Address, Reference, Secret, Value, decode, encode, join
from ftops.yaml.formatter import format_text

SPEC: dict[str, Any] = {
    "ftops": {"name": "support", "required_version": ">=0.1", "state": {"path": "state"}},
    "variables": {
        "capacity": {"type": "integer", "default": 1, "minimum": 1},
        "langs": {"type": "list", "default": ["fr", "de"]},
        "team": {"default": "blue"},
    },
    "providers": {
        "azure": {
            "type": "azure_openai",
            "default": True,
            "endpoint": "https://acme.openai.azure.com/",
            "subscription_id": "${env.SUBSCRIPTION}",
            "resource_group": "rg",
            "account": "acme",
        },
        "local": {"type": "emulator"},
    },
    "environments": {"dev": {"provider": "local"}, "default": {"variables": {"capacity": 50}}},
    "hyperparameters": {"careful": {"n_epochs": 3, "batch_size": 8}, "quick": {"n_epochs": 1}},
    "datasets": {
        "train": {"path": "data/train.jsonl", "format": "chat"},
        "valid": {"path": "data/valid.jsonl", "lifecycle": {"prevent_destroy": True, "on_destroy": "retain"}},
        "local": {"path": "data/${each.key}.jsonl", "for_each": "${var.langs}"},
    },
    "jobs": {
        "base": {
            "model": "gpt-4o-mini-2024-07-18",
            "training": "train",
            "validation": "valid",
            "hyperparameters": {"use": "careful", "n_epochs": 4},
        },
        "more": {
            "model": "${job.base.fine_tuned_model}",
            "training": "${dataset.local[each.key].id}",
            "for_each": ["de", "fr"],
            "hyperparameters": "quick",
            "depends_on": ["dataset.train", "dataset.local"],
        },
    },
    "deployments": {
        "chat": {
            "model": "${job.base.fine_tuned_model}",
            "sku": {"name": "Standard", "capacity": "${var.capacity}"},
            "tags": {"team": "${var.team}", "key": "${env.KEY}"},
        },
        "sweep": {"model": "gpt-4o", "for_each": {"matrix": {"a": [1, 2], "b": ["x", "y"]}}},
    },
    "outputs": {"model": "${job.base.fine_tuned_model}", "name": {"value": "${deployment.chat.name}"}},
}
ENVIRON = {"SUBSCRIPTION": "00000000-0000-0000-0000-000000000000", "KEY": "k"}


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        keys = rng.sample(list(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    return value


def split(spec: dict[str, Any], parts: int, rng: random.Random) -> list[dict[str, Any]]:
    """The entries of each section, spread over some files."""
    files: list[dict[str, Any]] = [{} for _ in range(parts)]
    for section, entries in spec.items():
        for name, entry in entries.items():
            rng.choice(files).setdefault(section, {})[name] = entry
    return [file for file in files if file]


def meaning(config: Config) -> Config:
    """A Config without places."""
    return replace(
        config,
        files=(),
        resources=tuple(replace(r, place=None, places={}, reference_places={}) for r in config.resources),
        outputs=tuple(replace(o, place=None) for o in config.outputs),
        providers={name: replace(p, place=None) for name, p in config.providers.items()},
    )


def loaded(texts: list[str]) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        for number, text in enumerate(texts):
            (Path(folder) / f"{number}.yaml").write_text(text, "utf-8")
        config = load(Path(folder), environ=ENVIRON)
    return meaning(replace(config, folder=Path(), project=Path(), providers=_without_folder(config)))


def _without_folder(config: Config) -> dict[str, Any]:
    return {
        name: replace(p, settings={k: v for k, v in p.settings.items() if k != "data"})
        for name, p in config.providers.items()
    }


EXPECTED = loaded([yaml.safe_dump(SPEC)])


@given(st.randoms(use_true_random=False), st.integers(1, 4), st.sampled_from([None, False, True]))
def test_layout_never_changes_the_config(rng: random.Random, parts: int, style: bool | None) -> None:
    files = split(shuffled(SPEC, rng), parts, rng)
    texts = [yaml.safe_dump(file, sort_keys=False, default_flow_style=style, indent=3) for file in files]
    assert loaded(texts) == EXPECTED
    assert loaded([format_text(text, "spec.yaml") for text in texts]) == EXPECTED


NAMES = st.sampled_from(["a", "copilot", "chat-2"])
KEYS = st.none() | st.text(
    st.characters(exclude_characters="{}\n", exclude_categories=["Cs", "Cc"]), min_size=1
)
ADDRESSES = st.builds(Address, st.sampled_from(["dataset", "job", "deployment"]), NAMES, KEYS)
REFERENCES = st.builds(Reference, ADDRESSES, st.sampled_from(["id", "fine_tuned_model", "checkpoint.80"]))
SECRETS = st.builds(Secret, st.sampled_from(["env", "var"]), st.sampled_from(["KEY", "a_b", "x9"]))
TEXTS = st.text() | st.sampled_from(["${", "$${job.a.id}", "${var.x}", "$", "a ${ b }"])


def text_around(parts: list[Any]) -> Value:
    """The parts as a template, as the loader makes it: no literal `$` right before an expression."""
    return join([p.rstrip("$") if isinstance(p, str) else p for p in [*parts, "."]])


TEMPLATES = st.lists(TEXTS | REFERENCES | SECRETS, max_size=4).map(text_around)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXTS
    | REFERENCES
    | SECRETS
    | TEMPLATES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_values_survive_being_written(value: Value) -> None:
    assert decode(encode(value)) == value


@given(ADDRESSES)
def test_addresses_survive_being_written(address: Address) -> None:
    assert Address.parse(str(address)) == address
