"""Variables that are on or off: all by one rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.cli.switches import CI, DEBUG, UNTRUSTED, is_on
from tests.golden.cli import Folder

SAID = {
    None: False, "": False, " ": False, "0": False, "false": False, "no": False, "FALSE": False, "Off": False,
    "1": True, "true": True, "TRUE": True, "yes": True, "on": True, "2": True, "anything": True, "n": True,
}  # fmt: skip


@pytest.mark.parametrize(("value", "on"), SAID.items())
@pytest.mark.parametrize("name", [UNTRUSTED, CI, DEBUG])
def test_a_switch_is_on_unless_it_says_no(name: str, value: str | None, on: bool) -> None:
    assert is_on(name, {} if value is None else {name: value}) is on


@pytest.mark.parametrize(("value", "on"), [(value, on) for value, on in SAID.items() if value is not None])
def test_every_command_reads_switches_alike(tmp_path: Path, value: str, on: bool) -> None:
    folder = Folder.make(tmp_path / "here", "ftops: {name: drone}\nproviders: {mem: {type: memory}}\n")
    environ = {UNTRUSTED: value}
    planned = folder.run("plan", environ=environ)
    assert ("--untrusted: no service was contacted" in planned.out + planned.err) is on
    assert (f"{UNTRUSTED} is set" in folder.run("graph", environ=environ).err) is on
    assert folder.run("validate", environ=environ).code == 0
    folder.write("ftops.yaml", "providers: {mem: {type: memory}}\n")
    assert ("CI is set" in " ".join(folder.run("plan", environ={CI: value}).err.split())) is on
