"""Preflight against the emulator, through the real SDKs: what a plan would fail on is found beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.cli.ci_identities import READ_ACTIONS
from ftops.config.config import Resource
from ftops.config.graph import build
from ftops.core.address import Json
from ftops.core.errors import Diagnostic, Permanent, Place
from ftops.planning.planner import plan
from ftops.planning.preflight import run_preflight
from ftops.providers.account_facts import Reach
from ftops.providers.azure.inspect import DEPLOY
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.base import Provider
from ftops.state.state import Observed, State
from tests.contract.azure_cloud import BASE_MODEL, SETTLED, Cloud, gone, made, running_cloud
from tests.contract.azure_cloud import dataset as dataset_request
from tests.contract.azure_cloud import deployment as deployment_request
from tests.contract.wire import Wire, tapped
from tests.support.specs import config, dataset, deployment, job, tuned

TODAY = date(2026, 11, 21)
KINDS = ("dataset", "job", "deployment")
DATA = "Microsoft.CognitiveServices/accounts/OpenAI"
PLACE = Place("ftops.yaml", 7)


@pytest.fixture
def wire(cloud: Cloud) -> Iterator[Wire]:
    """A tap between the provider and the emulator."""
    with tapped(Wire(cloud.url)) as tap:
        yield tap


def through(wire: Wire, cloud: Cloud, **settings: Json) -> AzureProvider:
    """A provider that speaks to the emulator through the tap."""
    own: dict[str, Json] = {"endpoint": wire.url, "control_plane": {"endpoint": wire.url, "token": cloud.key}}
    return cloud.provider(**(own | settings))


def findings(
    provider: Provider, *resources: Resource, today: date = TODAY, is_read_only: bool = False
) -> list[Diagnostic]:
    """What is said of the first plan of these resources."""
    wanted = config(*(replace(r, place=PLACE) for r in resources))
    graph = build(wanted)
    made = plan(wanted, graph, State(""), Observed())
    found = run_preflight(
        made, wanted, graph.resources, lambda name: provider, {}, today, is_read_only=is_read_only
    )
    return list(found.findings)


def summaries(found: list[Diagnostic]) -> list[str]:
    return [f"{d.severity}: {d.summary}" for d in found]


def trained(model: str = BASE_MODEL, **inputs: Any) -> tuple[Resource, Resource, Resource]:
    """Data, a job, and a deployment of what it makes."""
    return (
        dataset("train", "1"),
        job("copilot", "train", model),
        deployment("fresh-copilot", tuned("copilot"), **inputs),
    )


def account_path(cloud: Cloud, rest: str = "") -> str:
    names = cloud.connection
    return (
        f"GET /subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
        f"/providers/Microsoft.CognitiveServices/accounts/{names['account']}{rest}"
    )


def account(cloud: Cloud) -> dict[str, Json]:
    """How the control plane knows the account."""
    return {name: cloud.connection[name] for name in ("subscription_id", "resource_group", "account")}


PERMISSIONS = "/providers/Microsoft.Authorization/permissions"


def test_a_plan_that_would_work_has_no_findings(azure: AzureProvider) -> None:
    assert findings(azure, *trained(), deployment("fresh-base", BASE_MODEL)) == []


def test_one_look_is_a_handful_of_reads(wire: Wire, cloud: Cloud) -> None:
    cloud.admin("POST", "reset")  # lists that have grown long are read in several pages
    cloud.admin("PATCH", "settings", SETTLED)
    provider = through(wire, cloud)
    counts = {}
    for kinds in (KINDS, ("dataset",), ("job",), ("deployment",)):
        wire.exchanges.clear()
        facts = provider.inspect(kinds)
        counts[kinds] = len(wire.exchanges)
        assert {e.method for e in wire.exchanges} == {"GET"}
        assert facts.location == "swedencentral"
    provider.close()
    assert counts == {KINDS: 7, ("dataset",): 2, ("job",): 5, ("deployment",): 5}


def test_the_accounts_own_limit_of_a_file_counts_for_data_alone(cloud: Cloud, azure: AzureProvider) -> None:
    data = dataset("train", "1")
    large = replace(data, facts={**data.facts, "bytes": 2_000_000})
    assert findings(azure, large) == []
    with cloud.set(max_file_bytes=1_000_000):
        [found] = findings(azure, large)
        assert found.summary == "dataset.train: the file is too large: 2.0 MB"
        assert found.detail == "The account accepts files of up to 1.0 MB."
        elsewhere = cloud.provider(resource_group="")
        assert findings(elsewhere, large) == [], "an account that isn't named can't be read"
        elsewhere.close()


def test_pain_16_quota_is_found_at_plan_time(cloud: Cloud, azure: AzureProvider) -> None:
    with cloud.set(model_quota=25):
        found = findings(azure, deployment("aa", BASE_MODEL, 15), deployment("bb", BASE_MODEL, 15))
    assert [d.severity for d in found] == ["error"]
    assert found[0].summary == (
        "deployment.bb: not enough quota: Tokens Per Minute (thousands) - gpt-4o-mini - Standard "
        "(OpenAI.Standard.gpt-4o-mini)"
    )
    assert found[0].place == PLACE
    assert "It needs 15 new capacity; 10 will be left at that point." in found[0].detail


def test_pain_16_quota_of_a_model_that_is_yet_to_be_trained(cloud: Cloud, azure: AzureProvider) -> None:
    resources = trained("gpt-4.1-mini-2025-04-14", capacity=26)
    resources[2].inputs["sku"]["name"] = "DeveloperTier"  # type: ignore[index]
    with cloud.set(model_quota=25):
        found = findings(azure, *resources)
    assert [d.summary for d in found] == [
        "deployment.fresh-copilot: not enough quota: Tokens Per Minute (thousands) - gpt-4.1-mini - "
        "DeveloperTier - finetune (OpenAI.DeveloperTier.gpt4.1-mini-finetune)"
    ]


def test_a_model_that_nobody_has(azure: AzureProvider) -> None:
    found = findings(azure, *trained("gpt-4o-mini-2024-07-81"), deployment("base", "gpt-9"))
    assert summaries(found) == [
        "error: deployment.base: model gpt-9 isn't available in this account",
        "error: job.copilot: model gpt-4o-mini-2024-07-81 isn't available in this account",
    ]
    assert found[1].hint == f"Did you mean `{BASE_MODEL}`?"


def test_a_model_that_cannot_be_tuned(azure: AzureProvider) -> None:
    (found,) = findings(azure, *trained("gpt-4o-2024-11-20")[:2])
    assert found.summary == "job.copilot: gpt-4o-2024-11-20 can't be fine-tuned"
    assert BASE_MODEL in found.hint


def test_a_sku_that_is_not_offered(azure: AzureProvider) -> None:
    base = deployment("base", BASE_MODEL)
    base.inputs["sku"]["name"] = "GlobalStandrd"  # type: ignore[index]
    (found,) = findings(azure, base)
    assert found.summary == f"deployment.base: {BASE_MODEL} isn't available with the SKU GlobalStandrd"
    assert found.hint == "did you mean `GlobalStandard`?"


def test_a_name_that_is_taken(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    there = made(azure, deployment_request(tmp_path, "somebodys"))
    try:
        (found,) = findings(azure, deployment("somebodys", BASE_MODEL))
        assert found.summary == "deployment.somebodys: account emulator already has a deployment `somebodys`"
        assert "import it" in found.hint
    finally:
        assert gone(azure, there)


def test_a_computed_name_that_is_taken(azure: AzureProvider, tmp_path: Path) -> None:
    """Of blue_green, where the model is known beforehand."""
    there = made(azure, deployment_request(tmp_path, "colour", replace="blue_green"))
    wanted = deployment("colour", BASE_MODEL)
    wanted.inputs["replace"] = "blue_green"  # type: ignore[index]
    try:
        (found,) = findings(azure, wanted)
        name = there.remote_id.rpartition("/")[2]
        assert name.startswith("colour-")
        assert found.summary == f"deployment.colour: account emulator already has a deployment `{name}`"
    finally:
        assert gone(azure, there)


def test_a_name_of_one_letter(azure: AzureProvider, tmp_path: Path) -> None:
    (found,) = findings(azure, deployment("a", BASE_MODEL))
    assert found.summary == "deployment.a: `a` is too short for the name of a deployment"
    with pytest.raises(Permanent, match="not valid"):  # and the service would have said so
        azure.create(deployment_request(tmp_path, "a"))


def test_the_retirement_that_the_account_lists(azure: AzureProvider) -> None:
    found = summaries(findings(azure, *trained()[:2], today=date(2027, 4, 1)))
    assert f"warning: job.copilot: training of {BASE_MODEL} ends in 6 days" in found


def test_an_endpoint_that_cannot_be_reached(cloud: Cloud) -> None:
    nowhere = "http://127.0.0.1:9"
    control: Json = {"endpoint": nowhere, "token": cloud.key}
    provider = cloud.provider(endpoint=nowhere, control_plane=control)
    found = findings(provider, *trained())
    provider.close()
    assert summaries(found) == [
        "error: provider cloud: list the files: no connection",
        "error: provider cloud: read the account: no connection",
    ]
    assert "Needed to train: dataset.train, job.copilot." in found[0].detail
    assert "check `endpoint`" in found[0].hint
    assert "`control_plane: {endpoint: …}`" in found[1].hint


def test_a_key_that_is_refused(cloud: Cloud) -> None:
    control: Json = {"endpoint": cloud.url, "token": "wrong"}
    provider = cloud.provider(api_key="wrong", control_plane=control)
    found = findings(provider, *trained())
    provider.close()
    assert summaries(found) == [
        "error: provider cloud: list the files: authentication failed",
        "error: provider cloud: read the account: authentication failed",
    ]
    assert "`api_key`" in found[0].hint


def test_keys_that_are_turned_off(cloud: Cloud, azure: AzureProvider) -> None:
    with cloud.set(disable_local_auth=True):
        (found,) = findings(azure, *trained()[:2])
    assert found.summary == "provider cloud: list the files: the account doesn't accept API keys"


def test_a_service_that_is_busy_is_no_error(cloud: Cloud, azure: AzureProvider) -> None:
    cloud.fault("GET /openai*/files", status=503)
    assert summaries(findings(azure, dataset("train", "1"))) == [
        "warning: provider cloud: list the files: the service has an internal error"
    ]


def test_settings_that_are_missing(cloud: Cloud) -> None:
    provider = cloud.provider(subscription_id="")
    found = findings(provider, *trained())
    assert summaries(found) == ["error: provider cloud: provider azure has no subscription_id"]
    assert findings(provider, *trained()[:2]) == [], "who only trains needs no control plane"
    provider.close()


@pytest.mark.parametrize("rest", ["/models", "/deployments", PERMISSIONS, "usages"])
def test_what_may_not_be_seen_stays_unknown(wire: Wire, cloud: Cloud, rest: str) -> None:
    refusal = (403, {"error": {"code": "AuthorizationFailed", "message": "not you"}})
    names = cloud.connection
    usages = (
        f"GET /subscriptions/{names['subscription_id']}/providers/Microsoft.CognitiveServices"
        "/locations/swedencentral/usages"
    )
    wire.replies[usages if rest == "usages" else account_path(cloud, rest)] = refusal
    provider = through(wire, cloud)
    facts = provider.inspect(KINDS)
    assert [e.status for e in wire.exchanges].count(403) == 1
    assert facts.deploying.reach is facts.training.reach is Reach.USABLE
    assert findings(provider, *trained()) == []
    provider.close()


def test_a_list_on_several_pages(wire: Wire, cloud: Cloud) -> None:
    more = f"{wire.url}/more?api-version=2024-10-01&$skiptoken=1"
    first = {"value": [{"name": "a", "version": "1"}], "nextLink": more}
    wire.replies[account_path(cloud, "/models")] = (200, first)
    wire.replies["GET /more"] = (200, {"value": [{"name": "b", "capabilities": {"fineTune": "true"}}, None]})
    provider = through(wire, cloud)
    models = provider.inspect(("job",)).models
    provider.close()
    assert [(m.name, m.tunable) for m in models or ()] == [("a", None), ("b", True)]


def granted(actions: list[str], data_actions: list[str], *denied: str) -> tuple[int, Any]:
    row = {"actions": actions, "notActions": list(denied), "dataActions": data_actions, "notDataActions": []}
    return 200, {"value": [row]}


@pytest.mark.parametrize(
    ("grant", "expected"),
    [
        (granted(["*"], [f"{DATA}/*/read"], DEPLOY.upper()), (False, False)),
        ((200, {"value": []}), (None, None)),
        ((404, {"error": {"code": "404", "message": "Resource not found"}}), (None, None)),
    ],
)  # fmt: skip
def test_what_no_role_of_the_emulator_says(
    wire: Wire,
    cloud: Cloud,
    identity: Callable[..., str],
    grant: tuple[int, Any],
    expected: tuple[bool | None, bool | None],
) -> None:
    wire.replies[account_path(cloud, PERMISSIONS)] = grant
    provider = signed_in(wire, identity(actions=["*"], data_actions=["*"]), **account(cloud))
    facts = provider.inspect(KINDS)
    provider.close()
    assert (facts.may_train, facts.may_deploy) == expected


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ({"actions": ["*"], "data_actions": [f"{DATA}/*"]}, (True, True)),
        ({"actions": ["*/read"], "data_actions": [f"{DATA}/*"]}, (True, False)),
        ({"actions": ["Microsoft.CognitiveServices/*"]}, (False, True)),
        ({"roles": ["Cognitive Services OpenAI Contributor"]}, (True, True)),
        ({"roles": ["Foundry User"]}, (True, False)),
        ({"roles": ["Foundry Owner"]}, (True, True)),
        ({"roles": ["Reader", "Cognitive Services OpenAI User"]}, (False, False)),
        ({"roles": ["Reader"], "data_actions": [f"{DATA}/*"]}, (True, False)),
        ({}, (None, None)),
    ],
)
def test_what_roles_allow(
    cloud: Cloud,
    identity: Callable[..., str],
    rights: dict[str, list[str]],
    expected: tuple[bool | None, bool | None],
) -> None:
    provider = signed_in(cloud, identity(**rights), **account(cloud))
    facts = provider.inspect(KINDS)
    provider.close()
    assert (facts.may_train, facts.may_deploy) == expected


@pytest.fixture
def identity(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Makes principals. Who asks without a key then signs in as one, by the flow of a managed identity."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.key)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    made_here: list[str] = []

    def make(**rights: Any) -> str:
        made_here.append(cloud.admin("POST", "principals", rights)["id"])
        return made_here[-1]

    yield make
    for principal in made_here:
        cloud.admin("DELETE", f"principals/{principal}")


def signed_in(place: Cloud | Wire, principal: str, **settings: Json) -> AzureProvider:
    """A provider without a key."""
    own: dict[str, Json] = {
        "endpoint": place.url,
        "api_key": "",
        "control_plane": {"endpoint": place.url},
        "credential": {"client_id": principal},
    }
    return AzureProvider(settings | own, name="azure")


def test_pain_3_who_may_train_but_not_deploy(
    cloud: Cloud, identity: Callable[..., str], tmp_path: Path
) -> None:
    rights = {"actions": ["*/read"], "data_actions": [f"{DATA}/*"]}
    provider = signed_in(cloud, identity(**rights), **account(cloud))
    (found,) = findings(provider, *trained())
    assert (
        found.summary == "provider cloud: the signed-in identity isn't allowed to deploy on account emulator"
    )
    assert found.hint == "ask for the role Cognitive Services Contributor or Foundry Owner on the account"
    assert findings(provider, *trained()[:2]) == []
    with pytest.raises(Permanent, match="access denied"):  # and the service would have said so
        provider.create(deployment_request(tmp_path, "refused"))
    provider.close()


def test_the_role_that_ci_setup_defines_is_enough_to_plan_and_no_more(
    cloud: Cloud, azure: AzureProvider, identity: Callable[..., str], tmp_path: Path
) -> None:
    uploaded = made(azure, dataset_request(tmp_path))
    rights = {"roles": ["Reader"], "data_actions": [*READ_ACTIONS]}
    provider = signed_in(cloud, identity(**rights), **account(cloud))
    assert provider.read(uploaded) is not None
    assert uploaded.remote_id in {found.remote.remote_id for found in provider.existing("dataset")}
    assert provider.existing("job") == []
    assert len(findings(provider, *trained())) == 2
    assert findings(provider, *trained(), is_read_only=True) == []
    with pytest.raises(Permanent, match="access denied"):
        provider.create(dataset_request(tmp_path, "refused"))
    provider.close()


def test_pain_3_who_may_do_nothing(cloud: Cloud, identity: Callable[..., str]) -> None:
    provider = signed_in(cloud, identity(), **account(cloud))
    found = findings(provider, *trained())
    provider.close()
    assert summaries(found) == [
        "error: provider cloud: list the files: access denied",
        "error: provider cloud: read the account: access denied",
    ]
    assert "Cognitive Services OpenAI Contributor or Foundry User" in found[0].hint
    assert "Cognitive Services Contributor or Foundry Owner" in found[1].hint


def test_pain_17_a_deleted_account_is_found_at_plan_time(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "cloud", "--account", "acme") as cloud:
        provider = cloud.provider()
        assert findings(provider, deployment("prod", BASE_MODEL)) == []
        assert cloud.control("DELETE").status_code == 200
        (found,) = findings(provider, deployment("prod", BASE_MODEL))
        assert found.summary == "provider cloud: account acme is deleted"
        assert "az cognitiveservices account recover" in found.hint
        assert cloud.control("PUT", {"properties": {"restore": True}}).status_code == 201
        assert findings(provider, deployment("prod", BASE_MODEL)) == []
        provider.close()


def test_an_account_that_never_was(cloud: Cloud) -> None:
    provider = cloud.provider(account="nobody")
    (found,) = findings(provider, deployment("prod", BASE_MODEL))
    provider.close()
    assert found.summary == "provider cloud: read the account: not found"
