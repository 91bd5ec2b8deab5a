"""Azure Resource Manager around the account: identity, subscription, groups, versions and its errors."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.emulator.conftest import Start
from tests.emulator.server import Emulator, base_deployment, deployment

PLACE = ("rg-emulator", "emulator")
TENANT = "00000000-0000-0000-0000-000000000001"
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
PROVIDER = f"{SUBSCRIPTION}/providers/Microsoft.CognitiveServices"
GROUPS = f"{SUBSCRIPTION}/resourceGroups"
RESOURCES = "api-version=2022-12-01"
VERSION = "api-version=2025-09-01"


@pytest.fixture
def cloud(emulator: Emulator) -> Emulator:
    return emulator


def claims(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def principal(cloud: Emulator, **given: Any) -> dict[str, str]:
    """The header of a principal's token for the control plane."""
    who = cloud.admin("POST", "principals", given)
    return {"authorization": f"Bearer {who['tokens']['control']}"}


def refused(
    cloud: Emulator, method: str, path: str, body: Any = None, **headers: str
) -> tuple[int, str, str]:
    """The error of a request that fails as the control plane does."""
    status, found, answer = cloud.call(method, path, body, **headers)
    assert set(answer) == {"error"} and "x-ms-correlation-request-id" in found
    return status, answer["error"]["code"], answer["error"]["message"]


# Identity


def test_a_token_says_whose_it_is(cloud: Emulator) -> None:
    who = cloud.admin("POST", "principals", {"roles": ["Reader"]})
    found, now = claims(who["tokens"]["control"]), time.time()
    assert now - 60 < found["iat"] == found["nbf"] <= now < found["exp"] == found["iat"] + 3600
    assert found["oid"] == found["appid"] == found["sub"] == who["client_id"]
    assert (found["tid"], found["ver"]) == (TENANT, "1.0")
    assert found["aud"] == "https://management.azure.com" and TENANT in found["iss"]
    assert cloud.place["tenant_id"] == TENANT


def test_the_tenant_can_be_chosen(start: Start) -> None:
    emulator = start("--tenant-id", "acme")
    assert emulator.call("GET", f"/tenants?{RESOURCES}")[2]["value"][0]["tenantId"] == "acme"
    query = "resource=https://management.core.windows.net/"
    token = emulator.call("GET", f"/msi/token?{query}", **{"x-identity-header": emulator.key})[2]
    assert claims(token["access_token"])["tid"] == "acme"


def test_a_cloud_can_be_registered_from_its_metadata(cloud: Emulator) -> None:
    status, _, found = cloud.call("GET", "/metadata/endpoints?api-version=2022-09-01", authorization="")
    assert status == 200
    assert found["resourceManager"] == f"{cloud.url}/"
    assert found["authentication"]["loginEndpoint"] == cloud.url
    assert found["authentication"]["audiences"][0] == "https://management.core.windows.net/"
    (older,) = cloud.call("GET", "/metadata/endpoints?api-version=2019-05-01")[2]
    assert older == found
    assert refused(cloud, "GET", "/metadata/endpoints")[:2] == (400, "MissingApiVersionParameter")


def test_the_tenant_describes_itself_as_clients_require(cloud: Emulator) -> None:
    about = cloud.call("GET", "/acme/v2.0/.well-known/openid-configuration")[2]
    assert {"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"} <= about.keys()
    path = about["jwks_uri"].partition("127.0.0.1")[2].partition("/")[2]
    assert cloud.call("GET", f"/{path}", authorization="")[::2] == (200, {"keys": []})


def test_a_secret_can_be_chosen(cloud: Emulator) -> None:
    assert cloud.admin("POST", "principals", {"id": "robot", "secret": "mine"})["secret"] == "mine"
    assert "secret" not in cloud.admin("GET", "principals")["principals"][0]
    form = b"client_id=robot&client_secret=mine&scope=https://management.core.windows.net//.default"
    kind = "application/x-www-form-urlencoded"
    status, _, answer = cloud.call_raw("POST", "/acme/oauth2/v2.0/token", form, kind)
    assert (status, claims(answer["access_token"])["oid"]) == (200, "robot")
    assert claims(answer["access_token"])["aud"] == "https://management.core.windows.net/"


