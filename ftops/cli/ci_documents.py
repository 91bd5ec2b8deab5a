"""Documents for `ftops ci`: a saved plan, or what `plan`, `validate`, `apply` or `reconcile` printed as JSON.

A document may come from an untrusted run: it is only shown, and text in it is never markup.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ftops import __version__
from ftops.core.codec import Codec
from ftops.core.confined_files import content
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.plurals import plural
from ftops.core.reply_json import parsed
from ftops.forges.ci_run import COMMIT
from ftops.planning.plan import Plan
from ftops.planning.plan_document import plan_from_json
from ftops.planning.saved.plan_digest import DIGEST, plan_digest
from ftops.session.saved_plans import holds_plan, read_plan
from ftops.views import many_markdown
from ftops.views.destination import redirections
from ftops.views.markdown import SIGN, Drawn, draw, draw_outcome, draw_stub
from ftops.views.markdown_text import Link, Source, no_link, size
from ftops.views.paint import clean
from ftops.views.plan import has_changes
from ftops.views.verdict import Level, verdict

_MOST_BYTES = 256 << 20
_SEVERITIES = frozenset({"error", "warning", "note"})
_CODEC = Codec()
_STEPS: Any = Mapping[str, str]


class _Result(NamedTuple):
    """The state of a commit, words for it, their sign, and what follows (Markdown)."""

    state: str
    sentence: str
    sign: str
    following: str = ""


_GOES_ON = "`ftops reconcile` continues, on its schedule or by hand.\n"
APPLYING = "applying"
_RESULTS: Mapping[str, _Result] = {
    "done": _Result("success", "applied", "✅"),
    APPLYING: _Result("pending", "is being applied", "⏳"),
    "in-progress": _Result("pending", "in progress at the service", "⏳", _GOES_ON),
    "held": _Result(
        "failure", "held by a gate", "⚠️", "To deploy anyway, approve a plan with `--override-gate`.\n"
    ),
    "failed": _Result(
        "failure",
        "apply failed",
        "❌",
        "What isn't done remains approved: `ftops reconcile --retry` makes again what failed, at its cost.\n",
    ),
    "refused": _Result(
        "failure", "the approved plan is refused", "❌", "Plan again, read it, and approve that.\n"
    ),
    "interrupted": _Result("error", "apply was interrupted", "❌", _GOES_ON),
    "error": _Result("failure", "apply didn't start", "❌"),
}
"""By the result of an apply; the worst last."""
_KILLED = _Result("error", "apply was killed", "❌", _GOES_ON)
_FATES = {"left": "in progress", "skipped": "waiting"}
_HOW = "give a file with the output of `ftops plan -o json`, or a plan that was saved with --out"
_PREVIEWS: Mapping[str, str] = {
    "due": "to delete",
    "deleted": "deleted",
    "in-use": "in use",
    "refused": "refused",
    "failed": "failed",
    "interrupted": "interrupted",
}
"""The result for a preview → words for it."""
T = TypeVar("T")


class Document(Struct, frozen=True):
    """What happened to a spec in an environment (empty: `validate`). `plan` is None if there is none.

    `level` is how bad it is: that of a plan's verdict, or `failed`. `state` is that of a commit status,
    and `sentence` consists of words of ftops alone.
    """

    spec: str
    environment: str
    level: str
    state: str
    sentence: str
    plan: Plan | None = None
    source: Source = Source("", __version__)
    digest: str = ""
    found: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    """Those of `found` that the plan doesn't have."""
    steps: Mapping[str, str] = {}
    """What has become of the steps that were applied."""
    result: _Result | None = None
    """Of an apply."""
    pull: int = 0
    commit: str = ""
    """The pull request and the commit that were approved; 0 and empty: those of the run."""
    approvals: tuple[Document, ...] = ()
    """One for each pull request, if it is about approvals that were continued."""
    unapplied: Plan | None = None
    """What apply has planned, if it has refused to start: perhaps another plan than was approved."""
    place: str = ""
    """The folder of the spec, if it is one of several."""
    parts: tuple[Document, ...] | None = None
    """The documents of several specs; None: it is about one."""
    link: Link = no_link
    """To lines of files, for a comment."""
    skipped: tuple[tuple[str, str], ...] = ()
    """The paths of specs that weren't planned, and why."""

    @property
    def name(self) -> str:
        """`drone`, or `drone (prod)`."""
        return self.spec if self.environment in ("", "default") else f"{self.spec} ({self.environment})"

    @property
    def path(self) -> str:
        """`ftops/drone/prod`: the name of a status or check. That of a folder may have any character."""
        return clean("/".join(filter(None, ("ftops", self.spec, self.environment))))

    def draw(self, limit: int) -> Drawn:
        """As Markdown, at most `limit` bytes."""
        if self.parts is not None:
            return many_markdown.draw([*map(_section, self.parts)], self.skipped, self.source, limit)
        if self.plan is None:
            room = limit if self.unapplied is None else limit // 2
            following = self.result.following if self.result else ""
            outcome = draw_outcome(
                self.name, self._sign, self.sentence, self.found, self.steps, room, following
            )
            if self.unapplied is None:
                return outcome
            rest = limit - size(outcome.text) - 1
            now = draw(self.unapplied, self.source, rest, self.warnings, self.digest, self.link)
            return Drawn(f"{outcome.text}\n{now.text}", now.is_reviewable)
        return draw(self.plan, self.source, limit, self.warnings, self.digest, self.link)

    def linked(self, link: Link) -> Document:
        """The same with links to lines."""
        parts = None if self.parts is None else tuple(replace(part, link=link) for part in self.parts)
        return replace(self, link=link, parts=parts)

    def stub(self) -> Drawn:
        """The verdict alone."""
        return Drawn(draw_stub(self.name, self._sign, self.sentence), is_reviewable=self.plan is None)

    @property
    def _sign(self) -> str:
        if self.plan is not None:
            return SIGN[verdict(self.plan).level]
        if self.result is not None:
            return self.result.sign
        return SIGN[Level.BLOCKED if self.state in ("failure", "error") else Level.NONE]


