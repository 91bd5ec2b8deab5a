"""Plan flow of plan, apply and destroy: from arguments to a plan."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from ftops import __version__
from ftops.cli.options import PlanArguments
from ftops.cli.plans import save_plan
from ftops.cli.spec_args import SpecArguments, read, read_to_destroy, read_with_data
from ftops.cli.untrusted import at_recorded_accounts, left_out
from ftops.config.config import Config
from ftops.core.address import Address, Json
from ftops.core.confined_files import content
from ftops.core.errors import Diagnostic, StateError, UsageError
from ftops.core.resource_types import kind_of
from ftops.core.timestamps import iso_timestamp
from ftops.planning.plan import Action, Mode, Plan
from ftops.planning.plan_document import plan_to_json
from ftops.planning.saved.plan_digest import plan_digest
from ftops.session.session import Session
from ftops.state.entries import Recorded
from ftops.state.file_format import parse_snapshot
from ftops.state.state import State, Status
from ftops.views.destination import redirections
from ftops.views.diagnostics import to_json
from ftops.views.markdown_text import Source
from ftops.views.paint import Painter
from ftops.views.plan import has_changes

CHANGES = 2
"""The exit code if there are changes, with --detailed-exitcode."""
BLOCKED = 3
REFRESHING = "Refreshing resource"


def read_for(spec: SpecArguments, request: PlanArguments) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The spec, and warnings. Data files are read only if something may be created: destroy works without
    them."""
    match request.options.mode:
        case Mode.NORMAL:
            options = request.options
            return read_with_data(spec, is_partial=bool(options.targets or options.excludes))
        case Mode.DESTROY:
            return read_to_destroy(spec), ()
        case Mode.REFRESH_ONLY:
            return read(spec), ()


def unasked(request: PlanArguments) -> PlanArguments:
    """The same, without contacting a service."""
    options = replace(request.options, adopt=False)
    return replace(request, options=options, refresh=False, preflight=False, offline=True)


def is_plain_local(config: Config) -> bool:
    """Whether the state is in a local file that isn't encrypted."""
    return not config.state.is_in_bucket and not config.state.settings.get("encryption")


def planning_session(config: Config, request: PlanArguments, copy: Path | None) -> Session:
    """A session to plan with. Raises UsageError if the state is in a bucket and the plan is offline,
    StateError if the copy isn't valid."""
    if copy is not None:
        state = _copied(config, copy)
        return Session.on_copy(at_recorded_accounts(config, state), state)
    if config.withheld is not None:
        state = Session.open(config).state if is_plain_local(config) else State("")
        return Session.on_copy(at_recorded_accounts(config, state), state)
    if request.offline and config.state.is_in_bucket:
        raise UsageError(
            "--offline can't read a state in a bucket",
            f"the backend is {config.state.backend}.",
            "with access to the bucket: `ftops state pull > state.json`; then plan with --state state.json",
        )
    return Session.open(config)


def _copied(config: Config, copy: Path) -> State:
    text = _text_of(copy)
    if '"sealed": ' in text[:1000]:
        raise UsageError(
            f"{copy} is an encrypted state",
            "--state needs a copy that isn't encrypted.",
            "create one with access to the key: `ftops state pull > state.json`",
        )
    try:
        return parse_snapshot(text, str(copy), config.name, config.environment)
    except StateError as error:
        raise StateError(error.summary, error.detail, _MAKE_COPY) from error


def state_text(file: Path, hint: str) -> str:
    """The text of a state file. Raises UsageError."""
    try:
        return content(file).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} isn't a state file", "it isn't UTF-8 text.", hint) from error
    except OSError as error:
        raise UsageError(f"can't read {file}: {error.strerror}", "", hint) from error


def _text_of(copy: Path) -> str:
    if str(copy) == "-" and not copy.exists():
        raise UsageError("--state takes a file, not standard input", "", _MAKE_COPY)
    text = state_text(copy, _MAKE_COPY)
    if not text.strip():
        raise UsageError(
            f"{copy} is empty",
            "a copy of a state is never empty: the command that wrote it may have failed.",
            _MAKE_COPY,
        )
    return text


