"""Outputs of a spec whose state is in a bucket, for specs of the same project and of another one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.golden.cli import Folder
from tests.support.proxy import proxy
from tests.support.servers import Service

OUTPUTS = """\
providers: {m: {type: memory}}
variables: {model: {default: gpt-4o-mini-2024-07-18}}
outputs: {model: "${var.model}"}
"""
APP = """\
ftops: {name: app}
providers: {m: {type: memory}}
deployments:
  base: {model: "${state.shared.outputs.model}", sku: {name: Standard, capacity: 20}}
"""


def spec_at(service: Service, folder: str) -> str:
    return service.spec(path=f"'{folder}'")


def test_outputs_in_a_bucket_are_read(service: Service, tmp_path: Path) -> None:
    one, two = Folder(tmp_path / "one"), Folder(tmp_path / "two")
    for project in (one, two):
        (project.path / ".git").mkdir(parents=True)
    place = f"outputs-{tmp_path.name}"
    one.write("shared/ftops.yaml", spec_at(service, place) + OUTPUTS)
    one.write("app/ftops.yaml", APP + "states: {shared: {spec: ../shared}}\n")
    settings = json.dumps({"backend": service.backend, "path": place, **service.settings})
    two.write("app/ftops.yaml", APP + f"states: {{shared: {{name: small, state: {settings}}}}}\n")
    for project in (one, two):
        refused = project.run("plan", "app", environ=service.environ)
        assert "small (default) hasn't been applied yet" in refused.err
    done = one.run("apply", "shared", "-y", environ=service.environ)
    assert done.code == 0, done
    for project in (one, two):
        found = project.run("plan", "app", "--out", "app.ft", "-o", "json", environ=service.environ)
        (read,) = found.json["reads"]
        assert (read["spec"], read["values"]) == ("small", {"model": "gpt-4o-mini-2024-07-18"})
        assert "is in a bucket" in project.run("plan", "app", "--offline", environ=service.environ).err
        assert (
            "can't read the state" in project.run("plan", "app", "--untrusted", environ=service.environ).err
        )
    changed = one.run("apply", "shared", "-y", "--var", "model=gpt-4.1-2025-04-14", environ=service.environ)
    assert changed.code == 0, changed
    for project in (one, two):
        stale = project.run("apply", "app.ft", environ=service.environ)
        assert stale.code == 3
        assert "shared.model" in stale.err


def test_a_bucket_that_does_not_answer_is_an_error(service: Service, tmp_path: Path) -> None:
    project = Folder(tmp_path / "one")
    (project.path / ".git").mkdir(parents=True)
    with proxy(service.url) as between:
        away = service.at(between.url)
    settings = json.dumps({"backend": away.backend, **away.settings})
    project.write("app/ftops.yaml", APP + f"states: {{shared: {{name: small, state: {settings}}}}}\n")
    done = project.run("plan", "app", environ=service.environ)
    assert done.code == 1
    assert "the state `shared` can't be read" in done.err
    assert "Traceback" not in done.err
