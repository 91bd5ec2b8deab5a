"""Datasets of the Azure provider, against a running emulator."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from ftops.core.errors import Permanent, Temporary
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.base import Progress
from ftops.state.state import Status
from tests.contract.azure_cloud import (
    Cloud,
    dataset,
    digest,
    gone,
    made,
    operation_of,
    recorded,
    request,
    settled,
)
from tests.emulator.origin import origin_of
from tests.golden.cli import examples
from tests.support.http_server import Handler, Server, serving


@pytest.mark.parametrize("api_version", ["2024-10-21", "2025-04-01-preview", "v1", "preview"])
def test_life_cycle(cloud: Cloud, tmp_path: Path, api_version: str) -> None:
    azure = cloud.provider(api_version=api_version)
    resource = made(azure, dataset(tmp_path))
    assert resource.status is Status.READY
    assert resource.outputs["id"] == resource.remote_id
    assert resource.outputs["status"] == "processed"
    assert resource.outputs["bytes"] == (tmp_path / "train.jsonl").stat().st_size
    assert gone(azure, resource)
    azure.close()


def test_pending_until_processed(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    with cloud.set(file_processing_seconds=3600.0):
        asked = dataset(tmp_path)
        remote = azure.create(asked)
        assert remote.status is Status.PENDING
        assert remote.requeue_after is not None
        assert remote.attributes["status"] == "pending"
        cloud.admin("POST", "clock", {"advance": 3601})
        assert settled(azure, recorded(asked, remote)).status is Status.READY


def test_deleting_twice_is_as_good_as_once(azure: AzureProvider, tmp_path: Path) -> None:
    resource = made(azure, dataset(tmp_path))
    assert azure.delete(resource) is None
    assert azure.delete(resource) is None


def test_upload_tells_how_far_it_is(azure: AzureProvider, tmp_path: Path) -> None:
    told: list[Progress] = []
    asked = replace(dataset(tmp_path), report=told.append)
    azure.create(asked)
    assert told[-1].percent == 100.0
    assert [line.percent for line in told] == sorted(line.percent or 0 for line in told)


def test_a_known_file_is_never_the_answer(azure: AzureProvider, tmp_path: Path) -> None:
    asked = dataset(tmp_path)
    remote = azure.create(asked)
    found = azure.find_by_token(operation_of(asked), frozenset())
    assert found is not None and found.remote_id == remote.remote_id
    assert azure.find_by_token(operation_of(asked), frozenset({remote.remote_id})) is None


@pytest.mark.parametrize("api_version", ["2024-10-21", "v1"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_found_after_a_lost_reply(cloud: Cloud, tmp_path: Path, api_version: str, order: str) -> None:
    azure = cloud.provider(api_version=api_version)
    for number in range(3):
        azure.create(dataset(tmp_path, f"other-{number}"))
    cloud.fault("POST /openai/*files", effect="drop_after")
    asked = dataset(tmp_path)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    with cloud.set(list_order=order):
        found = azure.find_by_token(operation_of(asked), frozenset())
        assert found is not None
        assert azure.read(recorded(asked, found)) is not None
        assert azure.find_by_token(operation_of(dataset(tmp_path)), frozenset()) is None
    azure.close()


def test_not_found_where_nothing_was_made(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    cloud.fault("POST /openai*/files", effect="drop_before")
    asked = dataset(tmp_path)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    assert azure.find_by_token(operation_of(asked), frozenset()) is None


def test_half_a_reply_is_none(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    cloud.fault("POST /openai*/files", effect="truncate")
    asked = dataset(tmp_path)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert caught.value.effect_unknown
    assert azure.find_by_token(operation_of(asked), frozenset()) is not None


def test_a_file_that_changed_since_the_plan_is_not_sent(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path
) -> None:
    asked = dataset(tmp_path)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"messages": []}\n')
    cloud.fault("POST /openai*/files", effect="drop_after")
    with pytest.raises(Permanent, match="changed since the plan"):
        azure.create(asked)
    assert azure.find_by_token(operation_of(asked), frozenset()) is None
    cloud.clear_faults()


@pytest.mark.parametrize("is_lost", [False, True], ids=["answered", "reply-lost"])
def test_a_file_that_changes_during_the_upload_is_taken_back(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path, is_lost: bool
) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"x" * 1_000_000)
    inputs: dict[str, Any] = {"path": path.name, "purpose": "fine-tune", "content": digest(path)}
    before = len(cloud.admin("GET", "objects")["files"])

    def overwrite(progress: Progress) -> None:
        with path.open("r+b") as file:
            file.seek(900_000)
            file.write(b"y")

    asked = request("dataset.train", tmp_path, inputs, report=overwrite)
    if is_lost:
        cloud.fault("POST /openai*/files", effect="drop_after")
        with pytest.raises(Temporary):
            azure.create(asked)
        assert len(cloud.admin("GET", "objects")["files"]) == before + 1
    with pytest.raises(Permanent, match="changed since the plan"):
        azure.find_by_token(operation_of(asked), frozenset()) if is_lost else azure.create(asked)
    assert len(cloud.admin("GET", "objects")["files"]) == before


def test_a_file_that_cannot_be_read(azure: AzureProvider, tmp_path: Path) -> None:
    with pytest.raises(Permanent) as caught:
        azure.create(request("dataset.train", tmp_path, {"path": "nowhere.jsonl"}))
    assert "nowhere.jsonl" in caught.value.summary
    assert "path" in caught.value.hint


def test_a_dataset_is_never_changed_in_place(azure: AzureProvider, tmp_path: Path) -> None:
    asked = dataset(tmp_path)
    resource = made(azure, asked)
    with pytest.raises(Permanent, match="in place"):
        azure.update(asked, resource)


class Uploads(Handler):
    """The part of the service that takes large files in parts; it breaks off where it is told to."""

    protocol_version = "HTTP/1.1"
    fail_at: ClassVar[int] = 2
    known = True
    parts: ClassVar[list[bytes]] = []
    calls: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        """Half of what was promised."""
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        self.wfile.write(b"half")
        self.close_connection = True

    def do_POST(self) -> None:
        body = self.content()
        path = self.path.split("?")[0].removeprefix("/openai/")
        self.calls.append(path)
        if path == "uploads" and not self.known:
            self.answer_json(404, {"error": {"code": "404", "message": "Resource not found"}})
        elif path == "uploads":
            self.answer_json(200, {"id": "upload-1", **json.loads(body)})
        elif path == "uploads/upload-1/parts" and self.calls.count(path) == self.fail_at:
            self.close_connection = True
        elif path == "uploads/upload-1/parts":
            self.parts.append(body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0])
            self.answer_json(200, {"id": f"part-{len(self.parts)}"})
        elif path == "uploads/upload-1/complete":
            chosen = json.loads(body)["part_ids"]
            assert chosen == [f"part-{number}" for number in range(1, len(self.parts) + 1)]
            self.answer_json(200, {"id": "upload-1", "file": {"id": "file-9", "status": "pending"}})
        else:
            self.answer_json(201, {"id": "file-whole", "status": "pending"})


@pytest.fixture
def uploads() -> Iterator[str]:
    Uploads.parts, Uploads.calls, Uploads.known = [], [], True
    with serving(Server(Uploads)) as server:
        yield server.url


@pytest.mark.parametrize("api_version", ["2024-10-21", "v1"])
def test_a_large_file_goes_in_parts_and_goes_on_where_it_broke_off(
    uploads: str, tmp_path: Path, api_version: str
) -> None:
    settings: dict[str, Any] = {"large_file_bytes": 100, "part_bytes": 300, "api_version": api_version}
    azure = AzureProvider({"endpoint": uploads, "api_key": "k", **settings}, name="azure")
    asked = dataset(tmp_path)
    with pytest.raises(Temporary) as caught:
        azure.create(asked)
    assert not caught.value.effect_unknown
    remote = azure.create(asked)
    assert remote.remote_id == "file-9" and remote.status is Status.PENDING
    assert b"".join(Uploads.parts) == (tmp_path / "train.jsonl").read_bytes()
    assert Uploads.calls.count("uploads") == 1
    azure.close()


def test_parts_of_a_file_that_changed_meanwhile_are_not_put_together(uploads: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"large_file_bytes": 100, "part_bytes": 300}
    azure = AzureProvider({"endpoint": uploads, "api_key": "k", **settings}, name="azure")
    asked = dataset(tmp_path)
    with pytest.raises(Temporary):
        azure.create(asked)
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write('{"messages": []}\n')
    with pytest.raises(Permanent, match="changed since the plan"):
        azure.create(asked)
    assert "uploads/upload-1/complete" not in Uploads.calls
    azure.close()


def test_content_that_breaks_off_is_no_content(uploads: str) -> None:
    azure = AzureProvider({"endpoint": uploads, "api_key": "k"}, name="azure")
    taken: list[bytes] = []
    with pytest.raises(Temporary, match="read the content of file-1: no usable reply"):
        azure.content("file-1", taken.append)
    azure.close()


def test_a_large_file_goes_whole_where_there_are_no_uploads(uploads: str, tmp_path: Path) -> None:
    Uploads.known = False
    settings: dict[str, Any] = {"endpoint": uploads, "api_key": "k", "large_file_bytes": 100}
    azure = AzureProvider(settings, name="azure")
    assert azure.create(dataset(tmp_path)).remote_id == "file-whole"
    azure.close()


def test_what_the_service_fetched_is_known_by_its_digest(
    cloud: Cloud, azure: AzureProvider, tmp_path: Path
) -> None:
    """It is read back once; later reads have it on record."""
    content = examples(12).encode()
    with origin_of({"/data/train.jsonl": content}) as origin:
        asked = request("dataset.train", tmp_path, {"url": f"{origin.url}/data/train.jsonl?sig=1"})
        fetched = made(azure, asked)
    assert fetched.outputs["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    known = replace(fetched, outputs={**fetched.outputs, "digest": "sha256:on-record"})
    again = azure.read(known)
    assert again is not None and again.attributes["digest"] == "sha256:on-record"


def test_a_url_is_fetched_by_the_service(uploads: str, tmp_path: Path) -> None:
    azure = AzureProvider({"endpoint": uploads, "api_key": "k", "api_version": "v1"}, name="azure")
    asked = request("dataset.train", tmp_path, {"url": "https://x.example/data/train.jsonl?sig=1"})
    assert azure.create(asked).remote_id == "file-whole"
    assert Uploads.calls == ["files/import"]
    azure.close()
