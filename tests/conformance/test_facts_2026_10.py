"""Each fact that turned out wrong in autumn 2026 has a test, and the catalogue has what was gathered then."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.mgmt.cognitiveservices.models import DeploymentProperties

from ftops import catalog
from tests.conformance.facts import ROOT
from tests.conformance.facts_2026_10 import FACTS, Fact

TESTS = Path(__file__).parents[1]
CHANGES, MODELS = ROOT / "2026-10" / "FACTS-changes.md", ROOT / "2026-10" / "models-2026-10.yaml"
needed = pytest.mark.skipif(
    not CHANGES.is_file(), reason=f"NOT CHECKED: no API facts of 2026-10 in {ROOT}; set FTOPS_API_FACTS"
)


@cache
def functions(file: str) -> frozenset[str]:
    body = ast.parse((TESTS / file).read_text("utf-8")).body
    return frozenset(part.name for part in body if isinstance(part, ast.FunctionDef))


@pytest.mark.parametrize("key", FACTS)
def test_its_tests_exist(key: str) -> None:
    fact: Fact = FACTS[key]
    assert bool(fact.tests) is not bool(fact.why_none)
    for file, _, name in (test.partition("::") for test in fact.tests):
        assert name in functions(file), f"{file} has no {name}"


def rows(text: str) -> Iterator[str]:
    """The keys of all rows: of tables, by their first cell or their number, and of lists, by their number."""
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        letter, lines = section[0], section.splitlines()
        cells = [re.split(r"(?<!\\)\|", line)[1].strip() for line in lines if line.startswith("|")][2:]
        if letter == "B":
            seen: Counter[str] = Counter()
            for cell in (cell.replace("–", "-") for cell in cells):
                seen[cell] += 1
                yield f"B {cell}" + (f" ({seen[cell]})" if seen[cell] > 1 else "")
        else:
            listed = [line for line in lines if line.startswith("- ")]
            yield from (f"{letter} {number}" for number, _ in enumerate((*cells, *listed), 1))


@needed
def test_every_fact_has_an_entry() -> None:
    assert [*rows(CHANGES.read_text("utf-8"))] == [*FACTS]


def test_the_sdks_are_those_of_the_facts() -> None:
    """Newer than those that the older facts were read from; types of deployments still lack properties."""
    numbers = [int(part) for part in version("openai").split(".")[:2]]
    assert numbers >= [3, 57]
    assert int(version("azure-mgmt-cognitiveservices").split(".")[0]) >= 14
    assert not {"deployment_state", "service_tier", "routing"} & {*DeploymentProperties._attribute_map}


KNOWN = catalog.load(Path("/nowhere"), {})
METHODS = {"SFT": "supervised", "DPO": "dpo", "RFT": "reinforcement"}
Where = frozenset[str] | None
"""Regions, as in the catalogue: empty if it isn't offered, None if it is, and nobody says where."""


@cache
def gathered() -> Any:
    return yaml.safe_load(MODELS.read_text("utf-8"))


def globally(text: str) -> Where:
    """Where a model is trained globally, by the words of the facts."""
    lists = gathered()["regions"]["global_training"]
    everywhere = {*lists["all_models"], *lists["without_new_oss"]}
    if "plus uaenorth" in text:
        return frozenset({*lists["all_models"], *lists["only_new_oss"]})
    if "no_nano" in text:
        return frozenset(everywhere - {*lists["no_nano"]})
    return frozenset(everywhere) if text == "global_training" else None


def offered(training: dict[str, Any]) -> dict[str, Where]:
    zone = KNOWN.models["gpt-4.1-2025-04-14"].training["data_zone"]
    found: dict[str, Where] = {}
    for name, where in training.items():
        if name == "global":
            found["global_standard"] = globally(str(where))
        elif isinstance(where, list):
            found[name] = frozenset(where)
        else:
            found[name] = (zone if where == "us" else None) if where else frozenset()
    return found


@needed
def test_the_catalogue_has_the_models_that_were_gathered() -> None:
    missing = [name for name in gathered()["models"] if KNOWN.find(name) is None]
    assert missing == []
    for name, fact in gathered()["models"].items():
        model, deploy = KNOWN.find(name), fact["deploy"]
        assert model is not None
        assert model.methods == frozenset(METHODS[method] for method in fact["methods"]), name
        assert dict(model.training) == offered(fact["training"]), name
        wanted = {*deploy["skus"]} if "skus" in deploy else {"GlobalManagedCompute"}
        assert {*(model.skus or ())} == wanted, name
        lists = {sku: regions for sku, regions in deploy.get("skus", {}).items() if isinstance(regions, list)}
        assert {sku: (model.skus or {})[sku] for sku in lists} == {k: frozenset(v) for k, v in lists.items()}
        publisher = str(deploy.get("format", "?"))
        assert "?" in publisher or publisher in (model.format, "unknown"), name


@needed
def test_the_catalogue_has_the_dates_that_were_gathered() -> None:
    dates, tuned = gathered()["retirement"], gathered()["retirement"]["tuned"]
    for name, row in tuned["rows"].items():
        model = KNOWN.find(name)
        assert model is not None
        assert model.training_retires == row["training_not_before"] and model.training_is_earliest
        assert model.inference_retires == row["deployment"] and not model.inference_is_earliest
    for name, row in dates["base"]["D9_2026-09-02"].items():
        model = KNOWN.find(name)
        assert model is None or model.base_retires == row.get("day"), name
