"""Classes of drift and what is done about each, on the real planner."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.config.config import Config, Lifecycle, ProviderConfig
from ftops.config.graph import build
from ftops.core.address import Address
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.errors import Blocked
from ftops.planning.plan import NORMAL, Mode, Options, Plan
from ftops.planning.planner import plan
from ftops.planning.preflight.retirement import retired
from ftops.planning.refresh import Reader, refresh
from ftops.state.state import ResourceState, State, Status
from tests.support.cloud import VirtualTime
from tests.support.specs import World, config, dataset, deployment, job, steps, tuned

BASE = Address("deployment", "base")
REFRESH = Options(mode=Mode.REFRESH_ONLY)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def spec(capacity: Any = 1, **drift: Any) -> Config:
    made = deployment("base", "gpt", capacity)
    return replace(config(made), drift=drift)


def planned(world: World, wanted: Config, kind: str = "", options: Options = NORMAL) -> Plan:
    """With `kind` as the provider's word on what has become of objects that are gone."""
    observed = refresh(world.state, Reader(lambda name: world.provider, clock=VirtualTime()))
    gone = [address for address, remote in observed.objects.items() if remote is None]
    observed = replace(observed, causes=dict.fromkeys(gone, kind) if kind else {})
    return plan(wanted, build(wanted), world.state, observed, options)


def change(world: World, **sku: Any) -> None:
    (thing,) = world.cloud.of_kind("deployment")
    thing.inputs["sku"] = {**thing.inputs["sku"], **sku}  # type: ignore[dict-item]


def test_a_change_is_reverted(world: World) -> None:
    world.apply(spec())
    change(world, capacity=5)
    made = planned(world, spec())
    assert steps(made) == ["update deployment.base"]
    ((drift),) = made.drift
    assert (drift.kind, drift.policy, drift.is_expected) == ("changed", "revert", False)


def test_a_change_is_ignored_until_the_spec_changes(world: World) -> None:
    world.apply(spec())
    change(world, capacity=5)
    ignoring = spec(changed="ignore")
    assert planned(world, ignoring).is_empty
    assert not planned(world, ignoring).noticed
    made = planned(world, spec(3, changed="ignore"))
    assert [(a.path, a.before, a.after) for a in made.changes[0].attributes] == [("sku.capacity", 1, 3)]


@pytest.mark.parametrize("kind", ["vanished", "expired", "retired"])
def test_what_is_gone_is_made_again(world: World, kind: str) -> None:
    world.apply(spec())
    world.cloud.things.clear()
    made = planned(world, spec(), kind)
    assert steps(made) == ["create deployment.base"]
    assert made.changes[0].reason == (kind, DRIFT_CLASSES[kind].reason)
    assert made.drift[0].is_expected is (kind == "expired")


@pytest.mark.parametrize("kind", ["vanished", "expired", "retired"])
def test_what_is_gone_is_left_alone_until_the_spec_changes(world: World, kind: str) -> None:
    world.apply(spec())
    world.cloud.things.clear()
    for _ in range(2):
        made = planned(world, spec(**{kind: "ignore"}), kind)
        assert made.is_empty
        assert not made.entries
        assert made.unchanged == 1
    assert steps(planned(world, spec(2, **{kind: "ignore"}), kind)) == ["create deployment.base"]
    assert planned(world, spec(**{kind: "ignore"}), kind, REFRESH).entries == ()


@pytest.mark.parametrize("kind", ["vanished", "expired", "changed"])
def test_fail_means_that_nothing_is_planned(world: World, kind: str) -> None:
    world.apply(spec())
    if kind == "changed":
        change(world, capacity=5)
    else:
        world.cloud.things.clear()
    with pytest.raises(Blocked) as caught:
        planned(world, spec(**{kind: "fail"}), "" if kind == "changed" else kind)
    assert str(caught.value) == f"deployment.base {DRIFT_CLASSES[kind].says}"
    assert planned(world, spec(**{kind: "fail"}), options=REFRESH).drift, "but looking is allowed"
    planned(world, spec(**{kind: "fail"}), options=Options(mode=Mode.DESTROY))


