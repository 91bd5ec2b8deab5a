"""Providers of several types and accounts: defaults, sources, and what each type takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftops.config.config import Config
from ftops.config.loader import load
from ftops.core.address import Address, Reference, Secret
from ftops.core.errors import SpecError
from ftops.yaml.formatter import format_text

ENVIRON = {"KEY": "k", "OWNER": "ada", "TENANT": "t1"}
HEAD = """
datasets: {train: {path: train.jsonl}}
jobs: {a: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
AZURE = "type: azure_openai, subscription_id: s, resource_group: g"


def config(folder: Path, text: str, **options: Any) -> Config:
    (folder / "ftops.yaml").write_text(text, "utf-8")
    return load(folder / "ftops.yaml", environ=ENVIRON, **options)


def inputs(found: Config, address: str) -> dict[str, Any]:
    return next(dict(r.inputs) for r in found.resources if str(r.address) == address)


def attribute(name: str) -> Reference:
    return Reference(Address("job", "a"), name)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("", {"name": "GlobalStandard", "capacity": 10}),
        ("sku: {capacity: 2}", {"name": "GlobalStandard", "capacity": 2}),
        ("sku: {name: standard}", {"name": "Standard", "capacity": 10}),
        ("sku: {name: developer-tier, capacity: 1}", {"name": "DeveloperTier", "capacity": 1}),
        ("sku: {name: Developer}", {"name": "DeveloperTier", "capacity": 10}),
        ("sku: {name: TomorrowTier}", {"name": "TomorrowTier", "capacity": 10}),
    ],
)
def test_sizes_come_from_the_provider(tmp_path: Path, own: str, expected: dict[str, Any]) -> None:
    text = (
        HEAD
        + f"""
providers:
  here: {{type: emulator, defaults: {{sku: {{name: global_standard, capacity: 10}}}}}}
deployments: {{a: {{model: gpt-4o, {own}}}}}
"""
    )
    assert inputs(config(tmp_path, text), "deployment.a")["sku"] == expected


def test_other_defaults(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
variables: {team: {type: string, default: red}}
providers:
  here:
    type: emulator
    default: true
    defaults:
      training_type: GlobalStandard
      tags: {team: "${var.team}", owner: "${env.OWNER}", kind: a}
      rai_policy: strict
      version_upgrade_option: NoAutoUpgrade
  there: {type: memory}
deployments:
  a: {model: gpt-4o, tags: {kind: b}}
  b: {model: gpt-4o, tags: {kind: b}, rai_policy: lax}
  c: {model: gpt-4o, provider: there}
"""
    )
    found = config(tmp_path, text)
    assert inputs(found, "job.a")["training_type"] == "global_standard"
    assert inputs(found, "deployment.a") == {
        "name": "a",
        "model": "gpt-4o",
        "replace": "recreate",
        "sku": {"name": "Standard", "capacity": 1},
        "tags": {"team": "red", "owner": Secret("env", "OWNER"), "kind": "b"},
        "rai_policy": "strict",
        "version_upgrade_option": "NoAutoUpgrade",
    }
    assert inputs(found, "deployment.b")["rai_policy"] == "lax"
    assert "tags" not in inputs(found, "deployment.c")
    assert found.secrets == {Secret("env", "OWNER"): "ada"}
    assert found.providers["here"].settings.keys() == {"data"}


TWO = """
providers:
  a: {%s, endpoint: "https://a.openai.azure.com/", account: a, default: true%s}
  b: {%s, endpoint: "https://%s.openai.azure.com/", account: %s%s}
deployments:
  far: {model: "${job.a.%s}", provider: b%s}
"""


@pytest.mark.parametrize(
    ("credentials", "endpoint", "model", "own", "expected"),
    [
        (("", ""), "b", "fine_tuned_model", "", {"source": attribute("account")}),
        (("", ""), "b", "checkpoint.best", "", {"source": attribute("account")}),
        (("", ""), "a", "fine_tuned_model", "", {}),
        (("t1", ""), "b", "fine_tuned_model", "", {"source": attribute("account")}),
        (("t1", "t1"), "b", "fine_tuned_model", "", {"source": attribute("account")}),
        (("${env.TENANT}", "t1"), "b", "fine_tuned_model", "", {"source": attribute("account")}),
        (
            ("t1", "t2"),
            "b",
            "fine_tuned_model",
            "",
            {"source": attribute("account"), "source_tenant": attribute("tenant")},
        ),
        (
            ("t1", "t2"),
            "b",
            "fine_tuned_model",
            ", source_tenant: t3",
            {"source": attribute("account"), "source_tenant": "t3"},
        ),
    ],
)
def test_the_source_of_a_model(
    tmp_path: Path,
    credentials: tuple[str, str],
    endpoint: str,
    model: str,
    own: str,
    expected: dict[str, Any],
) -> None:
    first, second = (f', credential: {{tenant_id: "{t}"}}' if t else "" for t in credentials)
    found = inputs(
        config(tmp_path, HEAD + TWO % (AZURE, first, AZURE, endpoint, endpoint, second, model, own)),
        "deployment.far",
    )
    assert {k: v for k, v in found.items() if k.startswith("source")} == expected


def test_on_the_platform_a_deployment_is_a_model(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
providers: {platform: {type: openai, api_key: "${env.KEY}", project: proj_1}}
deployments: {chat: {model: "${job.a.fine_tuned_model}", lifecycle: {prevent_destroy: true}}}
"""
    )
    found = config(tmp_path, text)
    assert inputs(found, "deployment.chat") == {"model": attribute("fine_tuned_model")}
    assert "training_type" not in inputs(found, "job.a")
    assert found.providers["platform"].settings == {
        "api_key": "k",
        "project": "proj_1",
        "base_url": "https://api.openai.com/v1",
    }


