"""More jobs than an account has places for, in runs that are killed or don't wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.explore.cloud import TRAINING_SECONDS, Places
from tests.explore.contents import CONTENTS
from tests.explore.edits import ADDRESSES
from tests.explore.faults import Fault, FaultKind
from tests.explore.machine import A, B, J, K, X
from tests.explore.spec import Data, Job, Spec
from tests.explore.story import Story
from tests.explore.world import World

Y = ADDRESSES["job"][3]
_EPOCHS = {X: Job(A, epochs=2), Y: Job(B, epochs=2)}
SWEEP = Spec({A: Data(), B: Data(CONTENTS[1]), J: Job(A), K: Job(B), **_EPOCHS})


@pytest.fixture
def story(tmp_path: Path) -> Story:
    story = Story(World(tmp_path, SWEEP))
    story.limit(Places(1, 1))
    return story


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize(
    "kind", [FaultKind.KILL_AFTER_CALL, FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND]
)
def test_a_run_that_is_killed_while_jobs_wait_is_continued(
    story: Story, kind: FaultKind, number: int, wait: bool
) -> None:
    clone = story.world.clones[0]
    story.apply(clone, fault=Fault(kind, number), wait=wait)
    assert story.apply(clone).is_done
    assert len(story.world.cloud.of("east", "job")) == 4
    story.end()


def test_without_waiting_jobs_are_submitted_as_there_is_room(story: Story) -> None:
    clone = story.world.clones[0]
    found = []
    for _ in range(4):
        run = story.apply(clone, wait=False)
        found.append(len(story.world.cloud.of("east", "job")))
        story.world.clock.seconds += TRAINING_SECONDS
    assert found == [2, 3, 4, 4]
    assert run.report is not None and run.report.result == "in-progress"
    assert story.apply(clone).is_done
    story.end()
