"""Statements about the SDKs themselves: they hold here as they did against a logging server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from openai import APIError, AzureOpenAI, NotFoundError, RateLimitError

from tests.conformance.rows import statement
from tests.conformance.world import BASE, World

_OPENAI = "openai 3.52 against a logging server"
_IDENTITY = "azure-identity 1.27 against a logging server"


@statement("SDK-ROUTE-01", "openai SDK: chat, completions, embeddings, audio, images", _OPENAI)
def deployment_routes(world: World) -> None:
    with world.data() as client, world.calls() as calls:
        for call in _inference(client):
            with pytest.raises(NotFoundError):
                call()
    assert [row["path"] for row in calls] == [
        f"/openai/deployments/none/{path}"
        for path in ("chat/completions", "completions", "embeddings", "audio/speech", "images/generations")
    ]


def _inference(client: AzureOpenAI) -> list[Any]:
    return [
        lambda: client.chat.completions.create(model="none", messages=[{"role": "user", "content": "a"}]),
        lambda: client.completions.create(model="none", prompt="a"),
        lambda: client.embeddings.create(model="none", input="a"),
        lambda: client.audio.speech.create(model="none", input="a", voice="alloy"),
        lambda: client.images.generate(model="none", prompt="a"),
    ]


@statement("SDK-ROUTE-02", "openai SDK: files, fine_tuning, models, uploads", _OPENAI)
def plain_routes(world: World) -> None:
    with world.data() as client, world.calls() as calls:
        client.files.list()
        client.fine_tuning.jobs.list()
        client.models.list()
        client.uploads.create(bytes=1, filename="a", mime_type="a/b", purpose="fine-tune")
    wanted = ["/openai/files", "/openai/fine_tuning/jobs", "/openai/models", "/openai/uploads"]
    assert [row["path"] for row in calls] == wanted
    assert all(row["query"] == ["api-version"] for row in calls)


@statement("SDK-RETRY-01", "openai SDK: jobs.create on 408, 409, 429, 5xx, drop", _OPENAI)
def retries(world: World) -> None:
    file = world.file()
    quick = {"retry-after-ms": "1"}
    faults: list[dict[str, Any]] = [{"status": code, "headers": quick} for code in (408, 409, 429, 500, 503)]
    for fault in [*faults, {"effect": "drop_before"}]:
        world.fault(match="POST /openai/fine_tuning/jobs", times=3, **fault)
        with world.data(max_retries=2) as client, world.calls() as calls, pytest.raises(APIError):
            client.fine_tuning.jobs.create(model=BASE, training_file=file)
        assert len(calls) == 3
        assert not any("idempotency-key" in row["headers"] for row in calls)


@statement("SDK-RETRY-02", "openai SDK: Retry-After 300", _OPENAI)
def long_wait(world: World) -> None:
    world.fault(match="POST /openai/fine_tuning/jobs", status=429, headers={"retry-after": "300"})
    with world.data(max_retries=2) as client, world.calls() as calls, pytest.raises(RateLimitError):
        client.fine_tuning.jobs.create(model=BASE, training_file="file-a")
    assert len(calls) == 1


@statement("SDK-PAGE-01", "openai SDK: for file in files.list()", f"{_OPENAI}; litellm#36324")
def endless(world: World) -> None:
    world.file()
    with world.data() as client:
        count = len(client.files.list().data)
        seen = [file.id for file in itertools.islice(client.files.list(), 3 * count)]
    assert len(seen) == 3 * count
    assert len(set(seen)) == count


@statement("SDK-AUTH-01", "management SDK: http base_url", "SDK 14.1 against a logging server")
def plain_http(world: World) -> None:
    with (
        _identity(world),
        ManagedIdentityCredential() as credential,
        CognitiveServicesManagementClient(
            credential, str(world.place["subscription_id"]), base_url=world.url
        ) as client,
        pytest.raises(ServiceRequestError, match="non-TLS"),
    ):
        client.deployments.get("rg-emulator", "emulator", "none")


@contextmanager
def _identity(world: World) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IDENTITY_ENDPOINT", f"{world.url}/msi/token")
        patch.setenv("IDENTITY_HEADER", world.key)
        patch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        yield


@statement("SDK-AUTH-02", "azure-identity: managed identity", _IDENTITY)
def managed_identity(world: World) -> None:
    scope = "https://management.azure.com/.default"
    with _identity(world), world.calls() as calls:
        with ManagedIdentityCredential() as credential:
            token = credential.get_token(scope).token
        with DefaultAzureCredential() as usual:
            assert usual.get_token(scope).token
    for row in calls:
        assert (row["method"], row["path"]) == ("GET", "/msi/token")
        assert row["query"] == ["api-version", "resource"]
        assert "x-identity-header" in row["headers"]
    path = f"{world.arm}/deployments?api-version=2025-09-01"
    assert world.call("GET", path, authorization=f"Bearer {token}")[0] == 200