_MAKE_COPY = "create one with access to the state: `ftops state pull > state.json`; then --state state.json"


def make_plan(
    session: Session,
    request: PlanArguments,
    on_progress: Callable[[int, int], None],
    *,
    offline: bool = False,
) -> Plan:
    return session.plan(
        request.options,
        refresh=request.refresh,
        preflight=request.preflight,
        offline=offline,
        read_only=request.read_only,
        parallelism=request.parallelism,
        on_progress=on_progress,
        as_of=request.as_of,
    )


class Planned(NamedTuple):
    """A plan, the warnings about its spec and data, and a line for each job that it found in progress, or
    that has ended since it was recorded."""

    plan: Plan
    warnings: tuple[Diagnostic, ...]
    running: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """As with --detailed-exitcode."""
        return BLOCKED if self.plan.is_blocked else CHANGES if has_changes(self.plan) else 0


def planned(
    spec: SpecArguments,
    request: PlanArguments,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    copy: Path | None = None,
    out: Path | None = None,
    is_kept: bool = False,
    paint: Painter | None = None,
) -> Planned:
    """The plan of a spec, with a copy of the state if there is one, saved if it can be applied. `paint`: for
    lines about running jobs, which are asked for only then. Raises FtopsError."""
    config, warnings = read_for(spec, request)
    with planning_session(config, request, copy) as session:
        plan = make_plan(session, request, on_progress, offline=request.offline)
        without_state = spec.is_untrusted and copy is None and not is_plain_local(config)
        omissions = left_out(config, without_state=without_state)
        plan = replace(plan, warnings=(*omissions, *plan.warnings), is_approvable=not spec.is_untrusted)
        is_saved = out is not None or is_kept
        plan = plan.to_approve if is_saved else plan
        if is_saved and not plan.is_blocked:
            save_plan(session, plan, request, spec, out, is_kept)
        if paint is None or not request.refresh or copy is not None:
            return Planned(plan, warnings)
        lines = [
            f"{paint(str(job), 'bold')}: succeeded; `ftops apply` records it" for job in _ended(plan, session)
        ]
        if running := _running(plan):
            from ftops.cli.running_jobs import standing_lines  # only for running jobs

            lines += standing_lines(session, running, paint)
        return Planned(plan, warnings, tuple(lines))


def _running(plan: Plan) -> list[Address]:
    """The jobs that were in progress when the plan was made."""
    pending = (c for c in plan.changes if c.action is Action.RESUME and c.reason.code == "pending")
    return [change.address for change in pending if kind_of(change.address).trains]


def _ended(plan: Plan, session: Session) -> list[Address]:
    """The jobs that were recorded in progress, and have succeeded."""
    recorded = session.state.resources
    now = (entry.resource for entry in plan.entries if isinstance(entry, Recorded))
    return [
        job.address
        for job in now
        if kind_of(job.address).trains
        and job.status is Status.READY
        and not job.stopped
        and job.address in recorded
        and recorded[job.address].status is Status.PENDING
        and recorded[job.address].remote_id == job.remote_id
    ]


def made_now() -> Source:
    """The origin of a document that is written now."""
    return Source(iso_timestamp(datetime.now(UTC)), __version__)


def plan_document(plan: Plan, warnings: tuple[Diagnostic, ...]) -> dict[str, Json]:
    """The document of `plan -o json`."""
    from ftops.views.verdict import verdict  # only for JSON

    findings: list[Json] = [to_json(d) for d in plan.findings]
    diagnostics: list[Json] = [to_json(d) for d in warnings]
    return {
        **plan_to_json(plan),
        "warnings": [*redirections(plan.destination), *plan.warnings],
        "verdict": verdict(plan)._asdict(),
        "digest": plan_digest(plan) if plan.is_approvable else None,
        "findings": findings,
        "diagnostics": diagnostics,
    }
