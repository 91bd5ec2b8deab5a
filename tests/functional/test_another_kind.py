"""A fourth kind of resource and a fifth type of provider: every command takes them by their rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import validator_for

from ftops.config.config import ProviderConfig
from ftops.config.loader import load
from ftops.config.schema import json_schema
from ftops.config.schema.block import optional, required
from ftops.config.schema.field_aliases import OPEN_TEXT
from ftops.config.schema.providers import TIMEOUTS, ProviderBlock, Timeouts
from ftops.config.schema.resources import ResourceBlock
from ftops.core.address import Address
from ftops.core.provider_types import PROVIDER_TYPES, ProviderType
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType
from ftops.providers.base import Existing, Request
from ftops.providers.memory import MemoryProvider
from ftops.session.account_import import ImportRequest, take_over
from ftops.state.state import PendingOperation, RemoteObject, ResourceState, Status
from tests.golden.cli import Folder

SPEC = """\
ftops: {name: lab}

providers:
  lab: {type: lab, timeouts: {survey: 60}}

datasets:
  train: {path: data/train.jsonl}
  valid: {path: data/valid.jsonl}

jobs:
  base: {model: gpt-4o-mini-2024-07-18, training: train, seed: 1}

surveys:
  quality: {model: "${job.base.fine_tuned_model}", data: valid, threshold: "0.5"}

outputs:
  score: ${survey.quality.score}
"""
QUALITY = Address("survey", "quality")


class Survey(ResourceBlock, noun="a survey"):
    """A model's answers to examples, scored."""

    model = required(OPEN_TEXT, "Model to evaluate.")
    data = required(OPEN_TEXT, "Dataset with the examples.")
    threshold = optional(OPEN_TEXT, "Score that counts as good.")


class LabBlock(ProviderBlock, noun="a provider of type lab"):
    """A laboratory."""

    timeouts = optional(Timeouts, TIMEOUTS)


class Lab(MemoryProvider):
    """Objects in this process. A survey takes a while, and finds its object again after a lost reply."""

    objects: dict[str, tuple[Address, RemoteObject, str, str]]
    files: dict[str, bytes]

    def create(self, request: Request) -> RemoteObject:
        remote = super().create(request)
        if path := request.inputs.get("path"):
            self.files[remote.remote_id] = (request.folder / str(path)).read_bytes()
        hidden = RESOURCE_TYPES[request.address.kind].local | {"content"}
        inputs = {name: value for name, value in request.inputs.items() if name not in hidden}
        attributes = {**remote.attributes, "score": 0.9}
        remote = RemoteObject(remote.remote_id, Status.READY, attributes, inputs)
        self.objects[remote.remote_id] = (request.address, remote, request.token, request.fingerprint)
        is_quick = request.address.kind in ("dataset", "job")
        return remote if is_quick else RemoteObject(remote.remote_id, Status.PENDING, requeue_after=0.01)

    def read(self, resource: ResourceState) -> RemoteObject | None:
        known = self.objects.get(resource.remote_id)
        return known[1] if known else None

    def update(self, request: Request, resource: ResourceState) -> RemoteObject:
        address, remote, token, fingerprint = self.objects[resource.remote_id]
        changed = RemoteObject(remote.remote_id, Status.READY, remote.attributes, request.inputs)
        self.objects[remote.remote_id] = (address, changed, token, fingerprint)
        return changed

    def delete(self, resource: ResourceState) -> RemoteObject | None:
        self.objects.pop(resource.remote_id, None)
        return None

    def find_by_token(self, operation: PendingOperation, known: frozenset[str]) -> RemoteObject | None:
        return next((o[1] for o in self.objects.values() if o[2] == operation.token), None)

    def existing(self, kind: str) -> list[Existing]:
        return [
            Existing(kind, remote, remote.remote_id, fingerprint=fingerprint, token=token)
            for address, remote, token, fingerprint in self.objects.values()
            if address.kind == kind
        ]

    def content(self, remote_id: str, take: Callable[[bytes], object]) -> bool:
        take(self.files[remote_id])
        return True

    def model_exists(self, found: Existing) -> bool:
        return True


def open_lab(config: ProviderConfig, project: Path) -> Lab:
    return Lab()