def test_another_spelling_is_no_drift(world: World) -> None:
    world.apply(spec())
    change(world, name="standard", capacity="1")
    for drift in ({}, {"normalised": "revert"}, {"changed": "fail"}):
        made = planned(world, spec(**drift))
        assert (made.changes, made.drift) == ((), ())


def test_tags_that_were_emptied_are_put_back(world: World) -> None:
    wanted = config(deployment("base", "gpt", tags={"owner": "bot"}))
    world.apply(wanted)
    (thing,) = world.cloud.of_kind("deployment")
    thing.inputs["tags"] = {}
    made = planned(world, wanted)
    assert [(d.kind, d.attributes[0][:3]) for d in made.drift] == [("changed", ("tags.owner", "bot", None))]
    assert [a[:3] for a in made.changes[0].attributes] == [("tags.owner", None, "bot")]
    world.apply(wanted)
    assert thing.inputs["tags"] == {"owner": "bot"}
    thing.inputs["tags"] = {}
    assert planned(world, replace(wanted, drift={"changed": "ignore"})).is_empty


def test_what_is_ignored_is_no_drift(world: World) -> None:
    ignoring = Lifecycle(ignore_changes=("sku.capacity", "tags"))

    def wanted(name: str, **drift: str) -> Config:
        sku = {"name": name, "capacity": 1}
        made = deployment("base", "gpt", lifecycle=ignoring, tags={"a": "1"})
        return replace(config(replace(made, inputs={**made.inputs, "sku": sku})), drift=drift)

    world.apply(wanted("Standard"))
    change(world, capacity=40)
    (thing,) = world.cloud.of_kind("deployment")
    thing.inputs["tags"] = {"b": "2"}
    made = planned(world, wanted("Standard", changed="fail", normalised="fail"))
    assert (made.changes, made.noticed, made.entries) == ((), (), ())
    assert all(drift.is_expected for drift in made.drift)
    assert {a.path for drift in made.drift for a in drift.attributes} == {"sku.capacity", "tags.a", "tags.b"}
    accepted = planned(world, wanted("Standard"), options=REFRESH)
    assert (accepted.noticed, accepted.entries) == ((), ())
    change(world, name="GlobalStandard")
    ((drift),) = planned(world, wanted("Standard")).noticed
    assert [a.path for a in drift.attributes] == ["sku.name"], "what isn't ignored is drift"


UPGRADABLE = [
    ({"model": "gpt-4o-2024-08-06"}, {"model": "gpt-4o-2024-11-20"}),
    ({"model": "gpt-4o", "version": "2024-08-06"}, {"version": "2024-11-20"}),
    ({"model": "gpt-35-turbo", "version": "0613"}, {"version": "0125"}),
]
NO_UPGRADES = [
    ({"version_upgrade_option": "NoAutoUpgrade"}, {}),
    ({}, {"model": "gpt-4o-mini-2024-11-20"}),
    ({}, {"model": "gpt-4o-2024-05-13"}),
    ({}, {"model": "gpt-4o-2024-11-20.ft-1"}),
]


def served(world: World, inputs: dict[str, Any], now: dict[str, Any]) -> Config:
    """A deployment with these inputs, and what has become of it since."""
    wanted = config(deployment("base", **inputs))
    world.apply(wanted)
    world.cloud.of_kind("deployment")[0].inputs.update(now)
    return wanted


@pytest.mark.parametrize("option", [None, "OnceNewDefaultVersionAvailable", "onceCurrentVersionExpired"])
@pytest.mark.parametrize(("inputs", "now"), UPGRADABLE)
def test_an_upgrade_by_the_service_is_expected(
    world: World, inputs: dict[str, Any], now: dict[str, Any], option: str | None
) -> None:
    wanted = served(world, {**inputs, "version_upgrade_option": option}, now)
    made = planned(world, wanted)
    assert made.is_empty
    assert [(d.kind, d.policy, d.is_expected) for d in made.drift] == [("upgraded", "ignore", True)]
    with pytest.raises(Blocked, match="was upgraded by the service"):
        planned(world, replace(wanted, drift={"upgraded": "fail"}))