def test_one_spec_for_azure_and_the_platform(tmp_path: Path) -> None:
    text = (
        HEAD
        + f"""
providers:
  azure: {{{AZURE}, endpoint: "https://a.openai.azure.com/", account: a, defaults: {{sku: {{capacity: 5}}}}}}
  platform: {{type: openai, api_key: "${{env.KEY}}"}}
environments: {{dev: {{provider: platform}}, prod: {{provider: azure}}}}
deployments: {{chat: {{model: "${{job.a.fine_tuned_model}}"}}}}
"""
    )
    assert "sku" not in inputs(config(tmp_path, text, environment="dev"), "deployment.chat")
    prod = inputs(config(tmp_path, text, environment="prod"), "deployment.chat")
    assert prod["sku"] == {"name": "Standard", "capacity": 5}


def test_a_data_set_of_the_same_account_under_another_name(tmp_path: Path) -> None:
    text = """
providers:
  read: {type: azure_openai, endpoint: "https://a.openai.azure.com/"}
  write: {type: azure_openai, endpoint: "https://a.openai.azure.com/", default: true}
datasets: {train: {path: train.jsonl, provider: read}}
jobs: {a: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
    assert len(config(tmp_path, text).resources) == 2


def test_one_emulator_reached_by_two_types_is_one_account(tmp_path: Path) -> None:
    text = """
providers:
  here: {type: emulator, url: "http://localhost:8080", default: true}
  sdk: {type: azure_openai, endpoint: "http://127.0.0.1:8080/"}
datasets: {train: {path: train.jsonl, provider: sdk}}
jobs: {a: {model: gpt-4o-mini-2024-07-18, training: train}}
"""
    assert len(config(tmp_path, text).resources) == 2


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "openai-platform.md").read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    found = config(tmp_path, example.replace("OPENAI_API_KEY", "KEY"))
    assert [str(r.address) for r in found.resources] == ["dataset.train", "deployment.support", "job.support"]
    assert format_text(example, "ftops.yaml") == example


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("DataZoneStandard", "data_zone"),
        ("data-zone", "data_zone"),
        ("Developer Tier", "developer"),
        ("GLOBAL_STANDARD", "global_standard"),
        ("GlobalBurst", "GlobalBurst"),
    ],
)
def test_words_of_training_types(tmp_path: Path, written: str, read: str) -> None:
    job = f"{{model: m, training: t, training_type: {written}}}"
    (tmp_path / "ftops.yaml").write_text(f"datasets: {{t: {{path: t.jsonl}}}}\njobs: {{a: {job}}}\n", "utf-8")
    assert inputs(load(tmp_path / "ftops.yaml", environ={}), "job.a")["training_type"] == read


@pytest.mark.parametrize(
    ("provider", "longest"),
    [
        ("{type: azure_openai, endpoint: https://acme.openai.azure.com, api_key: k}", 64),
        ("{type: azure_openai, endpoint: https://acme.openai.azure.com, api_version: 2024-10-21}", 40),
        ("{type: openai, api_key: k}", 64),
        ("{type: emulator}", 64),
    ],
)
def test_the_longest_suffix_of_a_job(tmp_path: Path, provider: str, longest: int) -> None:
    job = "jobs: {a: {model: m, training: train, suffix: %s}}"
    spec = f"providers: {{it: {provider}}}\ndatasets: {{train: {{path: train.jsonl}}}}\n{job}\n"
    assert inputs(config(tmp_path, spec % ("s" * longest)), "job.a")["suffix"] == "s" * longest
    with pytest.raises(SpecError) as refused:
        config(tmp_path, spec % ("s" * (longest + 1)))
    [found] = refused.value.diagnostics
    assert "`suffix` must be" in found.summary
