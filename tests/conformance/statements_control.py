"""Statements about the control plane, and about how the management SDK deals with it."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.conformance.rows import statement
from tests.conformance.world import CONTROL, World
from tests.emulator.server import base_deployment, deployment

_TRACE = "SDK 14.1 against a logging server"
_BASE_MODEL = "gpt-4o-mini"


def _tuned(world: World) -> str:
    return str(world.finished()["fine_tuned_model"])


def _state(body: Any) -> str:
    return str(body["properties"]["provisioningState"])


def _base(world: World, name: str, capacity: int = 1) -> tuple[int, Any, Any]:
    return world.arm_call("PUT", f"/deployments/{name}", base_deployment(capacity))


@statement("ARM-PUT-01", "PUT …/deployments/{deployment} (tuned)", "ARM example; file of a public repository")
def tuned_put(world: World) -> None:
    status, _, body = world.deploy("one", _tuned(world))
    assert status == 201
    assert _state(body) in ("Accepted", "Creating")
    world.advance(180)
    assert _state(world.arm_call("GET", "/deployments/one")[2]) in ("Accepted", "Creating")
    world.advance(121)
    assert _state(world.arm_call("GET", "/deployments/one")[2]) == "Succeeded"
    world.undeploy("one")


@statement("ARM-PUT-02", "PUT …/deployments/{deployment} (base model)", "azure-cli recording, 2025-10")
def base_put(world: World) -> None:
    status, headers, body = _base(world, "base")
    assert (status, _state(body)) == (201, "Succeeded")
    assert "azure-asyncoperation" not in headers
    assert "location" not in headers
    world.undeploy("base")


@statement("ARM-PUT-03", "PUT …/deployments/{deployment} (other model)", "three public repositories")
def model_change(world: World) -> None:
    world.deploy("pinned", _tuned(world))
    world.rest()
    status, _, body = world.deploy("pinned", _tuned(world))
    assert status == 400
    assert body["error"]["code"] == "ModelUpgradeNotSupported"
    assert body["error"]["message"] == "Model updates are not supported for finetuned model deployments."
    world.undeploy("pinned")


@statement("ARM-PUT-04", "PUT …/deployments/{deployment} (two at once)", "azurerm#22607")
def conflict(world: World) -> None:
    name = _tuned(world)
    world.deploy("first", name)
    status, _, body = world.deploy("second", name)
    assert (status, body["error"]["code"]) == (409, "RequestConflict")
    assert world.place["account"] in body["error"]["message"]
    world.undeploy("first")


@statement("ARM-PUT-05", "PUT …/deployments/{deployment} (quota)", "PubSec-Info-Assistant#880")
def quota(world: World) -> None:
    status, _, body = _base(world, "huge", 100000)
    assert (status, body["error"]["code"]) == (400, "InsufficientQuota")
    assert "current quota usage is 0 and the quota limit is 1000" in body["error"]["message"]


@statement("ARM-PUT-06", "PUT …/deployments/{deployment} (failed)", "microsoft-foundry-for-vscode#554")
def over_failed(world: World) -> None:
    name = _tuned(world)
    world.fault(match="PUT */deployments/broken", deployment="fail")
    world.deploy("broken", name)
    world.rest()
    assert _state(world.arm_call("GET", "/deployments/broken")[2]) == "Failed"
    status, _, body = world.deploy("broken", name)
    assert status == 400
    text = "is in 'Failed' state, please delete it before creating a new one"
    assert text in body["error"]["message"]
    world.undeploy("broken")


@statement("ARM-PATCH-01", "PATCH …/deployments/{deployment}", "ARM example UpdateDeployment")
def patch(world: World) -> None:
    _base(world, "sized")
    change = {"sku": {"name": "Standard", "capacity": 2}, "tags": {"a": "b"}}
    status, _, body = world.arm_call("PATCH", "/deployments/sized", change)
    assert (status, body["sku"]["capacity"], body["tags"]) == (200, 2, {"a": "b"})
    with world.changed(patch_async=True):
        status, headers, _ = world.arm_call("PATCH", "/deployments/sized", change)
        assert status == 202
        assert headers["azure-asyncoperation"]
    world.undeploy("sized")


@statement("ARM-DEL-01", "DELETE …/deployments/{deployment}", "ARM example; azure-cli recording")
def delete(world: World) -> None:
    assert world.arm_call("DELETE", "/deployments/none")[0] == 204
    _base(world, "gone")
    assert world.arm_call("DELETE", "/deployments/gone")[::2] == (200, b"")
    world.rest()
    with world.changed(base_delete_async=True):
        _base(world, "gone")
        status, headers, _ = world.arm_call("DELETE", "/deployments/gone")
        assert status == 202
        assert headers["azure-asyncoperation"]
    world.rest()


@statement("ARM-LRO-01", "GET …/operationResults/{operation}", "azure-cli recording, 2023-07")
def operation(world: World) -> None:
    headers = world.deploy("polled", _tuned(world))[1]
    path = headers["azure-asyncoperation"].removeprefix(world.url)
    status, _, body = world.call("GET", path)
    assert (status, body["status"]) == (200, "Creating")
    assert set(body) == {"id", "name", "status", "startTime"}
    assert body["id"].endswith(f"/operationResults/{body['name']}")
    world.rest()
    done = world.call("GET", path)[2]
    assert done["status"] == "Succeeded"
    assert set(done) == {"id", "name", "status", "startTime", "endTime"}
    world.undeploy("polled")


def _begin(client: Any, name: str, body: Any, **options: Any) -> Any:
    return client.deployments.begin_create_or_update("rg-emulator", "emulator", name, body, **options)


@statement("ARM-LRO-02", "management SDK: PUT 201 with Azure-AsyncOperation", _TRACE)
def sdk_put(world: World) -> None:
    model = _tuned(world)
    with world.control() as client, world.changed(deployment_seconds=0.3), world.calls() as calls:
        _begin(client, "awaited", deployment(model)).result()
    assert _pattern(calls) == ["PUT", "poll", "GET"]
    world.undeploy("awaited")


def _pattern(calls: list[dict[str, Any]]) -> list[str]:
    """The kinds of calls, those that repeat told once."""
    kinds: list[str] = []
    for row in calls:
        polls = row["path"].partition("/operationResults/")[2]
        kind = row["method"] if not polls else "location" if polls.endswith("/resource") else "poll"
        if not kinds or kinds[-1] != kind:
            kinds.append(kind)
    return kinds


@statement("ARM-LRO-03", "management SDK: PUT 202", _TRACE)
def sdk_put_202(world: World) -> None:
    world.fault(match="PUT */deployments/odd", status=202)
    with world.control() as client, pytest.raises(HttpResponseError):
        _begin(client, "odd", base_deployment())


@statement("ARM-LRO-04", "management SDK: PATCH 202 with both headers", _TRACE)
def sdk_patch(world: World) -> None:
    _base(world, "patched")
    change = {"sku": {"name": "Standard", "capacity": 3}}
    with (
        world.control() as client,
        world.changed(patch_async=True, deployment_seconds=0.3),
        world.calls() as calls,
    ):
        done = client.deployments.begin_update("rg-emulator", "emulator", "patched", change).result()
    assert _pattern(calls) == ["PATCH", "poll", "location"]
    assert done.sku.capacity == 3
    world.undeploy("patched")


@statement("ARM-LRO-05", "management SDK: continuation token", _TRACE)
def sdk_token(world: World) -> None:
    model = _tuned(world)
    with world.control() as client, world.changed(deployment_seconds=0.6):
        token = _begin(client, "later", deployment(model)).continuation_token()
        with world.control() as other, world.calls() as calls:
            _begin(other, "later", deployment(model), continuation_token=token).result()
    assert "PUT" not in _pattern(calls)
    assert {"poll", "GET"} <= set(_pattern(calls))
    world.undeploy("later")


@statement("ARM-ERR-01", "management SDK: 409", _TRACE)
def sdk_conflict(world: World) -> None:
    name = _tuned(world)
    world.deploy("busy", name)
    with world.control() as client, world.calls() as calls, pytest.raises(ResourceExistsError):
        _begin(client, "other", deployment(name))
    assert [row["status"] for row in calls] == [409]
    world.undeploy("busy")


@statement("ARM-GET-01", "GET …/deployments/{deployment} (absent)", _TRACE)
def absent(world: World) -> None:
    status, _, body = world.arm_call("GET", "/deployments/none")
    assert (status, body["error"]["code"]) == (404, "ResourceNotFound")
    with world.control() as client, pytest.raises(ResourceNotFoundError):
        client.deployments.get("rg-emulator", "emulator", "none")


@statement("ARM-CASE-01", "names in ids of the control plane", "azure-cli recordings")
def case(world: World) -> None:
    _base(world, "Cased")
    swapped = world.arm.replace("resourceGroups", "RESOURCEGROUPS").replace("accounts", "ACCOUNTS")
    for path in (f"{world.arm}/deployments/CASED", f"{swapped}/deployments/cased"):
        status, _, body = world.call("GET", f"{path}?api-version={CONTROL}")
        assert (status, body["name"]) == (200, "Cased")
    assert world.arm_call("GET", "")[2]["location"] == "swedencentral"
    world.undeploy("Cased")
