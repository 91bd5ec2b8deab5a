"""Accounts with little room: what frees room comes first, if the order of the plan allows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.azure_cloud import BASE_MODEL, Cloud
from tests.golden.cli import Folder, examples


@dataclass(frozen=True)
class Tight:
    """A spec, and an account with little room."""

    folder: Folder
    cloud: Cloud

    def declare(self, **sections: str) -> None:
        provider = f"{{type: emulator, url: '{self.cloud.url}', api_key: '{self.cloud.key}'}}"
        blocks = "".join(f"{name}: {{{entries}}}\n" for name, entries in sections.items())
        self.folder.write("ftops.yaml", f"ftops: {{name: tight}}\nproviders: {{here: {provider}}}\n{blocks}")

    def waits_for(self) -> dict[str, list[str]]:
        """What each step of the plan waits for, in its order."""
        return {change["step"]: change["waits_for"] for change in self.plan()["changes"]}

    def plan(self, code: int = 0) -> Any:
        done = self.folder.run("plan", "-o", "json")
        assert done.code == code, done
        return done.json

    def apply(self, *words: str) -> None:
        self.folder.ok("apply", "-y", *words)
        assert self.folder.run("plan", "--detailed-exitcode").code == 0


@pytest.fixture
def tight(tmp_path: Path, account: Cloud) -> Iterator[Tight]:
    folder = Folder.make(tmp_path)
    for name in "abcd":
        folder.write(f"{name}.jsonl", examples(12, name))
    yield Tight(folder, account)
    account.admin("POST", "reset", {})


def files(names: str) -> str:
    return ", ".join(f"{name}: {{path: {name}.jsonl}}" for name in names)


def serving(name: str, more: str = "") -> str:
    return f"{name}: {{model: {BASE_MODEL}, sku: {{capacity: 10}}{more}}}"


def limited(tight: Tight, **limits: int) -> None:
    """The catalogue says what the account isn't asked for."""
    words = ", ".join(f"{name}: {count}" for name, count in limits.items())
    tight.folder.write("ftops.catalog.yaml", f"limits: {{{words}}}\n")


def test_a_file_is_uploaded_when_another_is_deleted(tight: Tight) -> None:
    limited(tight, files=2)
    with tight.cloud.set(files_limit=2):
        tight.declare(datasets=files("ab"))
        tight.apply()
        tight.declare(datasets=files("cd"))
        waits = tight.waits_for()
        assert sorted(waits) == ["dataset.a", "dataset.b", "dataset.c", "dataset.d"]
        assert (waits["dataset.c"], waits["dataset.d"]) == (["dataset.a"], ["dataset.a", "dataset.b"])
        assert not tight.plan()["findings"]
        tight.apply()
        assert tight.cloud.admin("GET", "objects")["counts"]["files"] == 2


def test_with_enough_room_nothing_waits(tight: Tight) -> None:
    limited(tight, files=3)
    with tight.cloud.set(files_limit=3):
        tight.declare(datasets=files("ab"))
        tight.apply()
        tight.declare(datasets=files("ac"))
        assert tight.waits_for() == {"dataset.b": [], "dataset.c": []}


def test_bytes_are_freed_before_others_are_uploaded(tight: Tight) -> None:
    size = (tight.folder.path / "a.jsonl").stat().st_size
    limited(tight, total_file_bytes=size + size // 2)
    tight.declare(datasets=files("a"))
    tight.apply()
    tight.declare(datasets=files("b"))
    assert tight.waits_for() == {"dataset.a": [], "dataset.b": ["dataset.a"]}
    tight.apply()
    tight.declare(datasets=files("bc"))
    (finding,) = tight.plan()["findings"]
    assert finding["summary"].startswith("dataset.c: the files may exceed the account's limit")


def test_a_file_whose_successor_needs_its_place_is_an_error(tight: Tight) -> None:
    with tight.cloud.set(files_limit=1):
        tight.declare(datasets=files("a"), jobs=f"j: {{model: {BASE_MODEL}, training: a}}")
        tight.apply()
        tight.folder.write("a.jsonl", examples(13, "new"))
        (finding,) = tight.plan(code=3)["findings"]
        assert (finding["severity"], finding["summary"]) == ("error", "dataset.a: too many files")


@pytest.mark.parametrize("is_saved", [False, True])
def test_a_deployment_is_created_when_another_is_deleted(tight: Tight, is_saved: bool) -> None:
    limited(tight, deployments=1)
    with tight.cloud.set(deployments_limit=1, model_quota=10, quota_return_seconds=0.2):
        tight.declare(deployments=serving("old"))
        tight.apply()
        tight.declare(deployments=serving("new"))
        assert tight.waits_for() == {"deployment.old": [], "deployment.new": ["deployment.old"]}
        if is_saved:
            tight.folder.ok("plan", "--out", "made.ftplan")
        tight.apply(*["made.ftplan"] * is_saved)


def test_blue_green_needs_its_second_place(tight: Tight) -> None:
    limited(tight, deployments=1)
    with tight.cloud.set(deployments_limit=1):
        tight.declare(deployments=serving("prod", ", replace: blue_green"))
        tight.apply()
        tight.folder.edit("sku: {capacity", "sku: {name: GlobalStandard, capacity")
        found = tight.plan(code=3)["findings"]
        assert [f["summary"] for f in found if f["severity"] == "error"] == [
            "deployment.prod: too many deployments"
        ]