def lab_account(config: ProviderConfig, project: Path) -> str:
    return "lab:here"


@pytest.fixture(autouse=True)
def lab() -> Iterator[type[Lab]]:
    """The rows, as long as a test runs."""
    RESOURCE_TYPES["survey"] = ResourceType(
        kind="survey",
        section="surveys",
        title="Surveys",
        article="a",
        block=f"{__name__}:Survey",
        computed=frozenset({"id", "score"}),
        immutable=frozenset({"model", "data"}),
        references={"data": ("dataset", "id")},
        same_account=("model", "data"),
        compared_by_content=frozenset({"model", "data"}),
        reusable=True,
        timeout=600,
        waits_for="for a survey",
    )
    PROVIDER_TYPES["lab"] = ProviderType(
        type="lab",
        opens=f"{__name__}:open_lab",
        block=f"{__name__}:LabBlock",
        account=f"{__name__}:lab_account",
        addresses={},
    )
    Lab.objects, Lab.files = {}, {}
    yield Lab
    del RESOURCE_TYPES["survey"], PROVIDER_TYPES["lab"]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path, SPEC)


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.ok("apply", "-y")
    return folder


def changes(folder: Folder, *arguments: str) -> dict[str, str]:
    """Address → actions, of a plan: `replace` is followed by the deletion of the old object."""
    plan = folder.run("plan", "-o", "json", *arguments)
    assert plan.code == 0, plan
    found: dict[str, str] = {}
    for change in plan.json["changes"]:
        found.setdefault(change["address"], change["action"])
    return found


def state(folder: Folder) -> dict[str, Any]:
    return {
        item["address"]: item for item in json.loads(folder.ok("state", "list", "-o", "json"))["resources"]
    }


def test_the_json_schema_has_it() -> None:
    schema = json_schema()
    validator_for(schema).validate(
        {"surveys": {"a": {"model": "m", "data": "d"}}, "providers": {"lab": {"type": "lab"}}}
    )
    assert schema["properties"]["surveys"]["description"] == "Surveys, by name."
    timeouts = schema["$defs"]["Timeouts"]["properties"]
    assert timeouts["survey"]["description"] == "Maximum seconds for a survey. Default: 600."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threshold", "treshold", "unknown key `treshold` in a survey"),
        ("data: valid, ", "", "`data` is missing"),
        ("data: valid", "data: vald", "there is no dataset `vald`"),
        ("quality.score", "quality.scores", "a survey has no attribute `scores`"),
        ("data: valid", 'data: "${job.base.id}"', "`data` must be a dataset"),
        ("surveys:", "survey:", "unknown section `survey`"),
        ("{survey: 60}", "{surevy: 60}", "unknown key `surevy` in `timeouts`"),
        ("quality:", "Quality:", "a survey"),
    ],
)
def test_mistakes_in_a_spec_are_found(folder: Folder, old: str, new: str, message: str) -> None:
    folder.edit(old, new)
    done = folder.run("validate")
    assert done.code == 1
    assert message in done.err


def test_the_graph_draws_it(folder: Folder) -> None:
    graph = json.loads(folder.ok("graph", "-o", "json"))
    edges = {(edge["from"], edge["to"]) for edge in graph["edges"]}
    assert {(str(QUALITY), "job.base"), (str(QUALITY), "dataset.valid")} <= edges
    assert '["survey.quality"]' in folder.ok("graph", "--format", "mermaid")


def test_it_is_created_after_its_job_and_then_nothing_is_left_to_do(folder: Folder) -> None:
    assert changes(folder)[str(QUALITY)] == "create"
    assert "+ survey.quality" in folder.ok("plan")
    assert "+ survey.quality" in folder.ok("plan", "--out", "saved")
    assert "survey.quality" in folder.ok("show", "-o", "markdown", "saved")
    folder.ok("apply", "saved")
    assert changes(folder) == {}
    assert json.loads(folder.ok("output", "-o", "json"))["outputs"]["score"]["value"] == 0.9
    recorded = state(folder)[str(QUALITY)]
    assert recorded["remote_id"].startswith("survey-")
    assert "threshold" in folder.ok("state", "show", str(QUALITY))