@pytest.mark.parametrize("name", ["client_id", "object_id", "principal_id"])
def test_a_managed_identity_is_chosen_by_any_of_its_ids(cloud: Emulator, name: str) -> None:
    cloud.admin("POST", "principals", {"id": "robot"})
    query = f"resource=https://management.azure.com&{name}=robot"
    token = cloud.call("GET", f"/msi/token?{query}", **{"x-identity-header": cloud.key})[2]
    assert claims(token["access_token"])["oid"] == "robot"


def test_a_token_for_another_service_is_refused_as_the_control_plane_does(cloud: Emulator) -> None:
    who = cloud.admin("POST", "principals", {"roles": ["Contributor"]})
    header = f"Bearer {who['tokens']['data']}"
    status, code, message = refused(cloud, "GET", f"/subscriptions?{RESOURCES}", authorization=header)
    assert (status, code) == (401, "InvalidAuthenticationTokenAudience")
    assert "'https://cognitiveservices.azure.com'" in message and "'https://management.azure.com/'" in message


@pytest.mark.parametrize(
    "path", ["/subscriptions", "/tenants", "/providers/Microsoft.Resources", GROUPS, PROVIDER]
)
def test_every_path_of_it_answers_in_its_own_words(cloud: Emulator, path: str) -> None:
    assert refused(cloud, "GET", f"{path}?{RESOURCES}", authorization="")[:2] == (401, "AuthenticationFailed")
    wrong = refused(cloud, "GET", f"{path}?{RESOURCES}", authorization="Bearer wrong")
    assert wrong[:2] == (401, "InvalidAuthenticationToken")


def test_a_token_for_it_is_answered_in_its_words_everywhere(cloud: Emulator) -> None:
    reader = principal(cloud, roles=["Reader"])
    found = refused(cloud, "GET", "/nothing/here?api-version=2022-12-01", **reader)
    assert found[:2] == (404, "InvalidResourceNamespace")


@pytest.mark.parametrize("payload", ["", "!", "bm8", base64.urlsafe_b64encode(b"[" * 30_000).decode()])
def test_what_only_looks_like_a_token(cloud: Emulator, payload: str) -> None:
    header = {"authorization": f"Bearer a.{payload}.b"}
    assert cloud.call("GET", "/nothing/here", **header)[0] == 401
    assert refused(cloud, "GET", f"/subscriptions?{RESOURCES}", **header)[1] == "InvalidAuthenticationToken"


# Subscription, tenant, provider


def test_the_subscription_is_listed_for_those_with_a_role(cloud: Emulator) -> None:
    for header, count in (
        (principal(cloud, roles=["Cognitive Services OpenAI User"]), 1),
        (principal(cloud), 0),
    ):
        found = cloud.call("GET", f"/subscriptions?{RESOURCES}", **header)[2]["value"]
        assert [row["id"] for row in found] == [SUBSCRIPTION] * count
    (row,) = cloud.call("GET", f"/subscriptions?{RESOURCES}")[2]["value"]
    assert (row["state"], row["tenantId"]) == ("Enabled", TENANT)
    assert cloud.call("GET", f"{SUBSCRIPTION.lower()}?{RESOURCES}")[2] == row
    (location,) = cloud.call("GET", f"{SUBSCRIPTION}/locations?{RESOURCES}")[2]["value"]
    assert location["name"] == "swedencentral"


