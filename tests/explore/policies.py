"""Policies in histories: rules come and go, deny plans, hold what is left of approvals, or are lifted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace

from ftops.config.policy import Policy, Rule
from ftops.planning.plan import CREATING, NORMAL, Action
from tests.explore.faults import Fault, FaultKind

if TYPE_CHECKING:
    from tests.explore.spec import Spec
    from tests.explore.story import Story
    from tests.explore.world import Run, World

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("nothing-goes", "error", "delete", {"max": 0}),
        Rule("nothing-is-retrained", "error", "retrain", {"max": 0}, overridable=True),
    )
}
CHOICES = ((), *((name,) for name in RULES), tuple(RULES))
_NUMBER = st.integers(0, 5)
_KINDS = [FaultKind.KILL_BEFORE_APPEND, FaultKind.KILL_AFTER_APPEND, FaultKind.KILL_AFTER_CALL]
_FAULTS = st.builds(Fault, st.sampled_from([FaultKind.NONE, *_KINDS, FaultKind.JOB_FAILS]), st.integers(1, 6))


class PolicyRules:
    """Rules of a machine whose `story` is one history."""

    story: Story

    @rule(which=_NUMBER, names=st.sampled_from(CHOICES[1:]), lift=st.booleans(), fault=_FAULTS, again=_FAULTS)
    def apply_under_rules(
        self, which: int, names: tuple[str, ...], lift: bool, fault: Fault, again: Fault
    ) -> None:
        """What is killed under rules is continued under them; then they are gone."""
        clones = self.story.world.clones
        clone = clones[which % len(clones)]
        self.story.respec(clone, "policy", replace(clone.spec, rules=names))
        lifted = {name: "it has to be" for name in names if lift and RULES[name].overridable}
        for one in (fault, again):
            self.story.apply(clone, replace(NORMAL, rule_overrides=lifted), one.anew())
        self.story.respec(clone, "no policy", replace(clone.spec, rules=()))


def policy_of(spec: Spec) -> Policy:
    return Policy(tuple(RULES[name] for name in spec.rules), frozenset(spec.rules))


def rules_hold(world: World, run: Run) -> Iterator[str]:
    """Nothing is done that the rules in force deny, unless somebody has lifted them. What an approval under
    these rules has left over isn't judged again."""
    if run.is_saved and run.spec.rules == run.clone.spec.rules:
        return
    made = {c.address for c in run.changes if c.action in CREATING}
    deleting = [c for c in run.changes if c.action is Action.DELETE and not c.deposed]
    gone = {c.remote_id for c in deleting if c.address not in made}
    again = {str(c.address) for c in run.changes if c.action is Action.REPLACE and c.address.kind == "job"}
    for event in run.events:
        name = "nothing-goes" if event.verb == "delete" and event.thing.remote_id in gone else ""
        if event.verb == "create" and event.thing.address in again:
            name = "nothing-is-retrained"
        if name in run.clone.spec.rules and name not in run.options.rule_overrides:
            yield f"{event}, and the rule {name} denies it"
