"""--target and --exclude: which resources a plan is about."""

from __future__ import annotations

import pytest

from ftops.config.graph import build
from ftops.core.address import Address
from ftops.planning.targeting import matching, selected
from tests.support.records import DATA, JOB, SERVING, intent, record
from tests.support.specs import config, dataset, deployment, job, tuned

OTHER = Address("dataset", "other")
GRAPH = build(
    config(
        dataset("train", "1"),
        dataset("other", "2"),
        job("copilot", "train"),
        deployment("prod", tuned("copilot")),
    )
)
GONE = Address("job", "gone")
GONE_SERVING = Address("deployment", "gone")


@pytest.mark.parametrize(
    ("targets", "excludes", "destroying", "wanted"),
    [
        ((), (), False, {DATA, JOB, SERVING, OTHER}),
        ((JOB,), (), False, {DATA, JOB}),
        ((JOB,), (), True, {JOB, SERVING}),
        ((SERVING,), (DATA,), False, set()),
        ((), (JOB,), False, {DATA, OTHER}),
        ((), (JOB,), True, {SERVING, OTHER}),
        ((OTHER,), (), True, {OTHER}),
    ],
)
def test_what_is_chosen(
    targets: tuple[Address, ...], excludes: tuple[Address, ...], destroying: bool, wanted: set[Address]
) -> None:
    assert selected(targets, excludes, GRAPH, {}, (), {}, destroying=destroying) == wanted


def test_a_name_without_a_key_means_every_instance() -> None:
    known = [Address("job", "a", "x"), Address("job", "a", "y"), Address("job", "b")]
    assert matching([Address("job", "a")], known) == set(known[:2])
    assert matching([Address("job", "a", "x")], known) == {known[0]}
    assert matching([], known) == set()


def test_what_is_on_record_only_is_chosen_with_what_uses_it() -> None:
    """Nothing may go on using an object that is deleted."""
    recorded = {GONE: record(GONE), GONE_SERVING: record(GONE_SERVING, dependencies=(GONE,))}
    assert selected((GONE,), (), GRAPH, recorded, (), {}, destroying=False) == {GONE, GONE_SERVING}


def test_what_a_recorded_object_needs_is_chosen_although_the_spec_needs_it_no_more() -> None:
    recorded = {SERVING: record(SERVING, dependencies=(OTHER,))}
    chosen = selected((SERVING,), (), GRAPH, recorded, (), {}, destroying=False)
    assert chosen == {SERVING, JOB, DATA, OTHER}


def test_deposed_objects_and_intents_count() -> None:
    pending = {GONE: intent(GONE, dependencies=(OTHER,))}
    chosen = selected((), (OTHER,), GRAPH, {}, [GONE_SERVING], pending, destroying=False)
    assert chosen == {DATA, JOB, SERVING, GONE_SERVING}
