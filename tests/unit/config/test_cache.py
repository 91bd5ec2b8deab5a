"""A spec that has not changed is not read twice; one that holds a secret is never kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ftops.config.cache import CODEC, read
from ftops.config.config import Config
from ftops.config.loader import load
from tests.support.quickstart import quickstart

CANARY = "c4n4ry-s3cr3t"

RICH = """\
ftops: {name: rich, state: {path: elsewhere}}
variables:
  capacity: {type: integer, default: 3}
  owner: {type: string, default: "costs $${5}"}
providers:
  m: {type: memory, default: true}
hyperparameters:
  careful: {n_epochs: 3, learning_rate_multiplier: 0.5}
datasets:
  train: {path: data/train.jsonl}
  valid: {path: data/valid.jsonl}
jobs:
  base: {model: gpt, training: train, hyperparameters: careful}
  more:
    model: ${job.base.fine_tuned_model}
    training: train
    for_each: [fr, "d e"]
    suffix: ${each.key}x
    depends_on: [job.base]
    lifecycle: {prevent_destroy: true, ignore_changes: [suffix], on_destroy: retain}
    enabled: true
deployments:
  prod:
    model: ${job.base.checkpoint.best}
    sku: {name: Standard, capacity: "${var.capacity}"}
    tags: {owner: "${var.owner}", about: "by ${job.base.id}"}
outputs:
  model: ${job.base.fine_tuned_model}
  note: {value: "at ${deployment.prod.endpoint}", description: where, sensitive: true}
"""


def spec(folder: Path, text: str = RICH) -> Path:
    file = folder / "ftops.yaml"
    file.write_text(text.replace('"d e"', "de"), encoding="utf-8")
    return folder


def kept(folder: Path) -> list[Path]:
    return sorted((folder / ".ftops").rglob("*.json"))


def loaded(folder: Path, environ: Mapping[str, str] | None = None) -> Config:
    return load(folder, environ=environ or {})


def test_what_is_kept_is_what_was_loaded(tmp_path: Path) -> None:
    folder = spec(tmp_path)
    first = read(folder, environ={})
    assert len(kept(folder)) == 1
    assert read(folder, environ={}) == first == loaded(folder)


def test_the_form_it_is_kept_in_round_trips(tmp_path: Path) -> None:
    for config in (loaded(spec(tmp_path)), loaded(quickstart(tmp_path))):
        assert CODEC.read(Config, json.loads(json.dumps(CODEC.write(config)))) == config


def test_a_kept_spec_needs_neither_yaml_nor_pydantic(tmp_path: Path) -> None:
    folder = spec(tmp_path)
    read(folder, environ={})
    code = (
        "import sys; from pathlib import Path; from ftops.config.cache import read; "
        "read(Path(sys.argv[1]), environ={}); print({'yaml', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        ({"variables": ("capacity=9",)}, 9),
        ({"environ": {"FTOPS_VAR_capacity": "7"}}, 7),
        ({}, 3),
    ],
)
def test_other_variables_make_another_config(
    tmp_path: Path, arguments: dict[str, object], changed: int
) -> None:
    folder = spec(tmp_path)
    read(folder, environ={})
    config = read(folder, **{"environ": {}, **arguments})  # type: ignore[arg-type]
    assert config.variables["capacity"] == str(changed)


def test_an_edit_is_seen_even_where_size_and_time_stay(tmp_path: Path) -> None:
    folder = spec(tmp_path)
    read(folder, environ={})
    file = folder / "ftops.yaml"
    before = file.stat()
    file.write_text(file.read_text(encoding="utf-8").replace("default: 3", "default: 4"), encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read(folder, environ={}).variables["capacity"] == "4"


def test_a_file_more_is_seen(tmp_path: Path) -> None:
    folder = spec(tmp_path)
    count = len(read(folder, environ={}).resources)
    (folder / "more.yml").write_text("datasets: {other: {path: x.jsonl}}\n", encoding="utf-8")
    assert len(read(folder, environ={}).resources) == count + 1


NOT_KEPT = {
    "environment-in-an-input": ("suffix: ${each.key}x", "integrations: ['${env.CANARY}']"),
    "environment-in-a-provider": (
        "m: {type: memory, default: true}",
        "m: {type: emulator, default: true, api_key: '${env.CANARY}'}",
    ),
    "key-in-a-provider": (
        "m: {type: memory, default: true}",
        f"m: {{type: emulator, default: true, api_key: {CANARY}}}",
    ),
    "sensitive-variable": (
        'owner: {type: string, default: "costs $${5}"}',
        f"owner: {{type: string, default: {CANARY}, sensitive: true}}",
    ),
    "sensitive-variable-in-a-setting": (
        "providers:\n  m: {type: memory, default: true}",
        "  org: {type: string, sensitive: true}\n"
        "providers:\n  m: {type: emulator, default: true, settings: {token: '${var.org}'}}",
    ),
    "environment-by-the-name-of-a-variable": (
        "m: {type: memory, default: true}",
        "m: {type: emulator, default: true, settings: {token: '${env.FTOPS_VAR_org}'}}",
    ),
    "key-of-the-state": (
        "state: {path: elsewhere}",
        "state: {path: elsewhere, encryption: {key: '${env.FTOPS_VAR_org}'}}",
    ),
    "environment-that-is-not-set": (
        "providers:\n",
        "providers:\n  away: {type: openai, api_key: '${env.NOT_SET}'}\n",
    ),
    "environment-in-a-switch": ("enabled: true", "enabled: '${env.SWITCH}'"),
}


@pytest.mark.parametrize("name", NOT_KEPT)
def test_secrets_are_never_kept(tmp_path: Path, name: str) -> None:
    folder = spec(tmp_path, RICH.replace(*NOT_KEPT[name]))
    environ = {"CANARY": CANARY, "FTOPS_VAR_org": CANARY, "SWITCH": "true"}
    first = read(folder, environ=environ)
    assert kept(folder) == []
    assert read(folder, environ=environ) == first


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", None])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    folder = spec(tmp_path)
    first = read(folder, environ={})
    file = kept(folder)[0]
    key = file.read_bytes().split(b"\n")[0]
    file.write_bytes(key + b'\n{"name": 1}' if damage is None else damage)
    assert read(folder, environ={}) == first
    assert len(file.read_bytes()) > 100


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    folder = spec(tmp_path)
    (folder / ".ftops").write_text("in the way", encoding="utf-8")
    assert read(folder, environ={}) == loaded(folder)
