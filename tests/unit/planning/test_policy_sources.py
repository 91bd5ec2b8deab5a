"""Where data really comes from: links, patterns, servers and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.config.config import Config, ProviderConfig, Resource
from ftops.core.address import Address, Secret, Value
from ftops.planning.policy.data_sources import data_sources

TRAIN = Address("dataset", "train")
URL = Secret("env", "TRAIN_URL")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = tmp_path / "project" / "spec"
    for name in ("data/a.jsonl", "data/b.jsonl", "../private/customers.jsonl"):
        file = spec / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}\n", encoding="utf-8")
    (tmp_path / "project" / ".git").mkdir()
    (spec / "data" / "linked.jsonl").symlink_to("../../private/customers.jsonl")
    return spec


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"path": "data/a.jsonl"}, ("data/a.jsonl",)),
        ({"path": "data/../data/a.jsonl"}, ("data/a.jsonl",)),
        ({"path": "data/linked.jsonl"}, ("../private/customers.jsonl",)),
        ({"path": "data/*.jsonl"}, ("data/a.jsonl", "data/b.jsonl", "../private/customers.jsonl")),
        ({"path": "none/*.jsonl"}, None),
        ({"url": "https://Data.Example.com:8443/x.jsonl?sig=1"}, ("https://data.example.com",)),
        ({"url": "https://user@data.example.com@evil.test/x"}, ("https://evil.test",)),
        ({"url": "https://[::1/x"}, None),
        ({"url": "x.jsonl"}, None),
        ({"url": URL}, ("https://store.example.com",)),
        ({"url": Secret("env", "WITHHELD")}, None),
        ({"url": Secret("env", "UNSET")}, None),
        ({}, None),
    ],
)
def test_sources(folder: Path, inputs: dict[str, Value], expected: tuple[str, ...] | None) -> None:
    secrets = {URL: "https://store.example.com/train?sig=secret", Secret("env", "WITHHELD"): "https://x.test"}
    resource = Resource(TRAIN, "m", inputs)
    config = Config(
        "test", "default", folder, folder.parent, (resource,), {"m": ProviderConfig("m", "memory")},
        secrets=secrets, withheld=("WITHHELD",),
    )  # fmt: skip
    assert data_sources([TRAIN, Address("job", "a")], config.by_address, config) == {TRAIN: expected}
