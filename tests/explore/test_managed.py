"""Histories of managed deployments and adapters that the exploration once found to go wrong, shortened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.config import Lifecycle
from ftops.core.address import Address
from ftops.planning.plan import NORMAL, Options
from tests.explore import outside
from tests.explore.faults import Fault, FaultKind
from tests.explore.machine import FX, A, D, E, J, K, V
from tests.explore.serving import OPEN
from tests.explore.spec import Data, Exam, Item, Job, Serving, Spec
from tests.explore.story import DESTROY, Story
from tests.explore.world import World

TRAINED: Mapping[Address, Item] = {A: Data(), J: Job(A, base=OPEN), K: Job(A, epochs=2, base=OPEN)}
BASE, OTHER = Serving("base", managed=True), Serving("other", managed=True)


def trained(**served: Serving) -> Spec:
    """With deployments by the names of their addresses."""
    addresses = {"d": D, "e": E, "f": FX}
    return Spec({**TRAINED, **{addresses[name]: one for name, one in served.items()}})


@pytest.mark.parametrize(
    ("before", "after", "options"),
    [
        pytest.param(
            (was := trained(d=replace(BASE, blue_green=True), e=Serving("chat", J, on=D, blue_green=True))),
            was,
            replace(NORMAL, replaces=(D,)),
            id="a base is replaced under its name, and the adapter that gets a name of its own goes before",
        ),
        pytest.param(
            trained(d=BASE, e=OTHER, f=Serving("chat", J, on=E, blue_green=True)),
            trained(d=BASE, e=OTHER, f=Serving("chat", K, on=D, blue_green=True)),
            replace(NORMAL, replaces=(E,)),
            id="an adapter of another model is on another base before the old one is replaced",
        ),
        pytest.param(
            trained(d=BASE, e=OTHER, f=Serving("chat", J, on=E)),
            trained(d=BASE, e=OTHER, f=Serving("chat", J, on=D)),
            replace(NORMAL, replaces=(E,)),
            id="an adapter is moved to another base before the old one is replaced",
        ),
        pytest.param(
            trained(d=BASE, e=Serving("chat", J, on=D)),
            trained(d=OTHER, e=Serving("base", J, on=D)),
            NORMAL,
            id="an adapter takes the name of the base that it was on",
        ),
    ],
)
def test_what_stands_on_a_base_goes_before_it(
    tmp_path: Path, before: Spec, after: Spec, options: Options
) -> None:
    story = Story(World(tmp_path, before))
    clone = story.world.clones[0]
    assert story.apply(clone).is_done
    story.respec(clone, "another one", after)
    assert story.apply(clone, options).is_done
    story.end()


ADAPTED = trained(d=BASE, e=Serving("chat", J, on=D))
ASKED = Spec({**ADAPTED.items, V: Exam(J, via=E), FX: Serving("eval", J, on=D, gate=V)})


@pytest.mark.parametrize(
    ("before", "after", "options", "holder"),
    [
        (ADAPTED, ADAPTED, replace(NORMAL, replaces=(D,), targets=(D,)), "deployment.e"),
        (ADAPTED, ADAPTED, replace(NORMAL, replaces=(D,), excludes=(E,)), "deployment.e"),
        (ADAPTED, trained(d=Serving("base")), replace(NORMAL, targets=(D,)), "deployment.e"),
        (
            ASKED.with_item(J, (worse := Job(A, epochs=3, base=OPEN))),
            ASKED.with_item(J, worse).with_item(FX, Serving("eval", J, on=D, gate=V, least=1.0)),
            replace(NORMAL, replaces=(D,)),
            'deployment.f["x"]',
        ),
    ],
    ids=["target", "exclude", "no longer managed", "held by a gate"],
)
def test_a_base_is_not_replaced_under_an_adapter_that_stays(
    tmp_path: Path, before: Spec, after: Spec, options: Options, holder: str
) -> None:
    story = Story(World(tmp_path, before))
    clone = story.world.clones[0]
    assert story.apply(clone).is_done
    story.respec(clone, "another one", after)
    run = story.apply(clone, options)
    assert run.error is not None and not run.events
    assert f"deployment.d can't be replaced: {holder}, which the plan" in run.error.diagnostics[0].summary
    story.end()


def test_a_job_is_not_deleted_first_if_its_deployment_is_left_out(tmp_path: Path) -> None:
    before = Spec({A: Data(), J: Job(A), D: Serving("chat", J)})
    story = Story(World(tmp_path, before))
    clone = story.world.clones[0]
    story.apply(clone)
    after = Job(A, epochs=2, life=Lifecycle(create_before_destroy=False))
    story.respec(clone, "epochs", before.with_item(J, after))
    run = story.apply(clone, replace(NORMAL, targets=(J,)))
    assert run.is_done and run.plan is not None
    assert run.plan.warnings == ("the old object of job.j is kept: deployment.d still uses it",)
    story.end()


def test_a_base_goes_after_an_adapter_that_somebody_has_put_on_it(tmp_path: Path) -> None:
    story = Story(World(tmp_path, trained(d=BASE, e=OTHER, f=Serving("chat", J, on=D))))
    clone = story.world.clones[0]
    story.apply(clone)
    assert outside.retarget(story.world, 0) == "somebody puts /accounts/east/adapterDeployments/chat on other"
    assert story.apply(clone, DESTROY).is_done
    assert not story.world.cloud.things


@pytest.mark.parametrize(
    ("served", "number", "change", "said"),
    [
        ({"d": BASE}, 1, outside.resize, "somebody resizes"),
        ({"d": BASE, "e": OTHER, "f": Serving("chat", J, on=D)}, 1, outside.retarget, "somebody puts"),
    ],
)
def test_what_a_killed_run_has_made_is_found_though_somebody_has_changed_it(
    tmp_path: Path,
    served: dict[str, Serving],
    number: int,
    change: Callable[[World, int], str],
    said: str,
) -> None:
    """It carries no token."""
    last = list(served)[-1]
    before = trained(**{name: one for name, one in served.items() if name != last})
    story = Story(World(tmp_path, before))
    clone = story.world.clones[0]
    story.apply(clone)
    story.respec(clone, "one more", trained(**served))
    assert story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL, number)).crashed
    story.world.clock.seconds += 100.0
    assert change(story.world, 0).startswith(said)
    run = story.apply(clone)
    assert run.is_done
    assert [event.verb for event in run.events] == ["update"]
    story.end()


def test_a_base_in_another_account_goes_after_its_adapter_though_addresses_are_exchanged(
    tmp_path: Path,
) -> None:
    before = trained(d=BASE, f=Serving("chat", J, on=D))
    story = Story(World(tmp_path, before))
    clone = story.world.clones[0]
    story.apply(clone)
    moved = replace(before, accounts={"p": "west", "q": "east"})
    story.respec(clone, "another account", moved)
    assert story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL, 5)).crashed
    exchanged = trained(d=Serving("chat", managed=True), f=Serving("base", J, on=D))
    story.respec(clone, "names are exchanged", replace(exchanged, accounts=moved.accounts))
    assert story.apply(clone).is_done
    story.end()