def test_it_is_updated_in_place(applied: Folder) -> None:
    applied.edit('"0.5"', '"0.7"')
    assert changes(applied) == {str(QUALITY): "update"}
    applied.ok("apply", "-y")
    assert changes(applied) == {}


def test_it_is_replaced_with_its_data_or_its_model(applied: Folder) -> None:
    before = state(applied)[str(QUALITY)]["remote_id"]
    applied.edit("data: valid", "data: train")
    assert changes(applied) == {str(QUALITY): "replace"}
    applied.ok("apply", "-y")
    assert state(applied)[str(QUALITY)]["remote_id"] != before
    applied.edit("seed: 1", "seed: 2")
    assert changes(applied) == {"job.base": "replace", str(QUALITY): "replace"}
    applied.ok("apply", "-y")
    assert changes(applied) == {}


def test_it_is_deleted_with_the_spec_that_declares_it(applied: Folder, lab: type[Lab]) -> None:
    applied.edit("outputs:\n  score: ${survey.quality.score}\n", "")
    applied.edit("surveys:\n", "moved: []\n")
    applied.edit('  quality: {model: "${job.base.fine_tuned_model}", data: valid, threshold: "0.5"}\n', "")
    assert changes(applied) == {str(QUALITY): "delete"}
    applied.ok("apply", "-y")
    assert not any(address == QUALITY for address, *_ in lab.objects.values())


def test_destroy_deletes_it_first(applied: Folder, lab: type[Lab]) -> None:
    assert changes(applied, "--destroy", "--target", "job.base") == {
        "job.base": "delete",
        str(QUALITY): "delete",
    }
    applied.ok("destroy", "-y")
    assert lab.objects == {}


def test_a_target_needs_what_it_uses(folder: Folder) -> None:
    assert set(changes(folder, "--target", "job.base")) == {"dataset.train", "job.base"}
    assert set(changes(folder, "--target", str(QUALITY))) == {
        "dataset.train",
        "dataset.valid",
        "job.base",
        str(QUALITY),
    }


def test_it_drifts(applied: Folder, lab: type[Lab]) -> None:
    gone = state(applied)[str(QUALITY)]["remote_id"]
    del lab.objects[gone]
    assert changes(applied) == {str(QUALITY): "create"}
    applied.ok("apply", "-y")
    assert changes(applied) == {}


def test_it_is_moved_and_forgotten(applied: Folder) -> None:
    applied.edit("  quality:", "  accuracy:")
    applied.edit("survey.quality.score", "survey.accuracy.score")
    applied.write("moved.yaml", "moved: [{from: survey.quality, to: survey.accuracy}]\n")
    assert changes(applied) == {}
    applied.ok("apply", "-y")
    assert "survey.accuracy" in state(applied)
    applied.ok("state", "rm", "survey.accuracy")
    assert "survey.accuracy" not in state(applied)


def test_it_is_imported(applied: Folder) -> None:
    id = state(applied)[str(QUALITY)]["remote_id"]
    applied.ok("state", "rm", str(QUALITY))
    assert "survey.quality" in applied.ok("import", str(QUALITY), id)
    assert state(applied)[str(QUALITY)]["remote_id"] == id
    assert changes(applied) == {}


def test_what_exists_already_is_adopted(applied: Folder, lab: type[Lab]) -> None:
    id = state(applied)[str(QUALITY)]["remote_id"]
    applied.ok("state", "rm", str(QUALITY))
    assert changes(applied) == {str(QUALITY): "adopt"}
    applied.ok("apply", "-y")
    assert state(applied)[str(QUALITY)]["remote_id"] == id


def test_a_whole_account_is_imported(applied: Folder, tmp_path: Path) -> None:
    spec = tmp_path / "found" / "ftops.yaml"
    request = ImportRequest(spec, {"providers": {"lab": {"type": "lab"}}})
    found = take_over(request, lambda path: load(path, environ={})).found
    assert found.left_out == []
    (survey,) = (block for address, block in found.declared.items() if address.kind == "survey")
    assert survey["model"].endswith(".fine_tuned_model}")
    assert Address("dataset", survey["data"]) in found.declared
