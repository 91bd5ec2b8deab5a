"""Every rule of preflight, as tables: a plan and an account in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.catalog import Catalog, load
from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.errors import Diagnostic, Place
from ftops.core.serving import deployment_name
from ftops.planning.estimate import Temporary
from ftops.planning.plan import Action, AttributeChange, Change, Reason
from ftops.planning.preflight import Situation, check
from ftops.planning.preflight.limits import normal
from ftops.providers.account_facts import Access, AccountFacts, OfferedModel, OfferedSku, Reach, Usage

TODAY = date(2026, 11, 21)
MINI = "gpt-4o-mini-2024-07-18"
TUNED = f"{MINI}.ft-0123456789abcdef0123456789abcdef-copilot"
CATALOG = load(Path("/nowhere"), {})
AGED = "the catalogue of models is"
SKUS = tuple(OfferedSku(name, f"OpenAI.{name}.gpt-4o-mini", 1000) for name in ("Standard", "GlobalStandard"))


def usage(name: str, used: float = 0, limit: float = 100) -> Usage:
    return Usage(name, f"title of {name}", used, limit)


ACCOUNT = AccountFacts(
    name="acme",
    location="swedencentral",
    state="Succeeded",
    training=Access(Reach.USABLE),
    deploying=Access(Reach.USABLE),
    models=(
        OfferedModel("gpt-4o-mini", "2024-07-18", True, SKUS, date(2027, 4, 7), date(2027, 10, 7)),
        OfferedModel("gpt-4.1-mini", "2025-04-14", True, None),
        OfferedModel("gpt-4o", "2024-11-20", False, SKUS),
        OfferedModel("gpt-4o", "2024-08-06", True, SKUS, is_default=True),
    ),
    usages=(
        usage("OpenAI.Standard.gpt-4o-mini", used=90),
        usage("OpenAI.Standard.gpt-4o-mini-finetune", used=90),
        usage("OpenAI.DeveloperTier.gpt4.1-mini-finetune", used=95),
        usage("OpenAI.FineTuned.Deployments", used=4, limit=5),
    ),
    deployments={"old": "", "prod": ""},
    limits={"files": 100, "running_jobs": 3, "jobs": 500},
    counts={"files": 10, "total_file_bytes": 1000, "jobs": 5, "running_jobs": 0, "queued_jobs": 0},
)


def change(kind: str, name: str, action: Action = Action.CREATE, **more: Any) -> Change:
    address = Address(kind, name)
    return Change(more.pop("step", str(address)), address, action, Reason("", ""), "azure", **more)


def dataset(name: str = "train", size: int = 1000, **more: Any) -> Change:
    return change("dataset", name, after={"path": "a.jsonl"}, facts={"bytes": size}, **more)


def job(name: str = "copilot", model: Value = MINI, **inputs: Value) -> Change:
    after: Mapping[str, Value] = {
        "model": model,
        "method": "supervised",
        "training_type": "standard",
        **inputs,
    }
    return change("job", name, after=after)


def deployment(
    name: str = "new", model: Value = MINI, capacity: int = 10, sku: str = "Standard", **more: Any
) -> Change:
    action = more.pop("action", Action.CREATE)
    after = {"name": name, "model": model, "sku": {"name": sku, "capacity": capacity}} | more.pop(
        "inputs", {}
    )
    return change("deployment", name, action, after=after, **more)


def deletion(name: str, model: str = MINI, capacity: int = 10, **more: Any) -> Change:
    before = {"name": name, "model": model, "sku": {"name": "Standard", "capacity": capacity}}
    more.setdefault("step", f"deployment.{name}#old")
    return change("deployment", name, Action.DELETE, before=before, remote_id=f"/deployments/{name}", **more)


def model_of(name: str) -> Reference:
    return Reference(Address("job", name), "fine_tuned_model")


def find(*changes: Change, account: AccountFacts = ACCOUNT, **more: Any) -> list[str]:
    """`severity: summary` of every finding, but for the age of the catalogue, which grows by itself."""
    kept = (d for d in found(*changes, account=account, **more) if AGED not in d.summary)
    return [f"{d.severity}: {d.summary}" for d in kept]


def found(
    *changes: Change,
    account: AccountFacts = ACCOUNT,
    catalog: Catalog = CATALOG,
    today: date = TODAY,
    temporary: Mapping[Address, Sequence[Temporary]] = {},
) -> tuple[Diagnostic, ...]:
    resources = {
        c.address: Resource(c.address, c.provider, c.after, place=Place("ftops.yaml", number))
        for number, c in enumerate(changes, 1)
        if c.after
    }
    places = {"azure": Place("ftops.yaml", 99)}
    accounts = {"azure": account}
    return check(Situation(changes, resources, accounts, catalog, today, places, temporary=temporary))


def test_what_works_has_no_findings() -> None:
    assert find(dataset(), job(), deployment("new", model_of("copilot")), deployment("base")) == []


def test_what_only_takes_away_is_not_checked() -> None:
    away = replace(ACCOUNT, training=Access(Reach.REFUSED, "no"), deploying=Access(Reach.REFUSED, "no"))
    gone = change("job", "x", Action.DELETE, before={"model": "gpt-9"})
    assert find(deletion("old"), gone, change("job", "y", Action.ADOPT), account=away) == []


def test_a_finding_names_the_resource_and_its_place() -> None:
    (one,) = found(dataset(), job(model="gpt-4o-mini-2024-07-81"))
    assert one.summary == "job.copilot: model gpt-4o-mini-2024-07-81 isn't available in this account"
    assert one.place == Place("ftops.yaml", 2)
    assert "acme (swedencentral)" in one.detail
    assert one.hint == f"Did you mean `{MINI}`?"


def test_errors_come_first() -> None:
    busy = replace(ACCOUNT, counts={**ACCOUNT.counts, "running_jobs": 3})
    severities = [d.severity for d in found(job("a"), job("b", model="gpt-9"), account=busy)]
    assert severities == ["error", "warning"]


JOBS: dict[str, tuple[Change, list[str]]] = {
    "by-id": (job(), []),
    "another-case": (
        job(model=MINI.upper()),
        [f"error: job.copilot: {MINI.upper()} isn't how the account spells this model"],
    ),
    "by-name-alone": (
        job(model="gpt-4o"),
        ["warning: job.copilot: gpt-4o has no version"],
    ),
    "unknown": (job(model="gpt-9"), ["error: job.copilot: model gpt-9 isn't available in this account"]),
    "known-after-apply": (job(model=Reference(Address("job", "elsewhere"), "fine_tuned_model")), []),
    "not-tunable": (
        job(model="gpt-4o-2024-11-20"),
        ["error: job.copilot: gpt-4o-2024-11-20 can't be fine-tuned"],
    ),
    "tuned-of-another-account": (
        job(model=TUNED),
        [f"warning: job.copilot: the fine-tuned model {TUNED} isn't in this account"],
    ),
    "method": (job(method="dpo"), [f"error: job.copilot: {MINI} doesn't support the method dpo"]),
    "method-that-is-known": (job(model="gpt-4o-2024-08-06", method="dpo"), []),
    "developer": (job(training_type="developer"), []),
    "training-type-misspelled": (
        job(training_type="globl_standard"),
        [f"warning: job.copilot: the catalogue has no training type globl_standard for {MINI}"],
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_models_of_jobs(name: str) -> None:
    change_, expected = JOBS[name]
    assert find(change_) == expected


@pytest.mark.parametrize(
    ("location", "training_type", "expected"),
    [
        ("swedencentral", "standard", []),
        ("North Central US", "standard", []),
        (
            "westeurope",
            "standard",
            [f"error: job.copilot: standard training of {MINI} isn't available in westeurope"],
        ),
        ("westeurope", "global_standard", []),
        ("westeurope", "developer", []),
        (
            "uaenorth",
            "global_standard",
            [f"error: job.copilot: global_standard training of {MINI} isn't available in uaenorth"],
        ),
        ("", "standard", []),
    ],
)
def test_training_types_by_region(location: str, training_type: str, expected: list[str]) -> None:
    assert find(job(training_type=training_type), account=replace(ACCOUNT, location=location)) == expected


def test_a_misspelled_training_type_has_a_suggestion() -> None:
    (one,) = found(job(training_type="globl_standard"))
    assert one.hint == "Did you mean `global_standard`?"


def test_another_training_type_is_offered() -> None:
    (one,) = found(job(), account=replace(ACCOUNT, location="westeurope"))
    assert "northcentralus, swedencentral" in one.detail
    assert one.hint.startswith("use training_type: global_standard or developer; ")


def test_a_training_type_that_is_nowhere() -> None:
    listed = replace(ACCOUNT, models=None)
    assert find(job(model="Ministral-3B"), account=listed) == [
        "error: job.copilot: standard training of Ministral-3B isn't available in any region"
    ]


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2027, 2, 5), []),
        (date(2027, 2, 6), [f"warning: job.copilot: training of {MINI} ends in 60 days"]),
        (date(2027, 4, 6), [f"warning: job.copilot: training of {MINI} ends in a day"]),
        (date(2027, 4, 7), [f"error: job.copilot: training of {MINI} ended on 2027-04-07"]),
    ],
)
def test_training_retires(today: date, expected: list[str]) -> None:
    assert find(job(), account=mini_as(tunable=None), today=today) == expected


def mini_as(**facts: Any) -> AccountFacts:
    """The account, with other facts about its first model."""
    first, *others = ACCOUNT.models or ()
    return replace(ACCOUNT, models=(replace(first, **facts), *others))


@pytest.mark.parametrize("facts", [{"tunable": True}, {"tunable": None, "is_tentative": True}])
def test_a_day_in_the_past_does_not_block_what_the_account_still_offers(facts: Mapping[str, Any]) -> None:
    assert find(job(), account=mini_as(**facts), today=date(2027, 4, 7)) == [
        f"warning: job.copilot: training of {MINI} may have ended"
    ]


def test_dates_of_a_base_model_say_nothing_about_a_tuned_one() -> None:
    gone = mini_as(inference_retires=date(2026, 1, 1), lifecycle="Deprecated")
    assert find(deployment(model=model_of("copilot")), job(), account=gone) == []
    own = OfferedModel(TUNED, "1", None, SKUS, None, date(2026, 2, 1), base=MINI)
    account = replace(gone, models=(*gone.models, own))  # type: ignore[misc]
    assert find(deployment(model=TUNED), account=account) == [
        f"error: deployment.new: {MINI} ended on 2026-02-01"
    ]
    tentative = replace(account, models=(*gone.models, replace(own, is_tentative=True)))  # type: ignore[misc]
    assert find(deployment(model=TUNED), account=tentative) == [
        f"warning: deployment.new: {MINI} may have ended"
    ]


def test_a_base_model_that_ended_is_said_of_training_it() -> None:
    silent = replace(ACCOUNT, models=None)
    reinforced = job(model="o4-mini-2025-04-16", method="reinforcement")
    assert find(reinforced, account=silent) == [
        "warning: job.copilot: training of o4-mini-2025-04-16 may be refused"
    ]


def test_an_open_model_that_the_account_lists_without_saying_that_it_can_be_tuned() -> None:
    listed = OfferedModel("Ministral-3B", "1", False, SKUS)
    account = replace(ACCOUNT, models=(listed,))
    (one,) = found(job(model="Ministral-3B", training_type="global_standard"), account=account)
    assert (one.severity, "isn't listed as one that can be fine-tuned" in one.summary) == ("warning", True)
    assert one.hint == "nothing to do, unless the service refuses the job"


def test_skus_of_a_tuned_model_depend_on_the_region() -> None:
    silent = replace(ACCOUNT, models=None)
    tuned = TUNED.replace("gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14")
    wanted = deployment(model=tuned, sku="Standard", inputs={"source": "/x"})
    assert find(wanted, account=silent) == []
    (one,) = found(wanted, account=replace(silent, location="westeurope"))
    assert one.detail == "Available SKUs: GlobalStandard, DeveloperTier."


def test_an_old_catalogue_is_said() -> None:
    dated = CATALOG.dated
    assert dated is not None
    aged = [AGED in d.summary for d in found(job(), today=dated + timedelta(days=90))]
    assert True not in aged
    (one,) = [d for d in found(job(), today=dated + timedelta(days=91)) if AGED in d.summary]
    assert (one.severity, one.summary) == ("warning", f"provider azure: {AGED} 91 days old")
    assert found(job(), account=replace(ACCOUNT, retires=False), today=date(2030, 1, 1)) == ()


def test_an_earliest_day_is_no_error() -> None:
    silent = replace(ACCOUNT, models=None)
    assert find(job(), account=silent, today=date(2027, 5, 1)) == [
        f"warning: job.copilot: training of {MINI} may have ended"
    ]


def test_a_day_says_where_it_comes_from() -> None:
    """Pages and accounts had different days in 2026, and both were moved."""
    page = "the published schedule of model retirements, version of 2026-09-02"
    (one,) = details(job(), account=replace(ACCOUNT, models=None), today=date(2027, 3, 1))
    assert one == f"It ends on 2027-04-01 at the earliest ({page})."
    (one,) = details(job(), account=mini_as(tunable=None), today=date(2027, 3, 1))
    assert one == "It ends on 2027-04-07 (the account's own date; the catalogue has 2027-04-01)."
    same = mini_as(tunable=None, training_retires=date(2027, 4, 1))
    assert details(job(), account=same, today=date(2027, 4, 1)) == [
        "The service no longer accepts it (the account's own date)."
    ]
    (one,) = details(deployment(), today=date(2027, 9, 1))
    assert one == "It ends on 2027-10-07 (the account's own date; the catalogue has 2027-04-14)."


def details(*changes: Change, **more: Any) -> list[str]:
    return [d.detail for d in found(*changes, **more) if AGED not in d.summary]


def test_nothing_retires_where_the_account_goes_on() -> None:
    assert find(job(), deployment(), account=replace(ACCOUNT, retires=False), today=date(2030, 1, 1)) == []


def test_a_deployment_of_a_model_that_ends() -> None:
    assert find(deployment(), today=date(2027, 9, 1)) == [f"warning: deployment.new: {MINI} ends in 36 days"]
    assert find(deployment(), today=date(2027, 11, 1)) == [
        f"error: deployment.new: {MINI} ended on 2027-10-07"
    ]
    ending = replace(ACCOUNT, models=(replace(ACCOUNT.models[0], lifecycle="Deprecating"),))  # type: ignore[index]
    assert find(deployment(), account=ending) == [f"warning: deployment.new: {MINI} is being retired"]


def test_what_the_account_says_goes_before_the_catalogue() -> None:
    catalog = replace(
        CATALOG, models={MINI: replace(CATALOG.models[MINI], training_retires=date(2020, 1, 1), methods=None)}
    )
    assert find(job(), catalog=catalog) == []


def test_an_unknown_model_where_the_account_says_nothing() -> None:
    silent = replace(ACCOUNT, models=None)
    (one,) = found(job(model="gpt-4o-mni-2024-07-18"), account=silent)
    assert (one.severity, one.hint) == ("warning", f"did you mean `{MINI}`?")
    assert find(job(model="gpt-4o-mini-2030-01-01"), account=silent) == [], "a version of tomorrow"
    (one,) = found(job(model="something-of-mine"), account=silent)
    assert (one.severity, one.hint) == ("warning", "`ftops models` lists those that can be fine-tuned")
    assert find(deployment(model="something-of-mine"), account=silent) == [], "not made for these"


SKU_CASES: dict[str, tuple[Change, list[str]]] = {
    "standard": (deployment(), []),
    "whatever-the-case": (deployment(sku="globalstandard"), []),
    "unknown": (
        deployment(sku="GlobalStandrd"),
        [f"error: deployment.new: {MINI} isn't available with the SKU GlobalStandrd"],
    ),
    "not-for-base-models": (
        deployment(sku="DeveloperTier"),
        [f"error: deployment.new: {MINI} isn't available with the SKU DeveloperTier"],
    ),
    "for-tuned-models": (deployment(model=TUNED, sku="ProvisionedManaged", inputs={"source": "/x"}), []),
    "too-large": (
        deployment(sku="GlobalStandard", capacity=1001),
        [f"error: deployment.new: capacity 1001 is too much for a deployment of {MINI}"],
    ),
    "no-such-version": (
        deployment(model="gpt-4o", inputs={"version": "2020-01-01"}),
        ["error: deployment.new: model gpt-4o 2020-01-01 isn't available in this account"],
    ),
    "not-known": (deployment(model="gpt-4.1-mini", sku="Anything"), []),
}


@pytest.mark.parametrize("name", SKU_CASES)
def test_skus(name: str) -> None:
    change_, expected = SKU_CASES[name]
    assert find(change_) == expected


def test_an_update_that_touches_neither_model_nor_sku_is_not_checked_again() -> None:
    tags = deployment("new", "gpt-9", action=Action.UPDATE, attributes=(AttributeChange("tags", {}, {}),))
    assert find(tags) == []
    model = replace(tags, attributes=(AttributeChange("model", MINI, "gpt-9"),))
    assert find(model) == ["error: deployment.new: model gpt-9 isn't available in this account"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("OpenAI.DeveloperTier.gpt4.1-mini-finetune", "OpenAI.developertier.gpt-4.1-mini-finetune"),
        ("OpenAI.Standard.gpt-35-turbo", "OpenAI.Standard.gpt-3.5-turbo"),
    ],
)
def test_names_of_quotas_are_spelled_in_many_ways(one: str, other: str) -> None:
    assert normal(one) == normal(other)
    assert normal(one) != normal(one.replace("mini", "nano").replace("turbo", "instruct"))


SHORT = "quota: title of OpenAI.Standard.gpt-4o-mini (OpenAI.Standard.gpt-4o-mini)"
QUOTA: dict[str, tuple[list[Change], list[str]]] = {
    "enough": ([deployment(capacity=10)], []),
    "too-much": ([deployment(capacity=11)], [f"error: deployment.new: not enough {SHORT}"]),
    "together": (
        [deployment("aa", capacity=6), deployment("bb", capacity=6)],
        [f"error: deployment.bb: not enough {SHORT}"],
    ),
    "freed-before": ([deletion("old"), deployment(capacity=20, waits_for=("deployment.old#old",))], []),
    "freed-by-chance": (
        [deployment(capacity=20), deletion("old")],
        [f"warning: deployment.new: quota may run short: {SHORT.removeprefix('quota: ')}"],
    ),
    "both-at-once": (
        [
            deployment(capacity=20, action=Action.REPLACE, deposes="1234"),
            deletion("old", step="deployment.new#1234", waits_for=("deployment.new",)),
        ],
        [f"error: deployment.new: not enough {SHORT}"],
    ),
    "grown": (
        [deployment(capacity=30, action=Action.UPDATE, before=deployment(capacity=20).after)],
        [],
    ),
    "grown-too-far": (
        [deployment(capacity=31, action=Action.UPDATE, before=deployment(capacity=20).after)],
        [f"error: deployment.new: not enough {SHORT}"],
    ),
    "another-quota": ([deployment(capacity=500, sku="GlobalStandard")], []),
    "tuned": (
        [job(), deployment(model=model_of("copilot"), capacity=11)],
        [
            "error: deployment.new: not enough quota: title of OpenAI.Standard.gpt-4o-mini-finetune "
            "(OpenAI.Standard.gpt-4o-mini-finetune)"
        ],
    ),
    "tuned-and-spelled-otherwise": (
        [
            job(model="gpt-4.1-mini-2025-04-14"),
            deployment(model=model_of("copilot"), capacity=6, sku="DeveloperTier"),
        ],
        [
            "error: deployment.new: not enough quota: title of OpenAI.DeveloperTier.gpt4.1-mini-finetune "
            "(OpenAI.DeveloperTier.gpt4.1-mini-finetune)"
        ],
    ),
    "a-job-on-a-job": (
        [
            job("first"),
            job("second", model=model_of("first")),
            deployment(model=model_of("second"), capacity=11),
        ],
        [
            "error: deployment.new: not enough quota: title of OpenAI.Standard.gpt-4o-mini-finetune "
            "(OpenAI.Standard.gpt-4o-mini-finetune)"
        ],
    ),
    "slots": (
        [job(), *(deployment(name, model_of("copilot"), capacity=1) for name in ("aa", "bb"))],
        [
            "error: deployment.bb: not enough quota: title of OpenAI.FineTuned.Deployments "
            "(OpenAI.FineTuned.Deployments)"
        ],
    ),
    "a-slot-that-is-freed": (
        [
            job(),
            deployment("aa", model_of("copilot"), capacity=1),
            deletion("old", TUNED, capacity=1),
            deployment("bb", model_of("copilot"), capacity=1, waits_for=("deployment.old#old",)),
        ],
        [],
    ),
}


@pytest.mark.parametrize("name", QUOTA)
def test_quota(name: str) -> None:
    changes, expected = QUOTA[name]
    assert find(*changes) == expected


def evaluation(name: str = "exam", **more: Any) -> Change:
    return change("evaluation", name, after={"model": model_of("copilot")}, **more)


def brief(model: Value, sku: str = "GlobalStandard", capacity: int = 1) -> Temporary:
    return Temporary(model, {"name": sku, "capacity": capacity}, None)


MADE = model_of("copilot")
OTHERS = (job(), job("other"), deployment(model=model_of("other")))
"""One slot is left, and this takes it."""
AFTER_EXAM: Mapping[str, Any] = {"waits_for": ("evaluation.exam",)}
LAST: Mapping[str, Any] = {"waits_for": ("deployment.new",)}
SLOT = "title of OpenAI.FineTuned.Deployments (OpenAI.FineTuned.Deployments)"
BRIEFLY: dict[str, tuple[list[Change], dict[str, list[Temporary]], list[str]]] = {
    "returned": ([job(), evaluation(), deployment(model=MADE, **AFTER_EXAM)], {}, []),
    "several-models-one-after-the-other": ([job(), evaluation()], {"exam": [brief(MADE), brief(MADE)]}, []),
    "beside-a-deployment": (
        [*OTHERS, evaluation(**LAST)],
        {},
        [f"error: evaluation.exam: not enough quota: {SLOT}"],
    ),
    "at-the-same-time": (
        [job(), evaluation(), evaluation("other")],
        {},
        [f"warning: evaluation.exam: quota may run short: {SLOT}"],
    ),
    "one-evaluation-after-the-other": ([job(), evaluation(), evaluation("other", **AFTER_EXAM)], {}, []),
    "three-of-which-two-at-the-same-time": (
        [job(), evaluation(), evaluation("other", **AFTER_EXAM), evaluation("third")],
        {},
        [f"warning: evaluation.exam: quota may run short: {SLOT}"],
    ),
    "a-deployment-at-the-same-time": (
        [evaluation(), *OTHERS],
        {},
        [f"warning: deployment.new: quota may run short: {SLOT}"],
    ),
    "freed-before": (
        [deletion("old", TUNED), *OTHERS, evaluation(waits_for=("deployment.old#old",))],
        {},
        [],
    ),
    "freed-too-late": (
        [*OTHERS, evaluation(**LAST), deletion("old", TUNED, **AFTER_EXAM)],
        {},
        [f"error: evaluation.exam: not enough quota: {SLOT}"],
    ),
    "the-largest-counts": (
        [evaluation()],
        {"exam": [brief(MINI, "Standard", 4), brief(MINI, "Standard", 11)]},
        [f"error: evaluation.exam: not enough {SHORT}"],
    ),
    "served-by-the-plan": (
        [evaluation(), deployment(model=MINI)],
        {"exam": [brief(MINI, "Standard", 11)]},
        [],
    ),
    "served-too-late": (
        [evaluation(), deployment(model=MINI, **AFTER_EXAM)],
        {"exam": [brief(MINI, "Standard", 11)]},
        [f"error: evaluation.exam: not enough {SHORT}"],
    ),
    "another-sku": (
        [evaluation()],
        {"exam": [brief(MINI, "GlobalBatch")]},
        [f"error: evaluation.exam: {MINI} isn't available with the SKU GlobalBatch"],
    ),
    "kept-answers": ([*OTHERS, evaluation(**LAST)], {"exam": []}, []),
}


@pytest.mark.parametrize("name", BRIEFLY)
def test_temporary_deployments(name: str) -> None:
    changes, deployed, expected = BRIEFLY[name]
    asked = [c.address for c in changes if c.address.kind == "evaluation"]
    temporary = {address: deployed.get(address.name, [brief(MADE)]) for address in asked}
    assert find(*changes, temporary=temporary) == expected


def test_temporary_deployments_count_as_deployments() -> None:
    names = {f"d{number}": "" for number in range(32)}
    temporary = {Address("evaluation", "exam"): [brief(MINI, "Standard")]}
    full = replace(ACCOUNT, deployments=names)
    assert find(evaluation(), account=full, temporary=temporary) == [
        "error: evaluation.exam: too many deployments"
    ]
    served = replace(ACCOUNT, deployments=names | {"d1": MINI})
    assert find(evaluation(), account=served, temporary=temporary) == []
    leaving = replace(ACCOUNT, deployments=names | {"ftops-eval-1234": MINI})
    assert len(find(evaluation(), account=leaving, temporary=temporary)) == 1


def test_a_quota_says_its_numbers() -> None:
    (one,) = found(deployment("aa", capacity=6), deployment("bb", capacity=6))
    assert one.detail == (
        "It needs 6 new capacity; 4 will be left at that point. "
        "90 of 100 are in use now, and earlier steps of the plan change that."
    )
    assert "az cognitiveservices usage list --location swedencentral" in one.hint


def test_the_accounts_own_name_of_a_quota_counts() -> None:
    models = (OfferedModel("m", "1", True, (OfferedSku("Standard", "OpenAI.Standard.Class7"),)),)
    account = replace(ACCOUNT, models=models, usages=(usage("OpenAI.Standard.Class7", used=99),))
    assert len(find(deployment(model="m", capacity=2), account=account)) == 1


NUMBERS: dict[str, tuple[Mapping[str, int], list[Change], list[str]]] = {
    "files": ({"files": 99}, [dataset("a"), dataset("b")], ["error: dataset.b: too many files"]),
    "files-freed": (
        {"files": 99},
        [
            dataset("a"),
            change("dataset", "old", Action.DELETE),
            dataset("b", waits_for=("dataset.old",)),
        ],
        [],
    ),
    "jobs": ({"jobs": 500}, [job()], ["error: job.copilot: too many jobs"]),
    "bytes": (
        {"total_file_bytes": 999_999_500},
        [dataset(size=1000)],
        ["warning: dataset.train: the files may exceed the account's limit for their total size"],
    ),
    "one-file": (
        {},
        [dataset(size=512_000_001)],
        ["error: dataset.train: the file is too large: 512.0 MB"],
    ),
    "running": (
        {"running_jobs": 2},
        [job("a"), job("b")],
        [
            "warning: 1 of 2 jobs will wait in the queue: at most 3 of the training type standard "
            "run at once (2 are there already)"
        ],
    ),
    "places": (
        {"running_jobs": 3, "queued_jobs": 19},
        [job("a"), job("b"), job("c"), job("d", training_type="developer")],
        [
            "warning: 2 of 4 jobs will wait for a place: at most 3 standard, 5 developer jobs run "
            "at once, and 20 are queued (now 3 and 19); apply submits them when there is room"
        ],
    ),
    "places-of-all-types": (
        {"queued_jobs": 20},
        [job(f"n{number}", training_type="developer") for number in range(6)],
        [
            "warning: 1 of 6 jobs will wait for a place: at most 5 developer jobs run at once, "
            "and 20 are queued (now 0 and 20); apply submits them when there is room"
        ],
    ),
    "places-for-all": (
        {"running_jobs": 3, "running_developer_jobs": 5, "queued_jobs": 19},
        [job("a")],
        [
            "warning: job.a will wait in the queue: at most 3 of the training type standard "
            "run at once (22 are there already)"
        ],
    ),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_limits(name: str) -> None:
    counts, changes, expected = NUMBERS[name]
    account = replace(ACCOUNT, counts={**ACCOUNT.counts, **counts})
    assert find(*changes, account=account) == expected


def test_the_number_of_deployments() -> None:
    names = {f"d{number}": "" for number in range(32)}
    assert find(deployment(), account=replace(ACCOUNT, deployments=names)) == [
        "error: deployment.new: too many deployments"
    ]


NAMES: dict[str, tuple[list[Change], list[str]]] = {
    "free": ([deployment("fresh")], []),
    "taken": (
        [deployment("Prod")],
        ["error: deployment.Prod: account acme already has a deployment `prod`"],
    ),
    "freed": (
        [deletion("prod"), deployment("prod", action=Action.REPLACE, waits_for=("deployment.prod#old",))],
        [],
    ),
    "freed-too-late": (
        [
            deployment("prod", capacity=1, action=Action.REPLACE),
            deletion("prod", step="deployment.prod#1", waits_for=("deployment.prod",)),
        ],
        ["error: deployment.prod: account acme already has a deployment `prod`"],
    ),
    "computed": ([deployment("prod", inputs={"replace": "blue_green"})], []),
    "spills-over-to-another": ([deployment(inputs={"spillover": "Prod"})], []),
    "spills-over-to-a-declared-one": (
        [deployment(inputs={"spillover": "BASE"}), deployment("base", capacity=0)],
        [],
    ),
    "spills-over-to-what-is-to-be-created": (
        [deployment(inputs={"spillover": Reference(Address("deployment", "base"), "name")})],
        [],
    ),
    "spills-over-to-nothing": (
        [deployment(inputs={"spillover": "nobody"})],
        ["error: deployment.new: its `spillover` nobody doesn't exist"],
    ),
    "spills-over-to-what-is-deleted": (
        [deletion("prod"), deployment(inputs={"spillover": "prod"})],
        ["error: deployment.new: its `spillover` prod doesn't exist"],
    ),
    "spilled-over-to-nothing-before": (
        [deployment(action=Action.UPDATE, inputs={"spillover": "nobody"})],
        [],
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    changes, expected = NAMES[name]
    assert find(*changes) == expected


def test_two_providers_for_one_account() -> None:
    one, two = deployment("aa"), replace(deployment("bb"), provider="again")
    two = replace(two, after={**two.after, "name": "aa"})
    resources = {c.address: Resource(c.address, c.provider, c.after) for c in (one, two)}
    accounts = {"azure": ACCOUNT, "again": ACCOUNT}
    homes = {"azure": "azure:acme", "again": "azure:acme"}
    situation = Situation((one, two), resources, accounts, CATALOG, TODAY, homes=homes)
    twice = ["deployment.bb: several deployments of the account have the name `aa`"]
    assert [d.summary for d in check(situation)] == twice
    homes["again"] = "azure:other"
    assert check(situation) == ()


ACCESS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unreachable": (
        {"training": Access(Reach.UNREACHABLE, "list the files: no connection")},
        ["error: provider azure: list the files: no connection"],
    ),
    "refused": (
        {"deploying": Access(Reach.REFUSED, "read the account: not allowed", "403", "ask")},
        ["error: provider azure: read the account: not allowed"],
    ),
    "busy": (
        {"training": Access(Reach.BUSY, "list the files: too many requests")},
        ["warning: provider azure: list the files: too many requests"],
    ),
    "may-not-train": (
        {"may_train": False},
        ["error: provider azure: the signed-in identity isn't allowed to train on account acme"],
    ),
    "may-not-deploy": (
        {"may_train": True, "may_deploy": False},
        ["error: provider azure: the signed-in identity isn't allowed to deploy on account acme"],
    ),
    "may-do-both": ({"may_train": True, "may_deploy": True}, []),
    "not-ready": (
        {"state": "Accepted"},
        ["warning: provider azure: account acme isn't ready: its state is Accepted"],
    ),
    "not-known": ({"state": "", "may_deploy": None}, []),
}


@pytest.mark.parametrize("name", ACCESS)
def test_access(name: str) -> None:
    facts, expected = ACCESS[name]
    assert find(job(), deployment(), account=replace(ACCOUNT, **facts)) == expected


def test_pain_3_a_missing_role_says_which_and_for_what() -> None:
    (one,) = found(deployment("aa"), deployment("bb", capacity=0), account=replace(ACCOUNT, may_deploy=False))
    assert one.detail == (
        "It lacks the action Microsoft.CognitiveServices/accounts/deployments/write, "
        "which is needed for deployment.aa, deployment.bb."
    )
    assert one.hint == "ask for the role Cognitive Services Contributor or Foundry Owner on the account"
    assert one.place == Place("ftops.yaml", 99)


def test_who_only_trains_needs_no_right_to_deploy() -> None:
    facts = replace(ACCOUNT, may_deploy=False, deploying=Access(Reach.REFUSED, "no"))
    assert find(dataset(), job(), account=facts) == []


def test_an_account_that_says_nothing_is_checked_for_nothing() -> None:
    assert find(dataset(), job(), deployment(), account=AccountFacts()) == []


def test_a_name_that_follows_from_a_model_may_be_taken_too() -> None:
    """The model is known already, although the spec refers to its job."""
    model = Reference(Address("job", "copilot"), "fine_tuned_model")
    change_ = deployment("prod", model, inputs={"replace": "blue_green"})
    name = deployment_name("prod", {**change_.after, "model": TUNED})
    account = replace(ACCOUNT, deployments={name: ""})
    situation = Situation((change_,), {}, {"azure": account}, CATALOG, TODAY, known={str(model): TUNED})
    assert f"already has a deployment `{name}`" in check(situation)[0].summary


def test_fields_that_the_api_version_does_not_describe() -> None:
    old = replace(ACCOUNT, api_version="2024-10-21", undescribed=("trainingType", "metadata", "integrations"))
    warning = "warning: provider azure: the description of api_version 2024-10-21 has no trainingType"
    assert find(job(), account=old) == [f"{warning} and no metadata"]
    assert find(job(integrations=[{"type": "wandb"}]), account=old) == [
        f"{warning} and no metadata and no integrations"
    ]
    assert find(dataset(), account=old) == find(job()) == []
