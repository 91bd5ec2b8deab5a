"""What a change of the spec, the state or the cloud leads to: one scenario a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.applying.run import Settings
from ftops.config.config import Config, Lifecycle, Output, Refactorings, Removal, Resource
from ftops.config.graph import build
from ftops.core.address import Address, Reference, Secret, Template, Value
from ftops.core.errors import Blocked, SpecError
from ftops.planning.desired import no_value
from ftops.planning.plan import Action, Change, Mode, Options, Plan
from ftops.planning.plan_document import plan_to_json
from ftops.planning.planner import plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.state.state import Observed
from tests.support.cloud import Cloud
from tests.support.specs import PROVIDER, World, config, dataset, deployment, job, steps, tuned

BASE = Address("deployment", "base")
PROTECTED = Lifecycle(prevent_destroy=True)


def chain(digest: str = "1", **inputs: object) -> Config:
    return config(
        dataset("train", digest),
        job("copilot", "train", **inputs),  # type: ignore[arg-type]
        deployment("prod", tuned("copilot")),
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def change_of(made: Plan, address: str) -> Change:
    return next(c for c in made.changes if c.step == address)


def test_everything_is_created_in_dependency_order(world: World) -> None:
    made = world.plan(chain())
    assert steps(made) == ["create dataset.train", "create job.copilot", "create deployment.prod"]
    assert change_of(made, "deployment.prod").waits_for == ("job.copilot",)


def fetched(url: Value) -> Config:
    return config(Resource(Address("dataset", "train"), PROVIDER, {"url": url}), job("copilot", "train"))


def test_another_url_is_another_file(world: World) -> None:
    world.apply(fetched("https://x.example/a.jsonl"))
    made = world.plan(fetched("https://x.example/b.jsonl"))
    assert change_of(made, "dataset.train").action is Action.REPLACE
    assert change_of(made, "job.copilot").action is Action.REPLACE
    world.apply(fetched("https://x.example/b.jsonl"))
    assert world.plan(fetched("https://x.example/b.jsonl")).changes == ()


def test_a_signature_that_rotates_is_no_change(world: World) -> None:
    token = Secret("env", "SAS")

    def signed(path: str) -> Config:
        return replace(fetched(Template((f"https://x.example/{path}?", token))), secrets={token: "s"})

    world.apply(signed("a.jsonl"), secret_digests={token: "1"})
    assert world.plan(signed("a.jsonl"), secret_digests={token: "2"}).changes == ()
    made = world.plan(signed("b.jsonl"), secret_digests={token: "1"})
    assert change_of(made, "dataset.train").action is Action.REPLACE


def test_a_changed_example_replaces_all_that_follows_and_deletes_the_old_last(world: World) -> None:
    world.apply(chain("1"))
    made = world.plan(chain("2"))
    kinds = [(c.action, c.address.kind, bool(c.deposed)) for c in made.changes]
    assert kinds == [
        (Action.REPLACE, "dataset", False),
        (Action.REPLACE, "job", False),
        (Action.DELETE, "deployment", False),
        (Action.REPLACE, "deployment", False),
        (Action.DELETE, "job", True),
        (Action.DELETE, "dataset", True),
    ]
    assert change_of(made, "dataset.train").reason.text == "content changed"
    assert change_of(made, "job.copilot").reason.text == "training changed (dataset.train)"
    expected = "model comes from job.copilot, which will be replaced"
    assert change_of(made, "deployment.prod").reason.text == expected
    assert made.summary["replace"] == 3
    assert sum(made.summary.values()) == 3


def test_a_reference_that_leads_to_nothing_is_found_out_once_the_job_is_done(world: World) -> None:
    missing = Reference(Address("job", "copilot"), "checkpoint.7")
    spec = config(dataset("train", "1"), job("copilot", "train"), deployment("prod", missing))
    assert steps(world.plan(spec)) == ["create dataset.train", "create job.copilot", "create deployment.prod"]
    world.apply(chain())
    with pytest.raises(SpecError) as caught:
        world.plan(spec)
    assert caught.value.diagnostics[0].summary == "${job.copilot.checkpoint.7} has no value"
    retrained = config(dataset("train", "2"), job("copilot", "train"), deployment("prod", missing))
    assert "replace job.copilot" in steps(world.plan(retrained))


@pytest.mark.parametrize(
    ("checkpoints", "said"),
    [
        ({"best": "m", "9": "m", "80": "m", "120": "m"}, "There are: best, 9, 80, 120."),
        ({}, "the service reported no checkpoint.7."),
    ],
)
def test_the_values_that_there_are(checkpoints: dict[str, str], said: str) -> None:
    reference = Reference(Address("job", "copilot"), "checkpoint.7")
    assert said in no_value(reference, {"checkpoint": checkpoints})[1]


def test_a_renamed_dataset_with_the_same_bytes_does_not_train_again(world: World) -> None:
    world.apply(chain())
    renamed = config(dataset("data", "1"), job("copilot", "data"), deployment("prod", tuned("copilot")))
    made = world.plan(renamed)
    assert not made.changes
    assert made.moves == ((Address("dataset", "train"), Address("dataset", "data")),)


@pytest.mark.parametrize("recorded_with", [True, False])
def test_a_default_that_is_said_or_left_out_trains_nothing_again(world: World, recorded_with: bool) -> None:
    def spec(said: bool) -> Config:
        trained = job("copilot", "train")
        inputs = dict(trained.inputs)
        if not said:
            del inputs["training_type"], inputs["method"]
        follower = job("more", "train", tuned("copilot"))
        return config(dataset("train", "1"), replace(trained, inputs=inputs), follower)

    world.apply(spec(recorded_with))
    assert world.plan(spec(not recorded_with)).is_empty


def test_a_lost_file_is_uploaded_again_without_training_again(world: World) -> None:
    world.apply(chain())
    del world.cloud.things["dataset-1"]
    made = world.plan(chain())
    assert steps(made) == ["create dataset.train"]
    assert change_of(made, "dataset.train").reason.code == "vanished"
    assert [(str(d.address), d.kind) for d in made.drift] == [("dataset.train", "vanished")]


def test_a_changed_hyperparameter_names_its_set(world: World) -> None:
    def spec(epochs: int) -> Config:
        trained = job("copilot", "train", hyperparameters={"n_epochs": epochs})
        return config(dataset("train", "1"), replace(trained, sources={"hyperparameters": "careful"}))

    world.apply(spec(3))
    change = change_of(world.plan(spec(4)), "job.copilot")
    assert change.reason.text == "hyperparameters.n_epochs changed (hyperparameters.careful)"
    assert [(a.path, a.before, a.after) for a in change.attributes] == [("hyperparameters.n_epochs", 3, 4)]


def test_capacity_changes_in_place_and_a_sku_forces_replacement(world: World) -> None:
    world.apply(config(deployment("base", "gpt")))
    assert steps(world.plan(config(deployment("base", "gpt", 5)))) == ["update deployment.base"]
    other = config(deployment("base", "gpt", sku={"name": "GlobalStandard", "capacity": 1}))
    assert steps(world.plan(other)) == ["delete deployment.base#old", "replace deployment.base"]


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ("gpt-a", "gpt-b", "update"),
        ("gpt-a", "gpt-a.ft-1", "replace"),
        ("gpt-a.ft-1", "gpt-a.ft-2", "replace"),
    ],
)
def test_a_base_model_changes_in_place_and_a_tuned_one_does_not(
    world: World, before: str, after: str, action: str
) -> None:
    world.apply(config(deployment("d", before)))
    assert change_of(world.plan(config(deployment("d", after))), "deployment.d").action == action


def test_capacity_changed_outside_is_drift_and_is_put_right(world: World) -> None:
    wanted = config(deployment("base", "gpt"))
    world.apply(wanted)
    world.cloud.of_kind("deployment")[0].inputs["sku"] = {"name": "Standard", "capacity": 9}
    made = world.plan(wanted)
    assert [(d.kind, d.attributes[0].path, d.attributes[0].after) for d in made.drift] == [
        ("changed", "sku.capacity", 9)
    ]
    attribute = change_of(made, "deployment.base").attributes[0]
    assert (attribute.before, attribute.after) == (9, 1)


def test_ignore_changes_leaves_an_attribute_alone(world: World) -> None:
    ignoring = Lifecycle(ignore_changes=("sku.capacity",))
    world.apply(config(deployment("base", "gpt", lifecycle=ignoring)))
    assert world.plan(config(deployment("base", "gpt", 7, lifecycle=ignoring))).is_empty


@pytest.mark.parametrize("options", [Options(), Options(replaces=(BASE,))], ids=["forced", "asked"])
def test_a_replacement_keeps_what_is_ignored(world: World, options: Options) -> None:
    ignoring = Lifecycle(ignore_changes=("sku.capacity", "tags", "rai_policy"))

    def spec(**inputs: Value) -> Config:
        made = deployment("base", "gpt", lifecycle=ignoring)
        return config(replace(made, inputs={**made.inputs, **inputs}))

    world.apply(spec(sku={"name": "Standard", "capacity": 3}, tags={"owner": "bot"}))
    (thing,) = world.cloud.of_kind("deployment")
    thing.inputs["sku"] = {"name": "Standard", "capacity": 40}
    wanted = spec(
        sku={"name": "GlobalStandard", "capacity": 90}, tags={"owner": "spec"}, rai_policy="Microsoft.Default"
    )
    made = world.plan(wanted, options)
    assert [a.path for a in change_of(made, "deployment.base").attributes] == ["sku.name"]
    assert made.warnings == (
        'deployment.base: rai_policy stays unset, although the spec has "Microsoft.Default" (ignore_changes)',
        "deployment.base: sku.capacity stays 40, although the spec has 90 (ignore_changes)",
        'deployment.base: tags.owner stays "bot", although the spec has "spec" (ignore_changes)',
    )
    world.apply(wanted, options)
    (thing,) = world.cloud.of_kind("deployment")
    assert thing.inputs["sku"] == {"name": "GlobalStandard", "capacity": 40}
    assert thing.inputs["tags"] == {"owner": "bot"}
    assert "rai_policy" not in thing.inputs
    assert world.plan(wanted).is_empty


def test_a_secret_that_nobody_knows_any_more_is_not_kept(world: World) -> None:
    token = Secret("env", "OWNER")
    ignoring = Lifecycle(ignore_changes=("tags",))

    def spec(sku: str, owner: Value) -> Config:
        made = deployment("base", "gpt", lifecycle=ignoring, tags={"owner": owner})
        made = replace(made, inputs={**made.inputs, "sku": {"name": sku, "capacity": 1}})
        return config(made, secrets={token: "ann-of-the-team"} if owner is token else {})

    world.apply(spec("Standard", token), secret_digests={token: "1"})
    with_secret = world.plan(spec("GlobalStandard", token), secret_digests={token: "1"})
    assert change_of(with_secret, "deployment.base").after["tags"] == {"owner": token}
    without = change_of(world.plan(spec("GlobalStandard", "bob")), "deployment.base")
    assert without.after["tags"] == {"owner": "bob"}
    assert [a.path for a in without.attributes] == ["sku.name", "tags.owner"]


def test_a_new_job_keeps_settings_that_are_ignored_and_takes_the_data_of_the_spec(world: World) -> None:
    ignoring = Lifecycle(ignore_changes=("seed", "training", "model"))

    def spec(digest: str, base: str, seed: int, suffix: str) -> Config:
        first = job("first", "train", base)
        more = job("more", "train", tuned("first"), ignoring, seed=seed, suffix=suffix)
        return config(dataset("train", digest), first, more)

    world.apply(spec("1", "base", 1, "a"))
    ignored = world.plan(spec("2", "other", 2, "a"))
    assert not any(c.address.name == "more" for c in ignored.changes), "ignored alone, it is left as it is"
    wanted = spec("2", "other", 2, "b")
    change = change_of(world.plan(wanted), "job.more")
    assert [a.path for a in change.attributes] == ["model", "suffix", "training"]
    assert change.after["seed"] == 1
    sent = spec("2", "other", 1, "b")
    assert change.fingerprint == change_of(world.plan(sent), "job.more").fingerprint
    world.apply(wanted)
    assert world.plan(wanted).is_empty


def test_a_new_job_keeps_a_base_model_that_is_ignored(world: World) -> None:
    ignoring = Lifecycle(ignore_changes=("model",))
    world.apply(config(dataset("train", "1"), job("j", "train", "base", ignoring, seed=1)))
    made = world.plan(config(dataset("train", "1"), job("j", "train", "other", ignoring, seed=2)))
    change = change_of(made, "job.j")
    assert [a.path for a in change.attributes] == ["seed"]
    assert change.after["model"] == "base"


@pytest.mark.parametrize(
    "other",
    [
        {"model": "BASE", "integrations": [], "hyperparameters": {"n_epochs": "1"}},
        {"suffix": None, "hyperparameters": {"n_epochs": 1.0, "batch_size": "auto"}},
    ],
)
def test_another_spelling_trains_nothing_again_alone_or_in_company(
    world: World, other: dict[str, Value]
) -> None:
    def spec(seed: int, **more: Value) -> Config:
        made = job("j", "train", "base", hyperparameters={"n_epochs": 1}, seed=seed)
        follower = job("more", "train", tuned("j"))
        return config(dataset("train", "1"), replace(made, inputs={**made.inputs, **more}), follower)

    world.apply(spec(1))
    assert world.plan(spec(1, **other)).is_empty
    assert [a.path for a in change_of(world.plan(spec(2, **other)), "job.j").attributes] == ["seed"]


def test_blue_green_makes_the_new_deployment_first(world: World) -> None:
    def spec(digest: str) -> Config:
        served = deployment("prod", tuned("copilot"), replace="blue_green")
        return config(dataset("train", digest), job("copilot", "train"), served)

    world.apply(spec("1"))
    made = steps(world.plan(spec("2")))
    assert made.index("replace deployment.prod") < next(
        i for i, s in enumerate(made) if s.startswith("delete deployment.prod#")
    )
    assert not any(s.endswith("#old") for s in made)


def test_a_failed_job_is_replaced_with_the_reason_of_the_service(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(fail_job=lambda thing: "line 7 is not valid"))
    report = world.apply(chain())
    assert report.result == "failed"
    assert report.failures[0].error.detail == "line 7 is not valid"
    world.cloud.fail_job = lambda thing: ""
    made = world.plan(chain())
    assert steps(made) == ["delete job.copilot#old", "replace job.copilot", "create deployment.prod"]
    assert "line 7 is not valid" in change_of(made, "job.copilot").reason.text
    assert world.apply(chain()).result == "done"
    assert world.names() == {"dataset": 1, "job": 1, "deployment": 1}


def test_a_job_still_in_the_making_is_not_paid_for_twice_when_it_has_to_be_replaced(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=3))
    assert world.apply(chain("1"), settings=Settings(wait=False)).result == "in-progress"
    plan = world.plan(chain("2"))
    made = steps(plan)
    assert made.index("delete job.copilot#old") < made.index("replace job.copilot")
    assert [w for w in plan.warnings if "job.copilot is still in progress" in w and "is billed" in w]


def test_a_running_job_that_is_deleted_is_cancelled_and_the_plan_says_so(tmp_path: Path) -> None:
    world = World(tmp_path, Cloud(patience=3))
    world.apply(chain(), settings=Settings(wait=False))
    gone = world.plan(chain(), Options(mode=Mode.DESTROY))
    assert [w.partition(" (")[0] for w in gone.warnings] == ["job.copilot is still in progress"]
    assert not world.plan(chain()).warnings
    kept = config(*(replace(r, lifecycle=Lifecycle(on_destroy="retain")) for r in chain().resources))
    assert not world.plan(kept, Options(mode=Mode.DESTROY)).warnings


@pytest.mark.parametrize("submitted", [False, True], ids=["it failed", "it is still training"])
def test_what_serves_an_older_model_stays_until_the_new_one_is_trained(
    tmp_path: Path, submitted: bool
) -> None:
    world = World(tmp_path, Cloud(patience=3))
    world.apply(chain("1"))
    world.cloud.fail_job = lambda thing: "" if submitted else "line 7 is not valid"
    world.apply(chain("2"), settings=Settings(wait=not submitted))
    world.cloud.fail_job = lambda thing: ""
    made = world.plan(chain("3"))
    order = steps(made)
    assert order.index("replace job.copilot") < order.index("delete deployment.prod#old")
    assert order.index("delete job.copilot#old") < order.index("replace job.copilot")
    assert world.apply(chain("3")).result == "done"
    assert world.names() == {"dataset": 1, "job": 1, "deployment": 1}


def test_protection_blocks_deletion_and_replacement_and_survives_its_own_lines(world: World) -> None:
    world.apply(config(deployment("prod", "gpt.ft-1", lifecycle=PROTECTED)))
    with pytest.raises(
        Blocked, match=r"deployment\.prod is protected, and the plan would delete it"
    ) as refused:
        world.plan(config(dataset("other", "1")))
    assert (
        "The resource would be deleted because it is no longer declared."
        in refused.value.diagnostics[0].detail
    )
    with pytest.raises(Blocked, match="would replace it"):
        world.plan(config(deployment("prod", "gpt.ft-2", lifecycle=PROTECTED)))
    with pytest.raises(Blocked):
        world.plan(config(deployment("prod", "gpt.ft-1", lifecycle=PROTECTED)), Options(mode=Mode.DESTROY))


def test_lifting_protection_is_recorded_without_touching_anything(world: World) -> None:
    world.apply(config(deployment("prod", "gpt", lifecycle=PROTECTED)))
    unprotected = config(deployment("prod", "gpt"))
    made = world.plan(unprotected)
    assert made.settings == ((BASE._replace(name="prod"), "lifecycle.prevent_destroy", True, False),)
    assert not made.changes
    assert not made.is_empty
    world.apply(unprotected)
    assert world.plan(unprotected).is_empty
    assert not world.state.resources[Address("deployment", "prod")].prevent_destroy
    assert steps(world.plan(config(dataset("a", "1")))) == ["create dataset.a", "delete deployment.prod"]


@pytest.mark.parametrize("capacity", [1, 2], ids=["alone", "in-company"])
@pytest.mark.parametrize(
    ("lifecycle", "expected"),
    [
        (Lifecycle(prevent_destroy=True), [("lifecycle.prevent_destroy", False, True)]),
        (Lifecycle(on_destroy="retain"), [("lifecycle.on_destroy", "delete", "retain")]),
        (Lifecycle(ignore_changes=("tags",)), []),
    ],
)
def test_a_new_setting_is_a_change(
    world: World, capacity: int, lifecycle: Lifecycle, expected: list[tuple[str, object, object]]
) -> None:
    world.apply(config(deployment("base", "gpt"), deployment("other", "gpt")))
    wanted = config(deployment("base", "gpt", capacity, lifecycle), deployment("other", "gpt"))
    made = world.plan(wanted)
    assert [s[1:] for s in made.settings] == expected
    assert made.is_empty is (not expected and capacity == 1)
    plain = world.plan(config(deployment("base", "gpt", capacity), deployment("other", "gpt")))
    assert (plan_digest(made) == plan_digest(plain)) is (not expected)
    world.apply(wanted)
    assert world.plan(wanted).is_empty


def test_settings_of_what_the_plan_is_not_about_are_left_alone(world: World) -> None:
    world.apply(config(deployment("base", "gpt"), deployment("other", "gpt")))
    wanted = config(deployment("base", "gpt", lifecycle=PROTECTED), deployment("other", "gpt"))
    assert world.plan(wanted, Options(targets=(Address("deployment", "other"),))).is_empty
    assert world.plan(wanted, Options(mode=Mode.REFRESH_ONLY)).is_empty
    retained = config(deployment("base", "gpt", lifecycle=Lifecycle(on_destroy="retain")))
    assert world.plan(retained, Options(mode=Mode.DESTROY)).settings == ()


def test_an_empty_spec_does_not_delete_everything(world: World) -> None:
    world.apply(chain())
    with pytest.raises(Blocked, match="declares nothing, but 3 resources exist") as caught:
        world.plan(config())
    assert "It was read from /nowhere." in caught.value.diagnostics[0].detail
    named = [Removal(Address(*name.split("."))) for name in ("dataset.train", "job.copilot")]
    with pytest.raises(Blocked):
        world.plan(config(refactorings=Refactorings(removals=tuple(named))))
    named.append(Removal(Address("deployment", "prod"), retain=True))
    meant = world.plan(config(refactorings=Refactorings(removals=tuple(named))))
    assert steps(meant)[0] == "forget deployment.prod"
    assert steps(world.plan(config(), Options(allow_empty=True))) == [
        "delete deployment.prod",
        "delete job.copilot",
        "delete dataset.train",
    ]


def test_what_is_retained_is_forgotten_not_deleted(world: World) -> None:
    keep = Lifecycle(on_destroy="retain")
    world.apply(config(dataset("a", "1"), job("j", "a", lifecycle=keep)))
    made = world.plan(config(dataset("a", "1")))
    assert steps(made) == ["forget job.j"]
    world.apply(config(dataset("a", "1")))
    assert len(world.cloud.of_kind("job")) == 1
    assert Address("job", "j") not in world.state.resources


def test_replace_asks_for_a_replacement_of_what_has_not_changed(world: World) -> None:
    world.apply(chain())
    made = world.plan(chain(), Options(replaces=(Address("job", "copilot"),)))
    assert change_of(made, "job.copilot").reason.code == "asked"
    assert change_of(made, "deployment.prod").action is Action.REPLACE


def test_a_target_leaves_the_old_model_to_those_that_still_use_it(world: World) -> None:
    world.apply(chain("1"))
    only_job = Options(targets=(Address("job", "copilot"),))
    made = world.plan(chain("2"), only_job)
    assert not any(s.startswith("delete job") for s in steps(made))
    assert made.warnings == ("the old object of job.copilot is kept: deployment.prod still uses it",)
    world.apply(chain("2"), only_job)
    assert not any(s.startswith("delete job") for s in steps(world.plan(chain("2"), only_job)))
    world.apply(chain("2"))
    assert world.names() == {"dataset": 1, "job": 1, "deployment": 1}
    assert world.plan(chain("2")).is_empty


def test_exclude_leaves_out_a_resource_and_what_needs_it(world: World) -> None:
    made = world.plan(chain(), Options(excludes=(Address("job", "copilot"),)))
    assert steps(made) == ["create dataset.train"]


def test_refresh_only_changes_nothing_but_the_records(world: World) -> None:
    world.apply(chain())
    del world.cloud.things["deployment-3"]
    made = world.plan(chain("2"), Options(mode=Mode.REFRESH_ONLY))
    assert made.changes == ()
    assert [d.kind for d in made.drift] == ["vanished"]
    world.apply(chain("2"), Options(mode=Mode.REFRESH_ONLY))
    assert Address("deployment", "prod") not in world.state.resources


def test_another_provider_means_another_object(world: World) -> None:
    world.apply(config(dataset("a", "1")))
    elsewhere = config(replace(dataset("a", "1"), provider="elsewhere"))
    change = change_of(world.plan(elsewhere), "dataset.a")
    assert (change.action, change.reason.code, change.provider) == (Action.REPLACE, "provider", "elsewhere")


def test_a_secret_that_changed_is_a_change_and_shows_nowhere(world: World) -> None:
    secret = Secret("env", "WANDB_KEY")
    wanted = config(
        dataset("a", "1"), job("j", "a", integrations=[{"key": secret}]), secrets={secret: "s3cr3t"}
    )
    made = _plan_with_digest(world, wanted, secret, "11111111")
    assert "s3cr3t" not in str(plan_to_json(made)) and "${env.WANDB_KEY}" in str(plan_to_json(made))
    world.apply(wanted, secret_digests={secret: "11111111"})
    assert "s3cr3t" not in world.store.snapshot_path.read_text(encoding="utf-8")
    assert _plan_with_digest(world, wanted, secret, "11111111").is_empty
    assert steps(_plan_with_digest(world, wanted, secret, "22222222"))[0] == "replace job.j"
    assert world.cloud.of_kind("job")[0].inputs["integrations"] == [{"key": "s3cr3t"}]


def _plan_with_digest(world: World, wanted: Config, secret: Secret, digest: str) -> Plan:
    return plan(wanted, build(wanted), world.state, Observed(), secret_digests={secret: digest})


def test_outputs_are_recorded_and_a_change_of_them_alone_is_a_change(world: World) -> None:
    one = replace(chain(), outputs=(Output("model", tuned("copilot")),))
    made = world.plan(one)
    assert [(o.name, o.after) for o in made.outputs] == [("model", tuned("copilot"))]
    world.apply(one)
    assert world.state.outputs == {"model": "base.ft-job-2"}
    assert world.plan(one).is_empty
    two = replace(one, outputs=(*one.outputs, Output("name", "x")))
    assert [o.name for o in world.plan(two).outputs] == ["name"]
    assert not world.plan(two).is_empty


def test_sensitive_outputs_are_never_recorded(world: World) -> None:
    wanted = replace(chain(), outputs=(Output("model", tuned("copilot"), sensitive=True),))
    world.apply(wanted)
    assert world.state.outputs == {}


def test_a_cycle_is_an_error_that_prints_it() -> None:
    first = job("a", "d", tuned("b"))
    second = job("b", "d", tuned("a"))
    with pytest.raises(SpecError) as caught:
        build(config(dataset("d", "1"), first, second))
    detail = caught.value.diagnostics[0].detail
    assert "job.a needs job.b" in detail and "job.b needs job.a" in detail


def test_turning_a_dependency_round_has_an_order(world: World) -> None:
    def spec(first: str, second: str) -> Config:
        resources: list[Resource] = [
            dataset("d", "1"),
            job(first, "d"),
            job(second, "d", tuned(first)),
            deployment("x", tuned("a")),
            deployment("y", tuned("b")),
        ]
        return config(*resources)

    world.apply(spec("a", "b"))
    assert world.apply(spec("b", "a")).result == "done"
    assert world.plan(spec("b", "a")).is_empty
    assert world.names() == {"dataset": 1, "job": 2, "deployment": 2}


def test_ten_thousand_resources_need_no_recursion(world: World) -> None:
    """A chain as long as that: jobs that go on from each other's models."""
    links: list[Resource] = [job("j0", "d")]
    links += [job(f"j{i}", "d", tuned(f"j{i - 1}")) for i in range(1, 3000)]
    made = world.plan(config(dataset("d", "1"), *links))
    assert len(made.changes) == 3001