def _section(document: Document) -> many_markdown.Section:
    digest = document.digest
    if document.plan is not None and document.plan.is_approvable and has_changes(document.plan):
        digest = digest or plan_digest(document.plan)
    return many_markdown.Section(
        document.place, document.name, document.level, document.sentence, digest, document.draw
    )


def read_document(path: Path, spec: str | None, environment: str | None) -> Document:
    """`spec` and `environment` are for documents that don't name them, such as that of an invalid spec.
    Raises UsageError and PlanFileError."""
    if str(path) != "-" and _reading(lambda: holds_plan(path), path):
        saved = read_plan(path)
        return of_plan(saved.plan, Source(saved.origin.at, saved.origin.ftops), "", ())
    found = interpreted(path, _interpreted)
    named = replace(
        found,
        spec=found.spec or spec or "",
        environment=found.environment or environment or ("default" if found.plan or not found.spec else ""),
    )
    if not named.spec:
        raise unnamed(path)
    return named


def interpreted(path: Path, interpret: Callable[[bytes], T], how: str = _HOW) -> T:
    """What a file says; `-` is standard input, and `how` what to give instead. Raises UsageError."""
    is_input = str(path) == "-"
    text = _input() if is_input else _reading(lambda: content(path, limit=_MOST_BYTES), path, how)
    why = "it is empty" if not text.strip() else "it is too large" if len(text) > _MOST_BYTES else ""
    try:
        if not why:
            return interpret(text)
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"[:200]
    raise UsageError(f"{path} isn't a document of ftops that can be shown here", f"{why}.", how)


def unnamed(path: Path) -> UsageError:
    return UsageError(
        f"{path} doesn't say which spec it is about",
        "the spec couldn't be read, so its name isn't known.",
        "name it: --spec NAME, and --env NAME if it has environments",
    )


def _input() -> bytes:
    return sys.stdin.buffer.read(_MOST_BYTES + 1) if sys.stdin is not None else b""


def _reading(read: Callable[[], T], path: Path, how: str = _HOW) -> T:
    try:
        return read()
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}", "", how) from error


def _interpreted(text: bytes) -> Document:
    try:
        raw = parsed(text)
    except json.JSONDecodeError:
        return _of_apply([parsed(line) for line in text.splitlines() if line.strip()])
    if "event" in raw:
        return _of_apply([raw])
    if "previews" in raw:
        return _of_gc(raw)
    if "grants" in raw:
        return _of_reconcile(raw)
    if "changes" in raw:
        return _of_plan_document(raw)
    if "specs" in raw:
        return _of_several(raw)
    return _of_check(raw)


