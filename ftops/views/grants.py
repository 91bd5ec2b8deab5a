"""What has become of each grant, and what hosting hours have switched, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from ftops.core.address import Address, Json
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.planning.plan import Held
from ftops.planning.plan_document import held_to_json
from ftops.state.state import Grant
from ftops.views.diagnostics import to_json
from ftops.views.paint import Painter, clean

EXIT_CODES: Mapping[str, int] = {
    "done": 0,
    "in-progress": 4,
    "held": 5,
    "failed": 1,
    "refused": 3,
    "interrupted": 130,
}
"""Result of a grant or a switch → exit code; of several the last one in this order counts."""
_STYLES = {"done": "good", "in-progress": "update", "held": "update"}


class Continued(Struct, frozen=True):
    """What has become of a grant. `left` are steps in progress at the service, with their remote ids, and
    `progress` what is known to be done of them, in percent; `waiting` are the steps that wait for these,
    `failed` the addresses that failed."""

    grant: Grant
    result: str
    left: Mapping[str, str] = {}
    waiting: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    warnings: tuple[str, ...] = ()
    """Those of the plan, such as that a job is paused, and what was left as somebody has changed it."""
    diagnostics: tuple[Diagnostic, ...] = ()
    progress: Mapping[str, float] = {}

    @property
    def done(self) -> list[str]:
        """The addresses of which nothing is left; none if that wasn't looked at."""
        if self.result in ("refused", "interrupted") or (self.diagnostics and not self.failed):
            return []
        left = {*self.left, *self.waiting, *self.failed, *(str(one.address) for one in self.held)}
        return [str(address) for address in self.grant.addresses if str(address) not in left]


class Switched(Struct, frozen=True):
    """A deployment that was to be created (`is_on`) or deleted because of its hosting hours. `until`: the end
    of these hours, or of the time between them: `Mon 08:00 Europe/Berlin`."""

    address: Address
    is_on: bool
    until: str
    result: str
    diagnostics: tuple[Diagnostic, ...] = ()


def exit_code(found: Sequence[Continued | Switched]) -> int:
    results = list(EXIT_CODES)
    worst = max((results.index(one.result) for one in found), default=0)
    return EXIT_CODES[results[worst]]


def draw(found: Sequence[Continued], switched: Sequence[Switched], retry: str, paint: Painter) -> list[str]:
    """Lines for each grant and each deployment that was to be switched. `retry` is the command that makes
    again what failed."""
    lines = list(_switched_lines(switched, paint))
    if not found:
        return lines or ["Nothing to continue: no approved plan is open."]
    for one in found:
        result = paint(one.result.replace("-", " "), _STYLES.get(one.result, "error"))
        lines.append(f"{clean(described(one.grant))}: {result}")
        lines += [
            f"  {clean(step)}  {clean(id)}  in progress{_share(one, step)}" for step, id in one.left.items()
        ]
        lines += [f"  {plural(len(one.waiting), 'step')} to do after that"] * bool(one.waiting)
        lines += [f"  {held.address}  held: {clean('; '.join(held.reasons))}" for held in one.held]
        lines += [f"  {paint('!', 'update')} {clean(warning)}" for warning in one.warnings]
        lines += [f"  {address}  failed: to make it again, run `{retry}`" for address in one.failed]
    return lines


def _share(one: Continued, step: str) -> str:
    return f", {one.progress[step]:.0f} %" if step in one.progress else ""


def _switched_lines(switched: Sequence[Switched], paint: Painter) -> Iterator[str]:
    for one in switched:
        what = f"{'on' if one.is_on else 'off'} until {one.until} (hosting hours)"
        if one.result == "done":
            yield f"{clean(str(one.address))}: {paint(f'switched {what}', 'good')}"
        else:
            result = paint(one.result, "error")
            yield f"{clean(str(one.address))}: {result}; it is to be {what}, and the next run tries again"


def described(grant: Grant) -> str:
    """A grant on one line."""
    request = f", pull request {grant.pull_request}" if grant.pull_request else ""
    return f"{grant.digest}, approved by {grant.who}{request}, until {grant.expires}"


def superseded(grant: Grant, *, goes_on: bool) -> str:
    """What becomes of a grant if another plan is applied. `goes_on`: it does what is left of the grant."""
    request = f" for pull request {grant.pull_request}" if grant.pull_request else ""
    if goes_on:
        return f"This continues the apply that {grant.who} began{request} at {grant.at}."
    return (
        f"An earlier apply, which {grant.who} began{request} at {grant.at}, isn't finished "
        f"({grant.digest}). It ends here: from now on, the plan above counts."
    )


def to_document(
    found: Sequence[Continued], switched: Sequence[Switched], spec: str, environment: str
) -> dict[str, Json]:
    """The document of `reconcile -o json`."""
    return {
        "spec": spec,
        "environment": environment,
        "exit_code": exit_code([*found, *switched]),
        "grants": [_continued(one) for one in found],
        "switched": [_switched(one) for one in switched],
    }


def _continued(one: Continued) -> Json:
    grant = one.grant
    return {
        "digest": grant.digest,
        "result": one.result,
        "exit_code": EXIT_CODES[one.result],
        "approved_by": grant.who,
        "approved_at": grant.at,
        "expires": grant.expires,
        "run_url": grant.run,
        "pull_request": grant.pull_request,
        "commit": grant.commit,
        "budget": grant.budget,
        "spent": round(grant.spent, 4),
        "left": dict(one.left),
        "progress": {step: round(percent, 1) for step, percent in one.progress.items()},
        "done": one.done,
        "waiting": list(one.waiting),
        "failed": list(one.failed),
        "held": [held_to_json(held) for held in one.held],
        "warnings": list(one.warnings),
        "diagnostics": [to_json(d) for d in one.diagnostics],
    }


def _switched(one: Switched) -> Json:
    return {
        "address": str(one.address),
        "is_on": one.is_on,
        "until": one.until,
        "result": one.result,
        "exit_code": EXIT_CODES[one.result],
        "diagnostics": [to_json(d) for d in one.diagnostics],
    }
