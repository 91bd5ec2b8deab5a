"""Rows of models as accounts listed them in autumn 2026: what they say of training and deploying today."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import pytest

from ftops.config.graph import build
from ftops.planning.planner import plan
from ftops.planning.preflight import run_preflight
from ftops.providers.azure.provider import AzureProvider
from ftops.state.state import Observed, State
from tests.contract.azure_cloud import Cloud
from tests.contract.wire import Wire, tapped
from tests.support.specs import config, dataset, deployment, job, tuned

TODAY = date(2026, 11, 28)


def row(name: str, version: str, lifecycle: str, format_: str = "OpenAI", **more: Any) -> dict[str, Any]:
    sku = {"name": "Standard", "usageName": f"OpenAI.Standard.{name}", "capacity": {"maximum": 1000}}
    return {
        "format": format_,
        "name": name,
        "version": version,
        "lifecycleStatus": lifecycle,
        "capabilities": {"chatCompletion": "true", **more.pop("capabilities", {})},
        "skus": [sku, {**sku, "name": "GlobalStandard"}],
        **more,
    }


def ends(training: str, inference: str, status: str) -> dict[str, str]:
    days = {"fineTune": training, "inference": inference}
    return {key: f"{day}T00:00:00Z" for key, day in days.items() if day} | {"deprecationStatus": status}


TUNABLE = {"fineTune": "true"}
ROWS = (
    row("gpt-4o-mini", "2024-07-18", "Deprecating", deprecation=ends("", "2027-04-14", "Planned"),
        capabilities=TUNABLE),
    row("gpt-4.1", "2025-04-14", "Legacy", deprecation=ends("2026-10-14", "2026-10-14", "Tentative"),
        replacementConfig={"targetModelName": "gpt-5.1", "targetModelVersion": "2025-11-13"},
        modelCatalogAssetId="azureml://registries/azure-openai/models/gpt-4.1/versions/2025-04-14"),
    row("o4-mini", "2025-04-16", "Deprecating", deprecation=ends("2026-11-19", "2026-11-19", "Planned"),
        capabilities=TUNABLE),
    row("gpt-4.1-nano", "2025-04-14", "Deprecated", deprecation=ends("2026-11-01", "2026-11-01", "Planned")),
    row("Ministral-3B", "1", "GenerallyAvailable", "Mistral AI"),
)  # fmt: skip
MINI, O4, NANO = "gpt-4o-mini-2024-07-18", "o4-mini-2025-04-16", "gpt-4.1-nano-2025-04-14"


@pytest.fixture
def azure(cloud: Cloud) -> Iterator[AzureProvider]:
    names = cloud.connection
    path = (
        f"GET /subscriptions/{names['subscription_id']}/resourceGroups/{names['resource_group']}"
        f"/providers/Microsoft.CognitiveServices/accounts/{names['account']}/models"
    )
    with tapped(Wire(cloud.url, replies={path: (200, {"value": list(ROWS)})})) as wire:
        provider = cloud.provider(endpoint=wire.url, control_plane={"endpoint": wire.url, "token": cloud.key})
        yield provider
        provider.close()


def findings(azure: AzureProvider, *resources: Any) -> list[str]:
    wanted = config(*resources)
    graph = build(wanted)
    made = plan(wanted, graph, State(""), Observed())
    found = run_preflight(made, wanted, graph.resources, lambda name: azure, {}, TODAY).findings
    return [f"{d.severity}: {d.summary}" for d in found]


TRAINED: Mapping[str, tuple[str, dict[str, Any], list[str]]] = {
    "deprecating and tunable": (MINI, {}, []),
    "legacy and past a tentative day": (
        "gpt-4.1-2025-04-14",
        {},
        [
            "warning: job.a: gpt-4.1-2025-04-14 isn't listed as one that can be fine-tuned",
            "warning: job.a: training of gpt-4.1-2025-04-14 may have ended",
        ],
    ),
    "deprecating and past its day": (
        O4,
        {"method": "reinforcement"},
        [f"warning: job.a: training of {O4} may have ended"],
    ),
    "past a planned day": (
        NANO,
        {},
        [
            f"error: job.a: training of {NANO} ended on 2026-11-01",
            f"warning: job.a: {NANO} isn't listed as one that can be fine-tuned",
        ],
    ),
    "open": (
        "Ministral-3B",
        {"training_type": "global_standard"},
        ["warning: job.a: Ministral-3B isn't listed as one that can be fine-tuned"],
    ),
}


@pytest.mark.parametrize("name", TRAINED)
def test_training(azure: AzureProvider, name: str) -> None:
    model, inputs, expected = TRAINED[name]
    made = job("a", "train", model, **inputs)
    assert findings(azure, dataset("train", "1"), made) == expected


def test_the_end_of_a_base_model_blocks_no_model_that_was_tuned_from_it(azure: AzureProvider) -> None:
    resources = (dataset("train", "1"), job("a", "train", O4, method="reinforcement"))
    served = deployment("served-one", tuned("a"))
    assert findings(azure, *resources, served) == [f"warning: job.a: training of {O4} may have ended"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4.1-2025-04-14", ["warning: deployment.served-one: gpt-4.1-2025-04-14 may have ended"]),
        (MINI, [f"warning: deployment.served-one: {MINI} is being retired"]),
        (
            NANO,
            [
                f"error: deployment.served-one: {NANO} ended on 2026-11-01",
                f"warning: deployment.served-one: {NANO} is being retired",
            ],
        ),
    ],
)
def test_deploying_the_base_model_itself(azure: AzureProvider, model: str, expected: list[str]) -> None:
    assert findings(azure, deployment("served-one", model)) == expected
