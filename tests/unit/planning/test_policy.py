"""Conditions of a policy as tables: a rule, a plan and accounts in, findings out. Properties of all rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.catalog import load
from ftops.config.accounts import accounts_of
from ftops.config.config import Config, Lifecycle, ProviderConfig, Resource
from ftops.config.policy import Override, Policy, Rule, in_force
from ftops.config.schema.policy import Condition
from ftops.core.address import Address, Reference, Secret, Value
from ftops.core.errors import Diagnostic, Place
from ftops.planning.estimate import (
    Epochs,
    Estimate,
    EvaluationCost,
    HostingCost,
    Temporary,
    TrainingCost,
)
from ftops.planning.plan import Action, AttributeChange, Change, Overridden, Plan, Reason, SettingChange
from ftops.planning.policy import CONDITIONS, judge
from ftops.planning.policy.context import Context
from ftops.planning.preflight import Situation
from ftops.providers.account_facts import AccountFacts
from ftops.yaml.document import data, parse

TODAY = date(2026, 11, 30)
MINI = "gpt-4o-mini-2024-07-18"
CATALOG = load(None, {})
PROVIDERS = {
    "azure": ProviderConfig(
        "azure",
        "azure_openai",
        {"endpoint": "https://contoso-ai.openai.azure.com", "account": "contoso-ai", "location": "eastus"},
    ),
    "openai": ProviderConfig("openai", "openai", {"organization": "org-1", "project": "proj-1"}),
}
PLAIN = Lifecycle()
TUNED = Reference(Address("job", "copilot"), "fine_tuned_model")
TRAIN, JOB = Address("dataset", "train"), Address("job", "copilot")


def rule(text: str, *, name: str = "", deny: bool = True, **more: Any) -> Rule:
    """A rule of this condition, read as the loader reads it."""
    document = parse(text, "policy.yaml")
    assert document.root is not None
    block = Condition.read(data(document, document.root, []))
    ((condition, settings),) = ((key, one) for key, one in block.values().items() if one is not None)
    return Rule(name or condition, "error" if deny else "warning", condition, settings.as_data(), **more)


def change(
    kind: str, name: str, action: Action = Action.CREATE, provider: str = "azure", **more: Any
) -> Change:
    address = Address(kind, name, more.pop("key", None))
    return Change(more.pop("step", str(address)), address, action, Reason("", ""), provider, **more)


def job(
    name: str = "copilot", model: Value = MINI, action: Action = Action.CREATE, **inputs: Value
) -> Change:
    return change("job", name, action, after={"model": model, "training_type": "standard", **inputs})


def deployment(
    name: str = "copilot",
    model: Value = TUNED,
    action: Action = Action.CREATE,
    sku: str = "Standard",
    **more: Any,
) -> Change:
    after = {"name": name, "model": model, "sku": {"name": sku, "capacity": 1}, **more.pop("inputs", {})}
    return change("deployment", name, action, after=after, **more)


def context(
    *changes: Change,
    accounts: Mapping[str, AccountFacts] = {},
    estimates: Sequence[Estimate] = (Estimate(),),
    sources: Mapping[Address, tuple[str, ...] | None] = {},
    lifecycle: Lifecycle = PLAIN,
    plan: Mapping[str, Any] = {},
    providers: Mapping[str, ProviderConfig] = PROVIDERS,
) -> Context:
    """A plan of these changes, whose resources are declared as they are sent."""
    resources = [Resource(c.address, c.provider, c.after, lifecycle=lifecycle) for c in changes]
    if JOB not in {r.address for r in resources}:
        resources.append(Resource(JOB, "azure", job().after))
    here = Path("/nowhere")
    config = Config("test", "prod", here, here, tuple(resources), providers)
    known = {n: AccountFacts(n, service=p.type) for n, p in providers.items()} | dict(accounts)
    situation = Situation(changes, config.by_address, known, CATALOG, TODAY, homes=accounts_of(config))
    made = Plan("test", "prod", "l", 1, changes=changes, **plan)
    return Context(made, config, situation, tuple(estimates), sources)


def found(policy: Policy, where: Context, given: Mapping[str, str] = {}) -> list[str]:
    return [f"{d.severity}: {d.summary}" for d in judge(policy, given, where, TODAY)[0]]


def training(dollars: float | None, name: str = "copilot") -> TrainingCost:
    note = "" if dollars is not None else "no price"
    return TrainingCost(Address("job", name), 10, 1_000_000, Epochs(1), per_million=dollars, note=note)


def located(region: str, **more: Any) -> dict[str, AccountFacts]:
    return {"azure": AccountFacts("contoso-ai", region, True, **more)}


DELETED = change("deployment", "old", Action.DELETE)
REPLACED = deployment(action=Action.REPLACE)
OLD_OBJECT = change("deployment", "copilot", Action.DELETE, step="deployment.copilot#1", deposed="1")
RETRAINED = job(action=Action.REPLACE)
SWEDEN = {"azure": AccountFacts("contoso-ai", "swedencentral", True)}
GATED = {"gate": ({"on": Reference(Address("evaluation", "e"), "id")},)}
COSTS = Estimate((training(30.0), training(20.0, "b")), (HostingCost(Address("deployment", "copilot"), 2.0),))
RESIZED = deployment(
    action=Action.UPDATE, sku="ProvisionedManaged", attributes=(AttributeChange("sku.capacity", 1, 9),)
)
DATA = change("dataset", "train", after={"path": "data/train.jsonl"})
MODELS_41 = "models: {allow: [gpt-4.1-2025-04-14]}"
_NO = "isn't allowed"
RETIRES = CATALOG.models[MINI].training_retires

TABLE: tuple[tuple[str, str, Context, tuple[str, ...]], ...] = (
    # delete
    ("nothing deleted", "delete: {}", context(deployment()), ()),
    ("deleted", "delete: {}", context(DELETED), ("deployment.old: must not be deleted",)),
    ("fewer than allowed", "delete: {max: 1}", context(DELETED), ()),
    ("another kind", "delete: {kinds: job}", context(DELETED), ()),
    ("another address", "delete: {addresses: [deployment.new]}", context(DELETED), ()),
    (
        "the address",
        "delete: {addresses: ['*.old']}",
        context(DELETED),
        ("deployment.old: must not be deleted",),
    ),
    (
        "an instance of for_each",
        "delete: {addresses: [deployment.old]}",
        context(change("deployment", "old", Action.DELETE, key="a")),
        ('deployment.old["a"]: must not be deleted',),
    ),
    ("replaced isn't deleted", "delete: {}", context(REPLACED, OLD_OBJECT), ()),
    (
        "unless it is counted",
        "delete: {replaced: true}",
        context(REPLACED, OLD_OBJECT),
        ("deployment.copilot: must not be replaced",),
    ),
    ("what a killed run has replaced isn't deleted", "delete: {}", context(OLD_OBJECT), ()),
    (
        "unless it is counted, too",
        "delete: {replaced: true}",
        context(OLD_OBJECT),
        ("deployment.copilot: must not be replaced",),
    ),
    (
        "the resource goes, too",
        "delete: {}",
        context(change("deployment", "copilot", Action.DELETE), OLD_OBJECT),
        ("deployment.copilot: must not be deleted",),
    ),
    ("forgotten isn't deleted", "delete: {}", context(change("job", "a", Action.FORGET)), ()),
    # retrain
    ("first training", "retrain: {}", context(job()), ()),
    ("trained again", "retrain: {}", context(RETRAINED), ("job.copilot: must not be trained again",)),
    ("fewer than allowed", "retrain: {max: 1}", context(RETRAINED), ()),
    ("cheap enough", "retrain: {cost: 30}", context(RETRAINED, estimates=[COSTS]), ()),
    (
        "too expensive",
        "retrain: {cost: 29}",
        context(RETRAINED, estimates=[COSTS]),
        ("job.copilot: training again would cost about $30.00, and $29.00 is allowed",),
    ),
    (
        "unpriced",
        "retrain: {cost: 1000}",
        context(RETRAINED, estimates=[Estimate((training(None),))]),
        ("job.copilot: the cost of training again isn't known",),
    ),
    # cost
    ("cheap enough", "cost: {training: 50, hosting_per_month: 1460}", context(job(), estimates=[COSTS]), ()),
    (
        "training too expensive",
        "cost: {training: 49}",
        context(job(), estimates=[COSTS]),
        ("job.copilot: training would cost about $50.00, and $49.00 is allowed",),
    ),
    (
        "hosting too expensive",
        "cost: {hosting_per_month: 1459}",
        context(deployment(), estimates=[COSTS]),
        ("deployment.copilot: a month of hosting would cost about $1,460.00, and $1,459.00 is allowed",),
    ),
    (
        "the higher price counts",
        "cost: {training: 10}",
        context(job(), estimates=[Estimate((training(1.0),)), Estimate((training(11.0),))]),
        ("job.copilot: training would cost about $11.00, and $10.00 is allowed",),
    ),
    (
        "the project may know what the package doesn't",
        "cost: {training: 10}",
        context(job(), estimates=[Estimate((training(1.0),)), Estimate((training(None),))]),
        (),
    ),
    (
        "unpriced",
        "cost: {training: 10}",
        context(job(), estimates=[Estimate((training(None),))]),
        ("job.copilot: the cost of training isn't known",),
    ),
    (
        "capacity of its own isn't priced",
        "cost: {hosting_per_month: 10}",
        context(deployment(sku="GlobalProvisionedManaged", model=MINI)),
        ("deployment.copilot: the cost of a month of hosting isn't known",),
    ),
    (
        "nor is more of it",
        "cost: {hosting_per_month: 10}",
        context(RESIZED),
        ("deployment.copilot: the cost of a month of hosting isn't known",),
    ),
    # models
    ("allowed", MODELS_41, context(job(model="gpt-4.1-2025-04-14")), ()),
    ("in other case", MODELS_41, context(job(model="GPT-4.1-2025-04-14")), ()),
    (
        "name and version",
        MODELS_41,
        context(deployment(model="gpt-4.1", inputs={"version": "2025-04-14"})),
        (),
    ),
    (
        "a name that contradicts its version",
        MODELS_41,
        context(deployment(model="gpt-4.1-2025-04-14", inputs={"version": "2026-01-01"})),
        (f"deployment.copilot: the model gpt-4.1-2025-04-14-2026-01-01 {_NO}",),
    ),
    (
        "without a version",
        MODELS_41,
        context(job(model="gpt-4.1")),
        (f"job.copilot: the model gpt-4.1 {_NO}",),
    ),
    ("any version", "models: {allow: [gpt-4.1]}", context(job(model="gpt-4.1-2025-04-14")), ()),
    ("glob", "models: {allow: ['gpt-4.1*']}", context(job(model="gpt-4.1-mini-2025-04-14")), ()),
    (
        "alias in the rule",
        "models: {allow: [Llama-3.3-70B]}",
        context(job(model="Llama-3.3-70B-Instruct")),
        (),
    ),
    ("of the base", MODELS_41, context(deployment()), (f"deployment.copilot: the model {MINI} {_NO}",)),
    ("literal", "models: {allow: [gpt-4o-mini]}", context(deployment(model=f"{MINI}.ft-0123456789ab-x")), ()),
    (
        "denied",
        "models: {deny: ['gpt-4o-mini*']}",
        context(job(), deployment(model="gpt-4.1-2025-04-14")),
        (f"job.copilot: the model {MINI} {_NO}",),
    ),
    (
        "denied version of a bare name",
        "models: {deny: [gpt-4o-2024-05-13]}",
        context(deployment(model="gpt-4o")),
        ("deployment.copilot: the version of gpt-4o isn't known",),
    ),
    (
        "a checkpoint tells no model",
        MODELS_41,
        context(deployment(model="ftchkpt-1")),
        ("deployment.copilot: the model `ftchkpt-1` isn't known",),
    ),
    (
        "a secret",
        MODELS_41,
        context(job(model=Secret("env", "MODEL"))),
        ("job.copilot: the model `${env.MODEL}` isn't known",),
    ),
    (
        "what evaluations ask, and their judges",
        MODELS_41,
        context(
            change(
                "evaluation",
                "e",
                after={
                    "candidates": ["gpt-4.1-2025-04-14", TUNED],
                    "baseline": "base_model",
                    "graders": {"by": {"type": "judge", "model": "gpt-4o-2024-08-06"}},
                },
            )
        ),
        (f"evaluation.e: the model {MINI} {_NO}", f"evaluation.e: the model gpt-4o-2024-08-06 {_NO}"),
    ),
    (
        "what is adopted",
        MODELS_41,
        context(job(action=Action.ADOPT)),
        (f"job.copilot: the model {MINI} {_NO}",),
    ),
    (
        "weights of another model",
        "models: {allow: [gpt-4.1-2025-04-14]}",
        context(deployment(model="gpt-4.1-2025-04-14", inputs={"source_model": "azureai://accounts/a/x"})),
        (f"deployment.copilot: the model azureai://accounts/a/x {_NO}",),
    ),
    ("what is deleted", MODELS_41, context(change("job", "a", Action.DELETE)), ()),
    ("what goes on", MODELS_41, context(job(action=Action.RESUME)), ()),
    # regions
    ("allowed", "regions: {allow: [Sweden Central]}", context(job(), accounts=SWEDEN), ()),
    (
        "another",
        "regions: {allow: [swedencentral]}",
        context(job(), accounts=located("eastus2")),
        (f"provider azure: the region eastus2 {_NO}",),
    ),
    (
        "denied",
        "regions: {deny: ['east*']}",
        context(job(), accounts=located("eastus2")),
        (f"provider azure: the region eastus2 {_NO}",),
    ),
    (
        "not asked",
        "regions: {allow: [swedencentral]}",
        context(job()),
        ("provider azure: the region of its account isn't known",),
    ),
    (
        "as the spec says it",
        "regions: {deny: [eastus]}",
        context(job(), accounts={"azure": AccountFacts("contoso-ai", "swedencentral")}),
        ("provider azure: the region of its account isn't known",),
    ),
    ("nothing made", "regions: {allow: []}", context(DELETED), ()),
    # skus
    ("allowed", "skus: {allow: [standard]}", context(deployment()), ()),
    (
        "another",
        "skus: {allow: [Standard]}",
        context(deployment(sku="GlobalStandard")),
        (f"deployment.copilot: the SKU GlobalStandard {_NO}",),
    ),
    (
        "denied",
        "skus: {deny: ['*provisioned*']}",
        context(deployment(sku="DataZoneProvisionedManaged")),
        (f"deployment.copilot: the SKU DataZoneProvisionedManaged {_NO}",),
    ),
    (
        "deployments of an evaluation",
        "skus: {allow: [Standard]}",
        context(
            plan={
                "estimate": Estimate(
                    asking=(
                        EvaluationCost(
                            Address("evaluation", "e"),
                            temporary=(Temporary(MINI, {"name": "GlobalStandard"}, None),),
                        ),
                    )
                )
            }
        ),
        (f"evaluation.e: the SKU GlobalStandard {_NO}",),
    ),
    ("no deployments", "skus: {allow: []}", context(deployment(provider="openai")), ()),
    # accounts
    ("allowed", "accounts: {allow: [contoso-ai]}", context(job()), ()),
    ("glob", "accounts: {allow: ['contoso-*']}", context(job()), ()),
    (
        "another",
        "accounts: {allow: [contoso-dev]}",
        context(DELETED),
        (f"provider azure: the account contoso-ai {_NO}",),
    ),
    (
        "another host than the account's",
        "accounts: {allow: [contoso-ai]}",
        context(
            job(),
            providers={
                "azure": replace(
                    PROVIDERS["azure"],
                    settings={"endpoint": "https://other.openai.azure.com", "account": "contoso-ai"},
                )
            },
        ),
        (f"provider azure: the account other and contoso-ai {_NO}",),
    ),
    (
        "platform",
        "accounts: {allow: [api.openai.com/org-1/*]}",
        context(change("job", "a", provider="openai", after={"model": MINI})),
        (),
    ),
    (
        "the key decides",
        "accounts: {deny: [api.openai.com/org-2/*]}",
        context(
            change("job", "a", provider="openai", after={"model": MINI}),
            providers={"openai": ProviderConfig("openai", "openai", {"organization": "org-1"})},
        ),
        ("provider openai: its account isn't known",),
    ),
    (
        "settings withheld",
        "accounts: {allow: ['*']}",
        context(job(), providers={"azure": replace(PROVIDERS["azure"], possible="azure:.*")}),
        ("provider azure: its account isn't known",),
    ),
    # training_types
    ("allowed", "training_types: {allow: [standard]}", context(job()), ()),
    (
        "another",
        "training_types: {deny: [global_standard]}",
        context(job(training_type="global_standard")),
        (f"job.copilot: the training type global_standard {_NO}",),
    ),
    # data
    (
        "allowed",
        "data: {sources: {allow: ['data/*']}}",
        context(DATA, sources={TRAIN: ("data/train.jsonl",)}),
        (),
    ),
    (
        "another folder",
        "data: {sources: {allow: ['data/*']}}",
        context(DATA, sources={TRAIN: ("data/a.jsonl", "../other/b.jsonl")}),
        (f"dataset.train: data from ../other/b.jsonl {_NO}",),
    ),
    (
        "a host",
        "data: {sources: {allow: ['data/*', 'https://*.example.com']}}",
        context(DATA, sources={TRAIN: ("https://data.example.com.evil.test",)}),
        (f"dataset.train: data from https://data.example.com.evil.test {_NO}",),
    ),
    (
        "unknown",
        "data: {sources: {allow: ['*']}}",
        context(DATA, sources={TRAIN: None}),
        ("dataset.train: the source of its data isn't known",),
    ),
    # require
    (
        "unprotected",
        "require: {prevent_destroy: [deployment]}",
        context(deployment(), job()),
        ("deployment.copilot: needs `lifecycle: {prevent_destroy: true}`",),
    ),
    (
        "protected",
        "require: {prevent_destroy: [deployment]}",
        context(deployment(), lifecycle=Lifecycle(prevent_destroy=True)),
        (),
    ),
    (
        "no longer protected",
        "require: {prevent_destroy: deployment}",
        context(
            plan={
                "settings": (
                    SettingChange(Address("deployment", "copilot"), "lifecycle.prevent_destroy", True, False),
                )
            }
        ),
        ("deployment.copilot: must keep `lifecycle: {prevent_destroy: true}`",),
    ),
    (
        "tags",
        "require: {tags: [owner, cost-center]}",
        context(deployment(inputs={"tags": {"Owner": "a", "cost-center": ""}})),
        ("deployment.copilot: needs the tags cost-center",),
    ),
    (
        "validation data",
        "require: {validation_data: true}",
        context(job()),
        ("job.copilot: needs validation data",),
    ),
    ("with validation data", "require: {validation_data: true}", context(job(validation="v")), ()),
    ("no gate", "require: {gates: true}", context(deployment()), ("deployment.copilot: needs a `gate`",)),
    ("a gate", "require: {gates: true}", context(deployment(inputs=GATED)), ()),
    ("a base model needs none", "require: {gates: true}", context(deployment(model=MINI)), ()),
    # retirement
    ("far away", "retirement: {within: 10d}", context(job()), ()),
    (
        "soon",
        "retirement: {within: 999d}",
        context(job()),
        (f"job.copilot: {MINI} retires on {RETIRES}",),
    ),
    (
        "unknown",
        "retirement: {within: 1d}",
        context(job(model="gpt-9")),
        ("job.copilot: when gpt-9 retires isn't known",),
    ),
    (
        "nothing retires there",
        "retirement: {within: 999d}",
        context(job(), accounts=located("x", retires=False)),
        (),
    ),
)


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [pytest.param(*row[1:], id=f"{row[1].partition(':')[0]}: {row[0]}") for row in TABLE],
)
def test_conditions(text: str, where: Context, expected: tuple[str, ...]) -> None:
    denied, warned = (found(Policy((rule(text, deny=deny),)), where) for deny in (True, False))
    assert sorted(denied) == sorted(f"error: {line}" for line in expected)
    assert sorted(warned) == sorted(f"warning: {line}" for line in expected)
    if "isn't known" in "".join(expected):
        details = " ".join(d.detail for d in judge(Policy((rule(text),)), {}, where, TODAY)[0])
        assert "What isn't known is not accepted." in details


def test_every_condition_is_judged_and_in_the_table() -> None:
    assert set(CONDITIONS) == set(Condition.fields)
    assert {row[1].partition(":")[0] for row in TABLE} == set(CONDITIONS)


RULES = st.lists(
    st.builds(
        lambda row, n, deny, overridable: rule(
            TABLE[row][1], name=f"r{n}", deny=deny, overridable=overridable
        ),
        st.integers(0, len(TABLE) - 1),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
)
WHERE = context(
    job(),
    deployment("a", inputs={"tags": {"owner": "x"}}),
    deployment("b", model="gpt-4.1", sku="GlobalStandard"),
    DELETED,
    DATA,
    estimates=[COSTS],
    sources={TRAIN: ("data/train.jsonl",)},
)
OVERRIDES = st.lists(st.sampled_from(["r0", "r1", "r9"]), max_size=2, unique=True)


def errors(findings: Sequence[Diagnostic]) -> set[tuple[str, str]]:
    return {(d.rule, d.summary) for d in findings if d.severity == "error"}


@given(rules=RULES, more=RULES, lifted=OVERRIDES)
def test_more_rules_never_remove_an_error(rules: list[Rule], more: list[Rule], lifted: list[str]) -> None:
    """Whatever is overridden: an override that one of the new rules forbids lifts nothing."""
    reasons = dict.fromkeys(lifted, "tried")
    few, _ = judge(Policy(in_force([rules], "prod")), reasons, WHERE, TODAY)
    many, _ = judge(Policy(in_force([rules, more], "prod")), reasons, WHERE, TODAY)
    assert errors(few) - {e for e in errors(few) if "there is no rule" in e[1]} <= errors(many)


@given(rules=RULES, data=st.data(), lifted=OVERRIDES)
def test_the_order_of_rules_is_irrelevant(rules: list[Rule], data: st.DataObject, lifted: list[str]) -> None:
    reasons = dict.fromkeys(lifted, "tried")
    again = data.draw(st.permutations(rules))
    first, other = (Policy(in_force([one], "prod")) for one in (rules, again))
    assert judge(first, reasons, WHERE, TODAY) == judge(other, reasons, WHERE, TODAY)
    assert first.digest == other.digest
    twice = Policy(in_force([rules, again], "prod"))
    assert judge(twice, reasons, WHERE, TODAY) == judge(first, reasons, WHERE, TODAY)


def test_an_empty_policy_finds_nothing() -> None:
    assert judge(Policy(), {}, WHERE, TODAY) == ((), ())
    assert not Policy().digest


def override(name: str, until: str = "2026-12-31", **more: Any) -> Override:
    return Override(name, "agreed with security", date.fromisoformat(until), **more)


FIXED, OPEN = rule(MODELS_41, name="fixed"), rule(MODELS_41, name="open", overridable=True)


@pytest.mark.parametrize(
    ("rules", "overrides", "expected"),
    [
        ((OPEN,), (override("open"),), []),
        ((OPEN,), (override("open", "2026-11-30"),), []),
        ((OPEN,), (override("open", "2026-11-29"),), ["error: the override of `open` has ended"]),
        ((FIXED,), (override("fixed"),), ["error: the rule `fixed` can't be overridden"]),
        (
            (OPEN, replace(FIXED, name="open")),
            (override("open"),),
            ["error: the rule `open` can't be overridden"],
        ),
        ((OPEN,), (override("opne"),), ["error: there is no rule `opne` to override"]),
    ],
    ids=["valid", "last day", "expired", "not overridable", "not overridable at the base", "no such rule"],
)
def test_pitfall_21_overrides(
    rules: tuple[Rule, ...], overrides: tuple[Override, ...], expected: list[str]
) -> None:
    """One that is refused lifts nothing; a valid one says what it lifts."""
    policy = Policy(in_force([rules], "prod"), overrides=overrides)
    findings, overridden = judge(policy, {}, context(job()), TODAY)
    denied = f"error: job.copilot: the model {MINI} isn't allowed"
    assert {f"{d.severity}: {d.summary}" for d in findings} == {*expected, *([denied] if expected else [])}
    if not expected:
        until = overrides[0].until
        assert until is not None
        summary = f"job.copilot: the model {MINI} isn't allowed"
        assert overridden == (Overridden("open", "agreed with security", until.isoformat(), "", (summary,)),)


def test_an_override_that_has_ended_is_a_warning_while_nothing_is_denied() -> None:
    policy = Policy((OPEN,), overrides=(override("open", "2026-01-01"),))
    assert found(policy, context()) == ["warning: the override of `open` has ended"]


def test_a_rule_of_another_environment_may_be_overridden_in_the_spec_alone() -> None:
    place = Place("ftops.yaml", 3)
    policy = Policy((), frozenset({"far"}), overrides=(override("far", place=place),))
    assert found(policy, context()) == []
    assert found(policy, context(), {"far": "x"}) == ["error: there is no rule `far` to override"]