def _of_check(raw: Mapping[str, Any]) -> Document:
    """The document of `validate`, or of a command that has failed."""
    found = _diagnostics(raw["diagnostics"])
    if raw.get("valid"):
        return Document(str(raw["spec"]), "", "none", "success", "valid", found=found)
    return of_errors(found)


def of_errors(found: Sequence[Diagnostic]) -> Document:
    """Of a spec that can't be planned. Its name isn't known."""
    errors = sum(one.severity == "error" for one in found)
    said = f": {plural(errors, 'error')}" if errors else ""
    return Document(
        "", "", "failed", "failure", f"can't be planned{said}", found=tuple(map(_without_text, found))
    )


def of_several(
    folder: str,
    environment: str,
    parts: Sequence[Document],
    skipped: Sequence[tuple[str, str]],
    source: Source,
) -> Document:
    """Of the specs below a folder, which is seen from the root of the repository."""
    levels = [part.level for part in parts]
    states = {part.state for part in parts}
    return Document(
        "/".join(filter(None, (folder, "*"))),
        environment,
        many_markdown.worst_level(levels),
        "failure" if states & {"failure", "error"} else "success",
        many_markdown.verdict_of(levels),
        source=source,
        found=tuple(found for part in parts for found in part.found),
        parts=tuple(parts),
        skipped=tuple(skipped),
    )


def _of_several(raw: Mapping[str, Any]) -> Document:
    """The document of `plan --all`, or of `validate --all`."""
    parts = []
    for one in raw["specs"]:
        part = _of_plan_document(one["plan"]) if "plan" in one else _of_check(one)
        place, name = str(one["path"]), str(one.get("spec") or one["path"])
        environment = part.environment or str(raw.get("environment") or "default")
        parts.append(replace(part, place=place, spec=part.spec or name, environment=environment))
    skipped = [(str(one["path"]), str(one["reason"])) for one in raw.get("skipped", ())]
    folder, environment = str(raw.get("folder", "")), str(raw.get("environment") or "")
    return of_several(folder, environment, parts, skipped, Source("", __version__))


def _of_plan_document(raw: Mapping[str, Any]) -> Document:
    warnings = _diagnostics(raw.get("diagnostics", ()))
    plan = plan_from_json(raw)
    again = {*redirections(plan.destination)}  # the document repeats them among the warnings
    plan = replace(
        plan,
        findings=_diagnostics(raw.get("findings", ())),
        warnings=tuple(warning for warning in plan.warnings if warning not in again),
    )
    digest = raw.get("digest")
    if digest is not None and not DIGEST.fullmatch(str(digest)):
        raise ValueError("its digest isn't one")
    return of_plan(plan, Source("", __version__), digest or "", warnings)


def of_plan(plan: Plan, source: Source, digest: str, warnings: tuple[Diagnostic, ...]) -> Document:
    level, sentence = verdict(plan)
    state = "failure" if level in (Level.DENIED, Level.BLOCKED) else "success"
    found = (*plan.findings, *warnings)
    return Document(
        plan.spec, plan.environment, level.value, state, sentence, plan, source, digest, found, warnings
    )


def _of_apply(events: Sequence[Mapping[str, Any]]) -> Document:
    """The lines that `apply -o json` prints: the plan first, the result last, unless the run was killed."""
    diagnostics = [event for event in events if event.get("event") == "diagnostic"]
    plans = [event for event in events if event.get("event") == "plan"]
    last = next((event for event in reversed(events) if event.get("event") == "result"), None)
    result = _RESULTS[last["result"]] if last else _KILLED
    failures = [one for failure in (last or {}).get("failures", ()) for one in failure["diagnostics"]]
    found = (*_diagnostics([*diagnostics, *failures]), *_held((last or {}).get("held", ())))
    planned = _of_plan_document(plans[0]) if plans else Document("", "", "", "", "")
    fates = _CODEC.read(_STEPS, (last or {}).get("steps", {}))
    steps = {step: _FATES.get(fate, fate) for step, fate in fates.items()}
    unapplied = planned.plan if last and last["result"] == "error" else None
    return _ended(replace(planned, plan=None, found=found, steps=steps, unapplied=unapplied), result)


def _ended(document: Document, result: _Result, progress: Sequence[float] = ()) -> Document:
    """The same with a result. `progress` is that of jobs, in percent."""
    said, steps = result.sentence, document.steps.values()
    if result.state == "pending" and progress:
        jobs = f"{len(progress)} jobs at " if len(progress) > 1 else ""
        said = f"training, {jobs}{min(progress):.0f} %{' or more' * bool(jobs)}"
    elif result.state != "success" and steps:
        said += f": {sum(step == 'done' for step in steps):,} of {plural(len(steps), 'step')} done"
    level = "failed" if result.state in ("failure", "error") else "none"
    return replace(document, level=level, state=result.state, sentence=said, result=result)


