"""Makes many histories with one seed, and says what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test
from msgspec import Struct

from tests.explore.environments import Environments
from tests.explore.machine import Explore, Tally
from tests.explore.story import Broken

STEPS = 10
"""Rules in one history at most."""
PHASES = (Phase.generate, Phase.shrink)


class Found(Struct, frozen=True):
    """What an exploration came to. `broken` is the invariant that doesn't hold, `counterexample` the shortest
    history that shows it; empty where everything held."""

    seed: int
    histories: int
    commands: int
    seconds: float
    broken: str = ""
    counterexample: str = ""


def explore(
    number: int,
    histories: int,
    machine: type[Explore] | type[Environments] = Explore,
    phases: Sequence[Phase] = PHASES,
    steps: int = STEPS,
) -> Found:
    """Explores with a seed: the same number makes the same histories."""
    tally = Tally()
    seeded = seed(number)(type(machine.__name__, (machine,), {"tally": tally}))
    began = perf_counter()
    broken, counterexample = "", ""
    try:
        run_state_machine_as_test(seeded, settings=_settings(histories, phases, steps))
    except Broken as error:
        broken, counterexample = type(error).__name__, str(error)
    except FlakyFailure as errors:  # it depends on which of two parallel calls is first
        broken, counterexample = type(errors).__name__, "\n".join(map(str, errors.exceptions))
    return Found(number, tally.histories, tally.commands, perf_counter() - began, broken, counterexample)


def _settings(histories: int, phases: Sequence[Phase], steps: int) -> settings:
    return settings(
        max_examples=histories,
        stateful_step_count=steps,
        phases=tuple(phases),
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
