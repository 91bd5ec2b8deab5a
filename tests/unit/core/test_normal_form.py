"""What is the same although it is written otherwise, and what isn't."""

from __future__ import annotations

from typing import Any

import pytest

from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.normal_form import normal, same
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.value_diff import differences
from ftops.planning.desired import Desired, Resolver

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
BASE = "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("kind", "path", "one", "other"),
    [
        ("job", "integrations", None, []),
        ("job", "integrations", None, {}),
        ("job", "hyperparameters", {}, {"n_epochs": None}),
        ("job", "hyperparameters", {"n_epochs": 1}, {"n_epochs": 1.0}),
        ("job", "hyperparameters", {"n_epochs": 1}, {"n_epochs": "1"}),
        ("job", "hyperparameters", {"learning_rate_multiplier": 0.1}, {"learning_rate_multiplier": "1e-1"}),
        ("job", "hyperparameters", {"n_epochs": "auto"}, None),
        ("job", "hyperparameters", {"reasoning_effort": "high"}, {"reasoning_effort": "High"}),
        ("job", "model", BASE, BASE.upper()),
        ("job", "training_type", "global_standard", "GlobalStandard"),
        ("job", "seed", 7, "7"),
        ("job", "beta", 0.5, "0.50"),
        ("job", "grader", {"weight": 1, "more": [{"a": None}]}, {"more": [{}], "weight": 1.0}),
        ("job", "suffix", COMPOSED, DECOMPOSED),
        ("deployment", "name", "Chat", "chat"),
        (
            "deployment",
            "sku",
            {"name": "GlobalStandard", "capacity": 3},
            {"capacity": "3", "name": "globalstandard"},
        ),
        ("deployment", "version_upgrade_option", "NoAutoUpgrade", "noautoupgrade"),
        ("deployment", "rai_policy", "Microsoft.DefaultV2", "microsoft.defaultV2"),
        ("deployment", "tags", {"Owner": "bot"}, {"owner": "bot"}),
        ("deployment", "tags", {COMPOSED: "1"}, {DECOMPOSED: "1"}),
        ("deployment", "tags", {}, None),
        ("dataset", "purpose", "fine-tune", "Fine-Tune"),
    ],
)
def test_spellings_of_one_value(kind: str, path: str, one: Any, other: Any) -> None:
    spelling = RESOURCE_TYPES[kind].spelling
    assert same(one, other, spelling, path)
    assert differences({path: one}, {path: other}, spelling) == ()
    assert [d.path for d in differences({path: one, "x": 1}, {path: other, "x": 2}, spelling)] == ["x"]


@pytest.mark.parametrize(
    ("kind", "path", "one", "other"),
    [
        ("deployment", "tags", {"version": "1.10"}, {"version": "1.1"}),
        ("deployment", "tags", {"version": "1"}, {"version": "01"}),
        ("deployment", "tags", {"owner": "Bot"}, {"owner": "bot"}),
        ("deployment", "tags", {"a.b": "1"}, {"a": {"b": "1"}}),
        ("deployment", "tags", {"Owner": "1", "owner": "2"}, {"Owner": "2", "owner": "1"}),
        ("deployment", "model", "ft:gpt-4o:acme::AbC", "ft:gpt-4o:acme::abc"),
        ("deployment", "sku", {"capacity": 1}, {"capacity": 1.5}),
        ("deployment", "sku", {"capacity": 1}, {"capacity": True}),
        ("job", "suffix", "Mine", "mine"),
        ("job", "grader", {"strict": True}, {"strict": 1}),
        ("job", "grader", {"threshold": 1}, {"threshold": "1"}),
        ("job", "grader", {"__hidden": 1}, {"__hidden": 2}),
        ("job", "grader", {"a": [{"__hidden": 1}]}, {"a": [{"__hidden": 2}]}),
        ("job", "grader", {"a": [1]}, {"a": [True]}),
        ("job", "grader", {"a": [None]}, {"a": []}),
        ("job", "hyperparameters", {"n_epochs": 3}, {"n_epochs": "auto"}),
        ("job", "hyperparameters", {"n_epochs": "1_0"}, {"n_epochs": 10}),
        ("job", "model", Reference(Address("job", "a"), "id"), "${job.a.id}"),
    ],
)
def test_values_that_differ(kind: str, path: str, one: Any, other: Any) -> None:
    spelling = RESOURCE_TYPES[kind].spelling
    assert not same(one, other, spelling, path)
    assert differences({path: one}, {path: other}, spelling)


def test_a_difference_is_shown_as_it_is_written() -> None:
    before: dict[str, Value] = {"name": "Chat", "sku": {"name": "standard", "capacity": "3"}}
    after: dict[str, Value] = {
        "name": "chat",
        "sku": {"name": "Standard", "capacity": 4.0},
        "tags": {"A": "b"},
    }
    found = differences(before, after, RESOURCE_TYPES["deployment"].spelling)
    assert found == (("sku.capacity", "3", 4.0), ("tags.A", None, "b"))


def test_what_is_empty_now_is_a_difference_of_what_was_in_it() -> None:
    assert differences({"tags": {"a": "1"}}, {"tags": {}}) == (("tags.a", "1", None),)


@pytest.mark.parametrize("number", ["1e400", "nan", "inf", "0x1F", "", "1,5", "٣"])
def test_text_that_is_no_number_stays_text(number: str) -> None:
    assert normal(number, RESOURCE_TYPES["job"].spelling, "seed") == number


def resolved(inputs: dict[str, Value], kind: str = "job") -> Desired:
    resource = Resource(Address(kind, "j"), "p", inputs)
    return Resolver(lambda _: None, {}, {}).resolve(resource)


@pytest.mark.parametrize(
    ("kind", "inputs", "fingerprint"),
    [
        (
            "job",
            {
                "model": BASE,
                "method": "supervised",
                "training": "file-1",
                "training_type": "standard",
                "hyperparameters": {"n_epochs": 3, "learning_rate_multiplier": 0.5},
                "seed": 105,
                "suffix": "Copilot",
            },
            "b29ffa910222ad7c2bb03d2a8cce2212d8fdc6ab22816ad0247302a4e36d1575",
        ),
        (
            "deployment",
            {
                "name": "chat",
                "model": BASE,
                "sku": {"name": "GlobalStandard", "capacity": 3},
                "tags": {"owner": "Bot"},
                "version_upgrade_option": "NoAutoUpgrade",
            },
            "bded2c73df8d7385116589dcf5aa5ecbe3dabf08c6d33ed416e2609f5546bde0",
        ),
        (
            "dataset",
            {"purpose": "evals", "content": "sha256:1"},
            "c9c820bb0df6559aa617ff6e597f27bf8fb6d12653cc1d4999d135772bb190ad",
        ),
    ],
)
def test_fingerprints_on_record_hold(kind: str, inputs: dict[str, Value], fingerprint: str) -> None:
    assert resolved(inputs, kind).fingerprint == fingerprint


def test_the_fingerprint_is_of_the_meaning() -> None:
    plain = resolved({"model": BASE, "training": "f", "hyperparameters": {"n_epochs": 1}})
    spelled = resolved(
        {
            "model": BASE.upper(),
            "training": "f",
            "hyperparameters": {"n_epochs": 1.0, "batch_size": "auto"},
            "integrations": [],
            "suffix": None,
        }
    )
    assert spelled.fingerprint == plain.fingerprint
    assert spelled.inputs["model"] == BASE.upper(), "what is sent is what the spec says"