def test_the_provider_is_registered_and_lists_its_versions(cloud: Emulator) -> None:
    found = cloud.call("GET", f"{PROVIDER}?{RESOURCES}")[2]
    assert found["registrationState"] == "Registered"
    types = {row["resourceType"]: row["apiVersions"] for row in found["resourceTypes"]}
    for version in types["accounts/deployments"]:
        assert cloud.call("GET", f"{cloud.arm}/deployments?api-version={version}")[0] == 200
    assert "2021-04-30" in types["accounts"] and "2021-04-30" not in types["accounts/deployments"]
    assert cloud.call("POST", f"{PROVIDER}/register?{RESOURCES}")[2] == found
    assert cloud.call("GET", f"{SUBSCRIPTION}/providers?{RESOURCES}")[2]["value"] == [found]


# Resource groups


def test_resource_groups_are_created_listed_and_deleted(cloud: Emulator) -> None:
    place, body = f"{GROUPS}/Team_1?{RESOURCES}", {"location": "West Europe", "tags": {"a": "b"}}
    assert cloud.call("HEAD", place)[0] == 404
    assert refused(cloud, "GET", place)[:2] == (404, "ResourceGroupNotFound")
    status, _, made = cloud.call("PUT", place, body)
    assert (status, made["name"], made["location"], made["tags"]) == (201, "Team_1", "westeurope", {"a": "b"})
    assert cloud.call("PUT", place, {"location": "westeurope"})[::2] == (
        200,
        {k: made[k] for k in made if k != "tags"},
    )
    assert cloud.call("HEAD", place.lower())[0] == 204
    names = [row["name"] for row in cloud.call("GET", f"{GROUPS}?{RESOURCES}")[2]["value"]]
    assert names == ["rg-emulator", "Team_1"]
    assert cloud.call("GET", f"{GROUPS}/team_1/providers/Microsoft.CognitiveServices/accounts?{VERSION}")[
        2
    ] == {"value": []}
    assert cloud.call("DELETE", place)[0] == 200
    assert cloud.call("HEAD", place)[0] == 404


@pytest.mark.parametrize(("name", "body", "expected"), [
    ("new", {}, (400, "LocationRequired")),
    ("rg-emulator", {"location": "westus"}, (409, "InvalidResourceGroupLocation")),
    ("ends.", {"location": "westus"}, (400, "InvalidResourceGroup")),
])  # fmt: skip
def test_groups_that_cannot_be(cloud: Emulator, name: str, body: Any, expected: tuple[int, str]) -> None:
    assert refused(cloud, "PUT", f"{GROUPS}/{name}?{RESOURCES}", body)[:2] == expected


def test_the_group_of_the_account_stays(cloud: Emulator) -> None:
    status, code, message = refused(cloud, "DELETE", f"{GROUPS}/RG-emulator?{RESOURCES}")
    assert (status, code) == (409, "ResourceGroupDeletionBlocked") and cloud.arm in message


def test_who_may_see_and_make_groups(cloud: Emulator) -> None:
    place = f"{GROUPS}/new?{RESOURCES}"
    reader, user = (
        principal(cloud, roles=["Reader"]),
        principal(cloud, roles=["Cognitive Services OpenAI User"]),
    )
    assert cloud.call("GET", f"{GROUPS}?{RESOURCES}", **reader)[0] == 200
    for header in (reader, user):
        status, code, message = refused(cloud, "PUT", place, {"location": "westus"}, **header)
        assert (status, code) == (403, "AuthorizationFailed")
        assert "'Microsoft.Resources/subscriptions/resourceGroups/write'" in message
    assert refused(cloud, "GET", place, **user)[1] == "AuthorizationFailed"


# Paths and versions


@pytest.mark.parametrize(("path", "status", "code", "words"), [
    (f"{SUBSCRIPTION[:-1]}9/providers/Microsoft.CognitiveServices/accounts", 404, "SubscriptionNotFound",
     "0009' could not be found"),
    (f"{GROUPS}/none/providers/Microsoft.CognitiveServices/accounts", 404, "ResourceGroupNotFound", "'none'"),
    (f"{SUBSCRIPTION}/providers/Microsoft.X/skus", 404, "InvalidResourceNamespace", "Microsoft.X"),
    (f"{PROVIDER}/drones", 404, "InvalidResourceType", "'drones' could not be found in the namespace"),
    (f"{GROUPS}/rg-emulator/providers/Microsoft.CognitiveServices/accounts/other", 404, "ResourceNotFound",
     "Microsoft.CognitiveServices/accounts/other"),
])  # fmt: skip
def test_what_is_not_there(cloud: Emulator, path: str, status: int, code: str, words: str) -> None:
    found = refused(cloud, "GET", f"{path}?{VERSION}")
    assert found[:2] == (status, code) and words in found[2]