def _held(rows: Sequence[Mapping[str, Any]]) -> tuple[Diagnostic, ...]:
    return tuple(
        Diagnostic(f"{row['address']} is held by its gate", "; ".join(row["reasons"]), severity="warning")
        for row in rows
    )


def _of_gc(raw: Mapping[str, Any]) -> Document:
    """The previews that were deleted, or why they weren't. One that is kept isn't news."""
    rows = [row for row in raw["previews"] if row["result"] != "kept"]
    results = Counter(_PREVIEWS[row["result"]] for row in rows)
    state = "success" if raw["exit_code"] in (0, 4) else "failure"
    level = "none" if state == "success" else "failed"
    said = ", ".join(f"{plural(count, 'preview')} {words}" for words, count in results.items())
    steps = {str(row["environment"]): _PREVIEWS[row["result"]] for row in rows}
    found = _diagnostics([one for row in rows for one in row["diagnostics"]])
    return Document(
        str(raw["spec"]), "", level, state, said or "no preview to delete", found=found, steps=steps
    )


def _of_reconcile(raw: Mapping[str, Any]) -> Document:
    """All approved plans of a spec that were continued, together and by pull request; and what hosting hours
    have switched."""
    named = str(raw["spec"]), str(raw["environment"])
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for grant in raw["grants"]:
        pull, commit = str(grant.get("pull_request", "")), str(grant.get("commit", ""))
        pull = pull if pull.isascii() and pull.isdigit() and len(pull) < 12 else ""
        commit = commit if COMMIT.fullmatch(commit) else ""
        groups.setdefault((int(pull or 0), commit), []).append(grant)
    several = tuple(replace(_of_grants(named, of), pull=key[0], commit=key[1]) for key, of in groups.items())
    return replace(_of_grants(named, raw["grants"], raw.get("switched", ())), approvals=several)


def _of_grants(
    named: tuple[str, str],
    grants: Sequence[Mapping[str, Any]],
    switched: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """By the worst result. What hosting hours have switched as they should is no news."""
    unswitched = [one for one in switched if one["result"] != "done"]
    if not (grants or unswitched):
        quiet = f"{plural(len(switched), 'deployment')} switched by hosting hours"
        return Document(*named, "none", "success", quiet if switched else "nothing to continue")
    progress = [float(percent) for grant in grants for percent in grant.get("progress", {}).values()]
    known = {step: percent for grant in grants for step, percent in grant.get("progress", {}).items()}
    said = [(str(address), "done") for grant in grants for address in grant.get("done", ())]
    for grant in grants:
        said += [
            (s, f"in progress, {known[s]:.0f} %" if s in known else "in progress") for s in grant["left"]
        ]
        said += [(step, "waiting") for step in grant["waiting"]]
        said += [(step, "failed") for step in grant["failed"]]
        said += [(str(one["address"]), "held") for one in grant.get("held", ())]
    said += [(str(one["address"]), "failed") for one in unswitched]
    diagnostics = _diagnostics([one for row in (*grants, *unswitched) for one in row["diagnostics"]])
    held = _held([one for grant in grants for one in grant.get("held", ())])
    steps = _CODEC.read(_STEPS, dict(said))
    document = Document(*named, "", "", "", found=(*diagnostics, *held), steps=steps)
    worst = max((row["result"] for row in (*grants, *unswitched)), key=list(_RESULTS).index)
    return _ended(document, _RESULTS[worst], progress)


def diagnostics_of(raw: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """Those of a document of any command."""
    return _diagnostics(raw.get("diagnostics", ()))


def _diagnostics(raw: Sequence[Any]) -> tuple[Diagnostic, ...]:
    found = _CODEC.read(tuple[Diagnostic, ...], list(raw))
    if not {one.severity for one in found} <= _SEVERITIES:
        raise ValueError("a diagnostic has an unknown severity")
    return tuple(map(_without_text, found))


def _without_text(found: Diagnostic) -> Diagnostic:
    """Lines may have secrets, and others read what is shown."""
    return replace(found, place=found.place.veiled()) if found.place is not None else found
