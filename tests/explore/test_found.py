"""Histories that the exploration once found to go wrong, shortened, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.plan import NORMAL
from tests.explore.contents import CONTENTS
from tests.explore.faults import Fault, FaultKind
from tests.explore.machine import A, D, J, K
from tests.explore.spec import Data, Job, Serving, Spec
from tests.explore.story import Story
from tests.explore.world import World

PLAIN = Spec({A: Data(), J: Job(A), D: Serving("chat", J)})


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(World(tmp_path, PLAIN))


def test_a_blue_green_change_that_is_killed_and_taken_back_restores_the_endpoint(story: Story) -> None:
    """The new deployment has a name of its own then, and the old one has the name that is wanted again."""
    clone = story.world.clones[0]
    story.apply(clone)
    succeeded = replace(PLAIN, items={**PLAIN.items, K: Job(A, epochs=2), D: Serving("chat", K)})
    story.respec(clone, "another job", succeeded)
    story.apply(clone, wait=False)
    story.respec(clone, "blue_green", succeeded.with_item(D, Serving("chat", K, blue_green=True)))
    story.apply(clone, fault=Fault(FaultKind.KILL_AFTER_CALL))
    story.respec(clone, "undo", PLAIN)
    run = story.apply(clone)
    assert run.is_done
    assert "/accounts/east/deployments/chat" not in [e.thing.remote_id for e in run.events]
    story.end()


def test_a_file_is_kept_while_a_replaced_job_is_trained_on_it(story: Story) -> None:
    clone = story.world.clones[0]
    first = Spec({A: Data(), J: Job(A)})
    story.respec(clone, "no deployment", first)
    story.apply(clone, wait=False)
    for content in CONTENTS[1:3]:
        story.respec(clone, "content", first.with_item(A, Data(content)))
        assert story.apply(clone, replace(NORMAL, targets=(A,))).is_done
    story.end()