def test_a_version_is_required(cloud: Emulator) -> None:
    for path in (cloud.arm, f"{cloud.arm}/deployments/base", GROUPS, f"{PROVIDER}/drones"):
        assert refused(cloud, "GET", path)[:2] == (400, "MissingApiVersionParameter")


@pytest.mark.parametrize("version", ["2025-09-02", "2999-01-01", "2025-09-01-preview", "newest"])
def test_versions_that_do_not_exist_are_refused_with_those_that_do(cloud: Emulator, version: str) -> None:
    found = refused(cloud, "GET", f"{cloud.arm}/deployments/base?api-version={version}")
    assert found[:2] == (400, "NoRegisteredProviderFound")
    assert f"API version '{version}' for type 'accounts/deployments'" in found[2]
    assert "2025-09-01, " in found[2] and "2021-04-30" not in found[2]
    found = refused(cloud, "GET", f"{GROUPS}?api-version={version}")
    assert found[:2] == (400, "InvalidApiVersionParameter") and "'2025-07-01,2025-04-01," in found[2]


def test_newer_versions_can_be_accepted(cloud: Emulator) -> None:
    cloud.settings(newer_api_versions="accepted")
    assert cloud.call("GET", f"{cloud.arm}?api-version=2999-01-01-preview")[0] == 200
    assert refused(cloud, "GET", f"{cloud.arm}?api-version=2025-09-02")[1] == "NoRegisteredProviderFound"


# The account


def test_keys_are_regenerated_one_by_one(start: Start) -> None:
    emulator = start()
    with emulator.control() as control, emulator.data() as first:
        keys = control.accounts.list_keys(*PLACE)
        assert keys.key1 == emulator.key != keys.key2
        second = first.with_options(api_key=keys.key2)
        assert [client.files.list().data for client in (first, second)] == [[], []]
        new = control.accounts.regenerate_key(*PLACE, "Key2")
        assert (new.key1, new.key2 == keys.key2) == (keys.key1, False)
        with pytest.raises(Exception, match="Access denied"):
            second.files.list()
        other = start("--account", "other", folder=emulator.folder.with_name("other"))
        assert other.key != emulator.key
        newest = control.accounts.regenerate_key(*PLACE, "Key1")
        assert newest.key1 not in {keys.key1, keys.key2, new.key2}
    assert json.loads((emulator.folder / "server.json").read_text())["api_key"] == newest.key1
    emulator.stop()
    again = start()
    assert again.key == newest.key1
    wrong = again.call("POST", f"{again.arm}/regenerateKey?{VERSION}", {"keyName": "key3"})
    assert (wrong[0], wrong[2]["error"]["code"]) == (400, "InvalidKeyName")


def test_tokens_outlive_a_regenerated_key(start: Start) -> None:
    emulator = start()
    contributor = principal(emulator, roles=["Contributor"])
    path = f"{emulator.arm}/regenerateKey?{VERSION}"
    assert emulator.call("POST", path, {"keyName": "Key1"}, **contributor)[0] == 200
    assert emulator.call("GET", f"{emulator.arm}?{VERSION}", **contributor)[0] == 200


def test_names_of_accounts_are_taken_until_purged(cloud: Emulator) -> None:
    with cloud.control() as control:

        def free(name: str) -> Any:
            return control.check_domain_availability(name, "Microsoft.CognitiveServices/accounts")

        assert free("another").is_subdomain_available is True
        taken = free("Emulator")
        assert taken.is_subdomain_available is False
        assert taken.reason == "Sub domain name 'Emulator' is already used. Please pick a different name."
        control.accounts.begin_delete(*PLACE).result()
        assert free("emulator").is_subdomain_available is False
        control.deleted_accounts.begin_purge("swedencentral", *PLACE).result()
        assert free("emulator").is_subdomain_available is True


