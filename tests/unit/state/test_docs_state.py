"""docs/state.md: its examples load, and name every setting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ftops.config.loader import load
from ftops.config.schema.settings import Encryption, StateBlock
from ftops.state.backends.factory import open_store
from ftops.yaml.formatter import format_text

TEXT = (Path(__file__).parents[3] / "docs" / "state.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
DATA = "\ndatasets:\n  train: {path: train.jsonl}\n"


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_load_and_mean_a_store(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.setenv(name, "a2V5")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    file = tmp_path / "ftops.yaml"
    file.write_text(EXAMPLES[number] + DATA, "utf-8")
    found = load(file, environ={"FTOPS_STATE_KEY": "ab" * 32})
    where = {"azure_blob": "https://acmestate", "s3": "s3://acme-ftops/", "gcs": "gs://acme-ftops/"}
    assert open_store(found).place.startswith(where[found.state.backend])
    assert format_text(EXAMPLES[number], "ftops.yaml") == EXAMPLES[number]


def test_every_setting_is_described() -> None:
    keys = {field.key for block in (StateBlock, Encryption) for field in block.fields.values()}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", TEXT)] == []
