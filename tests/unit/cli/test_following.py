"""Jobs that are followed: until when, and when to look again."""

from __future__ import annotations

from ftops.cli.commands.jobs import _going_on
from ftops.core.address import Address
from ftops.providers.training_run import TrainingRun
from ftops.session.training import Training
from ftops.state.state import Status

RUNNING, ENDED, GONE = (Address("job", name) for name in ("running", "ended", "gone"))


def training(address: Address) -> Training:
    state = Status.READY if address == ENDED else Status.PENDING
    run = TrainingRun("ftjob-1", "running", state, poll_after=20.0 if address == RUNNING else None)
    return Training(address, run, is_gone=address == GONE)


def test_a_job_that_is_gone_is_looked_for_once_more() -> None:
    missed: set[Address] = set()
    found = [training(one) for one in (RUNNING, ENDED, GONE)]
    assert _going_on(found, missed) == {RUNNING: 20.0, GONE: 2.0}
    assert _going_on(found, missed) == {RUNNING: 20.0}
    assert _going_on([training(RUNNING)], missed) == {RUNNING: 20.0}
    assert _going_on(found, missed) == {RUNNING: 20.0, GONE: 2.0}, "another replica knew it"