@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.DESTROY])
def test_a_plan_says_that_protection_is_lifted(world: World, mode: Mode) -> None:
    world.apply(config(deployment("prod", "gpt.ft-1", lifecycle=PROTECTED)))
    made = world.plan(config(deployment("prod", "gpt.ft-2")), Options(mode=mode))
    done = "replaced" if mode is Mode.NORMAL else "deleted"
    assert made.warnings == (
        f"deployment.prod will be {done}: prevent_destroy is set in the state, but no longer in the spec",
    )


@pytest.mark.parametrize(("model", "sku"), [("GPT", "standard"), ("gpt", "STANDARD"), ("Gpt", "Standard")])
@pytest.mark.parametrize("change", [{"capacity": 2}, {"source": "/subscriptions/s"}])
def test_what_is_only_spelled_otherwise_is_sent_as_the_service_took_it(
    world: World, model: str, sku: str, change: dict[str, Any]
) -> None:
    world.apply(config(deployment("prod", "gpt", tags={"team": "a"})))
    sized = {"name": sku, "capacity": change.get("capacity", 1)}
    more = {name: value for name, value in change.items() if name != "capacity"}
    wanted = config(deployment("prod", model, sku=sized, tags={"team": "b"}, **more))
    sent = next(c for c in world.plan(wanted).changes if c.step == "deployment.prod")
    assert sent.after["model"] == "gpt"
    assert sent.after["sku"] == {"name": "Standard", "capacity": sized["capacity"]}
    assert sent.after["tags"] == {"team": "b"}
    world.apply(wanted)
    assert world.plan(wanted).is_empty
