"""A saved plan is what was planned, to the byte; its digest says what it does and nothing else."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.config.config import Config
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.errors import Diagnostic, FtopsError, Place
from ftops.planning.estimate import DataChange, Epochs, Estimate, HostingCost, TrainingCost
from ftops.planning.plan import (
    Action,
    AttributeChange,
    Change,
    Drift,
    Mode,
    Options,
    OutputChange,
    Plan,
    Reason,
)
from ftops.planning.saved.plan_digest import DataFile, PlanInputs, plan_digest
from ftops.planning.saved.plan_file import _CODEC, Origin, SavedPlan, parse_plan, plan_text
from ftops.session.saved_plans import read_plan
from ftops.state.entries import Failed, OutputsRecorded, Recorded, Removed
from ftops.views import markdown
from ftops.views.markdown_text import Source
from ftops.views.plan import has_changes
from tests.golden.cli import SPEC, Folder
from tests.property.test_engine import specs
from tests.property.test_spec_config import ADDRESSES, VALUES, shuffled, split
from tests.support.specs import World
from tests.unit.state.test_backends import RESOURCE

TEXTS = st.text(max_size=8)
VALUE = VALUES.filter(lambda v: "inf" not in repr(v))
MAPPINGS = st.dictionaries(TEXTS, VALUE, max_size=2)
ATTRIBUTES = st.builds(AttributeChange, TEXTS, VALUE, VALUE, st.booleans(), TEXTS)
CHANGES = st.builds(
    Change,
    step=TEXTS,
    address=ADDRESSES,
    action=st.sampled_from(Action),
    reason=st.builds(Reason, TEXTS, TEXTS),
    provider=TEXTS,
    waits_for=st.lists(TEXTS, max_size=2).map(tuple),
    before=MAPPINGS,
    after=MAPPINGS,
    attributes=st.lists(ATTRIBUTES, max_size=2).map(tuple),
    identities=st.dictionaries(TEXTS, TEXTS, max_size=2),
    dependencies=st.lists(ADDRESSES, max_size=2).map(tuple),
    fingerprint=TEXTS,
    prevent_destroy=st.booleans(),
)
ENTRIES = st.sampled_from([Recorded(RESOURCE, "0a"), Removed(RESOURCE.address), OutputsRecorded({"a": [1]})])
DOLLARS = st.none() | st.floats(0, 1e6)
ESTIMATES = st.builds(
    Estimate,
    st.lists(
        st.builds(TrainingCost, ADDRESSES, epochs=st.builds(Epochs, st.integers(0)), per_million=DOLLARS),
        max_size=2,
    ).map(tuple),
    st.lists(st.builds(HostingCost, ADDRESSES, DOLLARS), max_size=2).map(tuple),
    st.lists(st.builds(DataChange, ADDRESSES, dollars=DOLLARS, note=TEXTS), max_size=2).map(tuple),
)
DRIFT = st.builds(Drift, ADDRESSES, st.sampled_from(sorted(DRIFT_CLASSES)), st.just(()))
PLANS = st.builds(
    Plan,
    spec=TEXTS,
    environment=TEXTS,
    lineage=TEXTS,
    serial=st.integers(0),
    changes=st.lists(CHANGES, max_size=3).map(tuple),
    entries=st.lists(ENTRIES | st.builds(Failed, ADDRESSES, TEXTS), max_size=2).map(tuple),
    drift=st.lists(
        st.builds(Drift, ADDRESSES, st.sampled_from(sorted(DRIFT_CLASSES)), st.just(())), max_size=2
    ).map(tuple),
    outputs=st.lists(st.builds(OutputChange, TEXTS, VALUE, VALUE), max_size=2).map(tuple),
    unchanged=st.integers(0),
    estimate=ESTIMATES,
    mode=st.sampled_from(Mode),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    findings=st.lists(
        st.builds(Diagnostic, TEXTS, TEXTS, TEXTS, st.none() | st.builds(Place, TEXTS)), max_size=2
    ).map(tuple),
)
SAVED = st.builds(
    SavedPlan,
    PLANS,
    st.builds(Origin, TEXTS, TEXTS, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2)),
    st.builds(
        PlanInputs,
        st.dictionaries(TEXTS, TEXTS, max_size=2),
        st.dictionaries(TEXTS, st.builds(DataFile, TEXTS, TEXTS), max_size=2),
    ),
    st.builds(Options, st.sampled_from(Mode), st.lists(ADDRESSES, max_size=2).map(tuple)),
    st.booleans(),
)
SMALL = plan_text(
    SavedPlan(
        Plan("drone", "default", "l", 3), Origin("2026-11-21T00:00:00Z", "0.1", ".", "default"), PlanInputs()
    )
).encode()
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_every_field_of_a_plan_can_be_written_down() -> None:
    _CODEC.form(SavedPlan)


@settings(calm, max_examples=50)
@given(SAVED)
def test_a_saved_plan_round_trips(saved: SavedPlan) -> None:
    text = plan_text(saved)
    assert parse_plan(text, "plan") == saved
    assert plan_text(parse_plan(text, "plan")) == text


@settings(calm, max_examples=25)
@given(specs(), specs())
def test_plans_of_random_specs_round_trip(before: Config, after: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.apply(before)
        made = world.plan(after)
    saved = SavedPlan(made, Origin("", "", "", ""), PlanInputs())
    assert parse_plan(plan_text(saved), "plan").plan == made


@calm
@given(st.integers(0, len(SMALL) - 1), st.integers(1, 255))
def test_one_byte_is_enough_to_refuse_it(at: int, difference: int) -> None:
    damaged = bytearray(SMALL)
    damaged[at] ^= difference
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan"
        file.write_bytes(damaged)
        with pytest.raises(FtopsError):
            read_plan(file)


@calm
@given(st.integers(0, len(SMALL) - 1))
def test_so_is_a_missing_end(length: int) -> None:
    with pytest.raises(FtopsError):
        parse_plan(SMALL[:length].decode(), "plan")


@settings(calm, max_examples=40)
@given(PLANS, st.randoms(use_true_random=False))
def test_the_digest_says_what_is_done_and_nothing_else(made: Plan, rng: random.Random) -> None:
    changes = list({c.step: c for c in made.changes}.values())
    made = replace(made, changes=tuple(changes), mode=Mode.NORMAL)
    digest = plan_digest(made)
    rng.shuffle(changes)
    reworded = tuple(replace(c, reason=Reason(c.reason.code, "in other words")) for c in changes)
    other = replace(made, changes=reworded, serial=99, lineage="l2", entries=(), drift=(), findings=())
    assert plan_digest(other) == digest
    assert plan_digest(replace(made, environment=made.environment + "x")) != digest
    for index, change in enumerate(changes):
        fewer = (*changes[:index], *changes[index + 1 :])
        is_said = change in made.approved_changes
        assert (plan_digest(replace(made, changes=fewer)) != digest) == is_said
        moved = replace(change, after={**change.after, "new": 1})
        assert (plan_digest(replace(made, changes=(*fewer, moved))) != digest) == is_said


PLACES = [
    {},
    {"TZ": "Pacific/Auckland", "LANG": "tr_TR.UTF-8", "LC_ALL": "C", "USER": "somebody", "HOME": "/"},
    {"TERM": "xterm-256color", "COLUMNS": "40", "FORCE_COLOR": "1", "HOSTNAME": "runner-7", "CI": "true"},
]


@settings(calm, max_examples=10)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.sampled_from(PLACES))
def test_the_digest_is_the_same_everywhere(rng: random.Random, parts: int, environ: dict[str, str]) -> None:
    """In whatever folder, however the spec is laid out, whoever runs it."""
    raw: dict[str, Any] = yaml.safe_load(SPEC)
    with tempfile.TemporaryDirectory() as folder:
        place = Folder.make(Path(folder) / "".join(rng.choices("abcdef é", k=8)).strip(), "")
        (place.path / "ftops.yaml").unlink()
        for number, part in enumerate(split(shuffled(raw, rng), parts, rng)):
            place.write(f"{rng.random()}-{number}.yaml", yaml.safe_dump(part, sort_keys=False))
        document = place.run("plan", "-o", "json", environ=environ).json
    assert document["digest"] == DIGEST


with tempfile.TemporaryDirectory() as _folder:
    DIGEST = Folder.make(Path(_folder) / "first").run("plan", "-o", "json").json["digest"]


def drawn(plan: Plan, limit: int | None = None) -> str:
    """The comment about a plan."""
    return markdown.draw(plan, Source("2026-11-21T09:30:00Z", "0.1.0"), limit).text


@settings(calm, max_examples=60)
@given(SAVED, st.integers(2_000, 6_000))
def test_a_comment_is_never_longer_than_its_limit(saved: SavedPlan, limit: int) -> None:
    plan = replace(saved.plan, spec="drone", environment="default")
    whole = drawn(plan)
    comment = drawn(plan, limit)
    assert len(comment.encode()) <= limit
    fits = len(whole.encode()) <= limit
    assert (comment == whole) == fits
    assert drawn(plan, len(whole.encode())) == whole
    assert ("**Left out for length:**" in comment or "too large to be reviewed here" in comment) != fits
    assert not has_changes(plan) or plan_digest(plan) in comment
    for text in (whole, comment):
        assert outside_of_blocks(text) is not None


@settings(calm, max_examples=60)
@given(SAVED, st.integers(2_000, 6_000))
def test_what_is_deleted_is_in_every_comment(saved: SavedPlan, limit: int) -> None:
    plan = replace(saved.plan, spec="drone", environment="default")
    comment = drawn(plan, limit)
    taken = (Action.DELETE, Action.REPLACE)
    gone = [c for c in plan.changes if c.action in taken and c.step == str(c.address)]
    rows = [line for line in comment.split("\n") if line.startswith(("| - |", "| ± |"))]
    assert len(rows) == len(gone) or "too large to be reviewed here" in comment


def outside_of_blocks(text: str) -> list[str] | None:
    """The lines that a reader of Markdown takes for markup; None where a block isn't closed."""
    found: list[str] = []
    fence = ""
    for line in text.split("\n"):
        ticks = line[: len(line) - len(line.lstrip("`"))]
        if fence:
            fence = "" if line.rstrip() == ticks and len(ticks) >= len(fence) else fence
        elif len(ticks) >= 3:
            fence = ticks
        else:
            found.append(line)
    return None if fence else found


def test_nothing_that_others_wrote_is_markup() -> None:
    evil = "```\n# @team <img src=x> [x](http://e) ````` |"
    changed = Change(
        step="job.a",
        address=RESOURCE.address,
        action=Action.UPDATE,
        reason=Reason("inputs", evil),
        provider=evil,
        attributes=(AttributeChange(evil, evil, evil),),
    )
    made = Plan("drone", "default", "l", 1, (changed,), outputs=(OutputChange(evil, evil, evil),))
    made = replace(made, findings=(Diagnostic(evil, evil, evil),))
    text = drawn(made)
    outside = outside_of_blocks(text)
    assert outside is not None
    assert "@team" in text
    assert not [line for line in outside if "@" in line or "img" in line]
