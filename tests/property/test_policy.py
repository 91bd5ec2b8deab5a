"""Rules judge any plan without an error of their own, whatever its inputs are."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.config.policy import Policy, in_force
from ftops.core.address import Value
from ftops.planning.plan import Change
from ftops.planning.policy import judge
from tests.property.test_planfile import CHANGES
from tests.property.test_spec_config import VALUES
from tests.unit.planning.test_policy import TABLE, TODAY, context, rule

RULES = [rule(row[1], name=f"r{number}") for number, row in enumerate(TABLE)]
JUDGED = (
    *("model", "version", "candidates", "baseline", "source_model", "graders"),
    *("sku", "tags", "gate", "target", "training_type", "validation", "url", "path"),
)
BLOCKS = st.dictionaries(st.sampled_from(("name", "model", "capacity")), VALUES, max_size=2)
INPUTS = st.dictionaries(st.sampled_from(JUDGED), VALUES | st.lists(VALUES, max_size=2) | BLOCKS, max_size=5)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CHANGES, INPUTS), max_size=4))
def test_any_plan_can_be_judged(steps: list[tuple[Change, dict[str, Value]]]) -> None:
    changes = [replace(c, provider="azure", step=str(c.address), after=after) for c, after in steps]
    where = context(*changes)
    findings, _ = judge(Policy(in_force([RULES], "prod")), {}, where, TODAY)
    assert all(finding.summary and finding.detail for finding in findings)
