"""What must hold after every command, one function each: what is wrong, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tests.explore.gating import (
    asked_as_declared,
    decided_as_in_full,
    gates_hold,
    held_stays,
    nothing_temporary_is_left,
)
from tests.explore.invariants.endpoints import endpoints_stay
from tests.explore.invariants.jobs import (
    jobs_begin_in_order,
    jobs_begin_where_there_is_room,
    made_as_declared,
    none_fails_for_lack_of_room,
    paid_once,
)
from tests.explore.invariants.outcomes import (
    as_declared_in_the_end,
    destroyed_in_the_end,
    outputs_name_what_is_there,
)
from tests.explore.invariants.plans import (
    all_that_was_shown,
    nothing_fails_unprovoked,
    nothing_unforeseen,
    only_what_was_shown,
    planning_only_looks,
    the_last_check_is_not_needed,
)
from tests.explore.invariants.records import nothing_kept_is_deleted, nothing_lost, one_owner, protected_stays
from tests.explore.policies import rules_hold
from tests.explore.sweeping import (
    stopped_by_its_rule,
    stopped_for_good,
    the_best_is_examined,
    the_best_is_served,
)
from tests.explore.world import Run, World

INVARIANTS: Mapping[str, Callable[[World, Run], Iterator[str]]] = {
    function.__name__: function
    for function in (
        nothing_unforeseen,
        nothing_fails_unprovoked,
        the_last_check_is_not_needed,
        planning_only_looks,
        one_owner,
        nothing_kept_is_deleted,
        paid_once,
        jobs_begin_where_there_is_room,
        none_fails_for_lack_of_room,
        jobs_begin_in_order,
        made_as_declared,
        nothing_lost,
        only_what_was_shown,
        endpoints_stay,
        protected_stays,
        gates_hold,
        asked_as_declared,
        decided_as_in_full,
        held_stays,
        rules_hold,
        nothing_temporary_is_left,
        all_that_was_shown,
        as_declared_in_the_end,
        destroyed_in_the_end,
        stopped_by_its_rule,
        stopped_for_good,
        the_best_is_served,
        the_best_is_examined,
        outputs_name_what_is_there,
    )
}
