"""The first half of plan, apply and destroy: from arguments to a plan."""

from __future__ import annotations

from ftops.address import Json
from ftops.cli.arguments import SpecArguments
from ftops.cli.options import PlanArguments
from ftops.cli.screen import Screen
from ftops.cli.specs import read, read_to_destroy, read_with_data
from ftops.config import Config
from ftops.engine import Session
from ftops.errors import Diagnostic
from ftops.plan import Mode, Plan, plan_to_json
from ftops.planfile import plan_digest
from ftops.views.diagnostics import to_json


def read_for(spec: SpecArguments, request: PlanArguments) -> tuple[Config, tuple[Diagnostic, ...]]:
    """Data files matter only for what is to be made: to destroy, they needn't exist any more."""
    match request.options.mode:
        case Mode.NORMAL:
            return read_with_data(spec)
        case Mode.DESTROY:
            return read_to_destroy(spec), ()
        case Mode.REFRESH_ONLY:
            return read(spec), ()


def make_plan(session: Session, request: PlanArguments, screen: Screen) -> Plan:
    """Asks the service and plans."""
    return session.plan(
        request.options,
        look=request.refresh,
        preflight=request.preflight,
        parallelism=request.parallelism,
        on_progress=screen.counter("Looking at resource"),
    )


def plan_document(plan: Plan, warnings: tuple[Diagnostic, ...]) -> dict[str, Json]:
    """The document of `plan -o json`."""
    said: list[Json] = [to_json(d) for d in warnings]
    found: list[Json] = [to_json(d) for d in plan.findings]
    return {**plan_to_json(plan), "digest": plan_digest(plan), "findings": found, "diagnostics": said}