def test_skus_of_the_account_and_of_its_location(cloud: Emulator) -> None:
    with cloud.control() as control:
        (sku,) = control.resource_skus.list()
        assert (sku.name, sku.kind, sku.locations) == ("S0", "OpenAI", ["swedencentral"])
        (own,) = control.accounts.list_skus(*PLACE).value
        assert own.sku.name == "S0"


def test_content_filters(cloud: Emulator) -> None:
    with cloud.control() as control:
        assert [row.name for row in control.rai_policies.list(*PLACE)] == [
            "Microsoft.Default",
            "Microsoft.DefaultV2",
        ]
        filters = control.rai_policies.get(*PLACE, "microsoft.defaultv2").properties.content_filters
        assert {row.name for row in filters if row.source == "Prompt"} == {
            "Hate", "Violence", "Sexual", "Selfharm", "Jailbreak",
        }  # fmt: skip
        body: Any = {"properties": {"basePolicyName": "Microsoft.Default", "contentFilters": []}}
        made = control.rai_policies.create_or_update(*PLACE, "Mine", body)
        assert (made.name, made.properties.type) == ("Mine", "UserManaged")
        used: Any = base_deployment()
        used["properties"]["raiPolicyName"] = "Mine"
        control.deployments.begin_create_or_update(*PLACE, "base", used).result()
        with pytest.raises(HttpResponseError, match="used by the deployment 'base'"):
            control.rai_policies.begin_delete(*PLACE, "mine").result()
        control.deployments.begin_delete(*PLACE, "base").result()
        control.rai_policies.begin_delete(*PLACE, "mine").result()
        with pytest.raises(ResourceNotFoundError):
            control.rai_policies.get(*PLACE, "Mine")
        for name, base in (("Microsoft.Default", "Microsoft.Default"), ("Other", "Nothing")):
            with pytest.raises(HttpResponseError) as failed:
                wrong: Any = {"properties": {"basePolicyName": base}}
                control.rai_policies.create_or_update(*PLACE, name, wrong)
            assert failed.value.error and failed.value.error.code == "InvalidResourceProperties"


# Deployments


@pytest.mark.parametrize(("capacity", "made"), [("7", 7), (7, 7), (None, 1)])
def test_capacities_that_clients_send(cloud: Emulator, capacity: Any, made: int) -> None:
    body = deployment("gpt-4o-mini", "2024-07-18")
    body["sku"]["capacity"] = capacity
    status, _, found = cloud.call("PUT", f"{cloud.arm}/deployments/base?{VERSION}", body)
    assert (status, found["sku"]["capacity"]) == (201, made)


@pytest.mark.parametrize("capacity", [0, -1, 1.5, "", " ", "many", True, [1]])
def test_capacities_that_cannot_be(cloud: Emulator, capacity: Any) -> None:
    body = deployment("gpt-4o-mini", "2024-07-18")
    body["sku"]["capacity"] = capacity
    found = refused(cloud, "PUT", f"{cloud.arm}/deployments/base?{VERSION}", body)
    assert found[:2] == (400, "InvalidCapacity")
    assert found[2].endswith("of account deployment should be greater than 0 and no more than 1000.")


@pytest.mark.parametrize(("format", "status"), [("Microsoft", 201), ("OpenAI-OSS", 201), ("OpenAI", 500)])
def test_open_models_have_a_format_of_their_own(cloud: Emulator, format: str, status: int) -> None:
    body = deployment("gpt-oss-20b", "11", sku="GlobalStandard")
    body["properties"]["model"]["format"] = format
    assert cloud.call("PUT", f"{cloud.arm}/deployments/open?{VERSION}", body)[0] == status