@pytest.mark.parametrize(("more", "now"), NO_UPGRADES)
def test_what_the_service_would_not_do_is_a_change(
    world: World, more: dict[str, Any], now: dict[str, Any]
) -> None:
    now = {"model": "gpt-4o-2024-11-20", **now}
    made = planned(world, served(world, {"model": "gpt-4o-2024-08-06", **more}, now))
    assert [d.kind for d in made.drift] == ["changed"]
    assert [a.path for a in made.changes[-1].attributes] == ["model"]


def test_a_spec_that_follows_an_upgrade_and_one_that_forbids_it(world: World) -> None:
    old, new = "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"
    served(world, {"model": old}, {"model": new})
    world.apply(config(deployment("base", new)))
    assert planned(world, config(deployment("base", new))).drift == ()
    stopped = planned(world, config(deployment("base", old, version_upgrade_option="NoAutoUpgrade")))
    assert [a.path for a in stopped.changes[0].attributes] == ["model", "version_upgrade_option"]


def test_what_was_filled_in_is_no_difference_and_what_was_changed_beside_it_is(world: World) -> None:
    world.apply(spec())
    change(world, tier="S0", name="STANDARD", capacity=7)
    made = planned(world, spec())
    assert {(d.kind, tuple(a.path for a in d.attributes)) for d in made.drift} == {
        ("normalised", ("sku.tier",)),
        ("changed", ("sku.capacity",)),
    }
    (update,) = made.changes
    assert [a.path for a in update.attributes] == ["sku.capacity"]


def test_refresh_only_takes_a_change_for_granted(world: World) -> None:
    world.apply(spec())
    change(world, capacity=5)
    world.apply(spec(), REFRESH)
    assert world.state.resources[BASE].inputs["sku"] == {"name": "Standard", "capacity": 5}
    made = planned(world, spec())
    assert made.drift == ()
    assert steps(made) == ["update deployment.base"], "the spec says otherwise all the same"
    assert planned(world, spec(5)).is_empty


def test_an_ignored_deployment_comes_back_with_a_new_model(world: World) -> None:
    def trained(digest: str) -> Config:
        made = config(dataset("a", digest), job("j", "a"), deployment("base", tuned("j")))
        return replace(made, drift={"expired": "ignore"})

    world.apply(trained("1"))
    del world.cloud.things[world.cloud.of_kind("deployment")[0].remote_id]
    assert planned(world, trained("1"), "expired").is_empty
    made = planned(world, trained("2"), "expired")
    assert "create deployment.base" in steps(made)
    assert not any("deployment.base#" in step for step in steps(made))


@pytest.mark.parametrize(
    ("type_", "model", "today", "is_retired"),
    [
        ("azure_openai", "old-model-2020-01-01.ft-0123456789abcdef", date(2030, 1, 1), True),
        ("azure_openai", "old-model-2020-01-01", date(2029, 12, 31), False),
        ("azure_openai", "nobody-knows", date(2040, 1, 1), False),
        ("emulator", "old-model-2020-01-01", date(2040, 1, 1), False),
    ],
)
def test_models_that_are_retired(
    tmp_path: Path, type_: str, model: str, today: date, is_retired: bool
) -> None:
    (tmp_path / "ftops.catalog.yaml").write_text(
        "models:\n  old-model-2020-01-01:\n    name: old-model\n    version: 2020-01-01\n"
        "    retirement: {inference: 2030-01-01}\n"
    )
    recorded = ResourceState(BASE, "here", "x", Status.READY, inputs={"model": model})
    wanted = replace(config(), project=tmp_path, providers={"here": ProviderConfig("here", type_)})
    found = list(retired([BASE], State("l", resources={BASE: recorded}), wanted, {}, today))
    assert found == [BASE] * is_retired
