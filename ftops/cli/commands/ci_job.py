"""ftops ci run: a step of a CI job, from its inputs to its outputs. It starts no other program.

What a spec or a service says gets into the log, outputs and summary only as text; see `cli.ci_runners`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.ci_documents import APPLYING, Document, diagnostics_of, read_document
from ftops.cli.ci_posting import MOST_SUMMARY, client_of, current_run
from ftops.cli.ci_runners import SUMMARY, Runner, current_runner
from ftops.cli.commands.ci import UNREVIEWABLE
from ftops.cli.console import Screen
from ftops.cli.issue_documents import IssueDocument, read_issue_document
from ftops.cli.output_options import screen_options
from ftops.cli.repository import folder_in_repository
from ftops.cli.spec_args import probable_name
from ftops.core.confined_files import content, outside, real
from ftops.core.errors import FtopsError, UsageError
from ftops.core.private_files import open_private, write_private
from ftops.forges.ci_run import PULL_REQUEST, Overrides
from ftops.forges.merged_pull import merged_pull
from ftops.planning.estimate import Estimate
from ftops.views.diagnostics import draw
from ftops.views.paint import PLAIN

TOKEN = "FTOPS_CI_TOKEN"  # noqa: S105 - the name of a variable
"""For comments, checks and statuses. A spec can't read it."""
_ID_TOKEN, _ID_TOKEN_FILE = "FTOPS_ID_TOKEN", "AZURE_FEDERATED_TOKEN_FILE"
"""A token for Entra ID from a CI that passes it as a variable, and the file in which Azure's SDK reads it."""
_NOT_FAILED = (2, 4)
"""Changes or drift; in progress. Outputs say which."""


_LOCK = "--lock-timeout=5m"
"""A lease of a job that was killed is over by then."""


class Row(NamedTuple):
    """A command: its words, the inputs that only some have, what of `ftops ci` shows its document, and what
    reads it."""

    words: tuple[str, ...]
    inputs: frozenset[str]
    shown_by: tuple[str, ...]
    read: Callable[[Path, str | None, str | None], Document | IssueDocument] = read_document


_EVERY = "*"
"""The environment of `gc` for all previews that have expired."""
COMMANDS: Mapping[str, Row] = {
    "plan": Row(
        ("plan", "--read-only", "--detailed-exitcode", "-o", "json"),
        frozenset({"untrusted", "policy-ref", "all", "changed-since"}),
        ("comment", "annotate"),
    ),
    "check": Row(("validate", "-o", "json"), frozenset({"untrusted", "all", "changed-since"}), ("annotate",)),
    "apply": Row(
        ("apply", _LOCK, "-o", "json"), frozenset({"digest", "wait", "policy-ref"}), ("comment", "status")
    ),
    "reconcile": Row(("reconcile", _LOCK, "-o", "json"), frozenset({"wait"}), ("comment", "status")),
    "gc": Row(("gc", "-y", _LOCK, "-o", "json"), frozenset(), ("comment",)),
    "drift": Row(("drift", "-o", "json"), frozenset(), ("issue",), read_issue_document),
}


class Inputs(Struct, frozen=True):
    """The inputs of the action. `words` is the command line of ftops."""

    command: str
    folder: str
    environment: str
    words: tuple[str, ...]
    is_untrusted: bool
    comment: str

    @property
    def row(self) -> Row:
        return COMMANDS[self.command]


@click.command("run")
@screen_options
def command(screen: Screen) -> int:
    """Run a command as a step of a CI job, and show its result.

    Reads inputs from IN_COMMAND, IN_ENV and so on. Writes outputs and the summary of the job as GitHub
    Actions, GitLab CI or Azure Pipelines take them, then the comment, annotations and status. Exits with 0 if
    there are changes (2) or jobs in progress (4), which the outputs tell; else with the code of the command.
    """
    inputs = read_inputs(os.environ)
    with chdir(inputs.folder), TemporaryDirectory() as scratch:
        return _run(screen, inputs, Path(scratch) / "result")


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """The inputs in IN_* variables. Raises UsageError."""
    given = {
        name.removeprefix("IN_").lower().replace("_", "-"): value.strip()
        for name, value in environ.items()
        if name.startswith("IN_") and value.strip()
    }
    name = _chosen(given, "command", tuple(COMMANDS))
    row = COMMANDS[name]
    if "env" not in given:
        raise UsageError(
            "the input `env` is empty",
            "it names the environment of the spec, and is never guessed.",
            "name it; without `environments` in the spec, it is `default`",
        )
    flags = {flag: _chosen(given, flag, ("false", "true")) == "true" for flag in ("wait", "untrusted", "all")}
    used = {flag for flag, is_on in flags.items() if is_on}
    used |= {"digest", "policy-ref", "changed-since"} & given.keys()
    if refused := sorted(used - row.inputs):
        raise UsageError(
            f"`{name}` has no input `{refused[0]}`", "", f"it has: {', '.join(sorted(row.inputs))}"
        )
    if name == "apply" and "digest" not in given:
        raise UsageError(
            "the input `digest` is empty",
            "`apply` applies only a plan that was approved.",
            "pass the output `digest` of the plan",
        )
    options = {"--env": given["env"], "--expect-digest": given.get("digest")}
    options |= {"--policy-from": given.get("policy-ref"), "--changed-since": given.get("changed-since")}
    words = [f"{option}={value}" for option, value in options.items() if value]
    words = ["--expired"] if name == "gc" and given["env"] == _EVERY else words
    words += [f"--var-file={line.strip()}" for line in given.get("var-file", "").splitlines() if line.strip()]
    words += ["--wait" if flags["wait"] else "--no-wait"] if "wait" in row.inputs else []
    words += [f"--{flag}" for flag in ("untrusted", "all") if flags[flag]]
    comment = _chosen(given, "comment", ("always", "never"))
    return Inputs(
        name,
        _folder(given.get("chdir", ".")),
        given["env"],
        (*row.words, *words),
        flags["untrusted"],
        comment,
    )


def _chosen(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    """One of the known values; the first if none is given, except for the command."""
    value = given.get(name, "" if name == "command" else known[0])
    if value not in known:
        raise UsageError(f"the input `{name}` is `{value}`", "", f"it is one of: {', '.join(known)}")
    return value


def _folder(name: str) -> str:
    """The same. It came with the checkout, so a link may have taken its place."""
    if not Path(name).is_dir() or outside(Path(name), real(Path.cwd()), {}) is not None:
        raise UsageError(
            f"the input `chdir` is `{name}`",
            "it isn't a folder of the checkout.",
            "name the folder of the spec",
        )
    return name


def _run(screen: Screen, inputs: Inputs, file: Path) -> int:
    runner, outputs = current_runner(), dict[str, str]()
    pull = _merged_pull() if inputs.command == "apply" else 0
    try:
        with _set(PULL_REQUEST, str(pull)) if pull else nullcontext():
            if inputs.command == "apply":
                told = inputs if pull else replace(inputs, comment="never")  # the result says why
                _show_beginning(screen, runner, told, file)
            with _signed_in(file.with_name("id-token")), runner.closed_log(screen), _set(TOKEN):
                code = _captured(inputs.words, file)
            outputs["exit-code"] = str(code)
            document = inputs.row.read(file, probable_name(Path(), inputs.environment), inputs.environment)
            if isinstance(document, Document):
                outputs |= outputs_of(document)
                runner.report([one.plan for one in (document, *(document.parts or ())) if one.plan])
            runner.summarise(screen, document.draw(MOST_SUMMARY).text)
            if document.found:
                with runner.closed_log(screen):
                    screen.text(runner.harmless(draw(document.found, PLAIN)))
            shown = _shown(screen, runner, inputs, document, file, outputs)
    finally:
        runner.write_outputs(screen, outputs)
    said = f"exit code {code}: {document.sentence}"
    screen.text(f"{inputs.command} ended with {said}.{runner.place}\n")
    return shown if code in _NOT_FAILED else code or shown


def _captured(words: tuple[str, ...], file: Path) -> int:
    """Runs a command of ftops in this process; its output goes to a file, and what it says otherwise to the
    same stream as all the rest, in order."""
    from ftops.cli.main import run

    with (
        open(file, "w", encoding="utf-8", opener=open_private) as out,
        redirect_stderr(sys.stdout),
        redirect_stdout(out),
    ):
        return run(words)


def _shown(
    screen: Screen,
    runner: Runner,
    inputs: Inputs,
    document: Document | IssueDocument,
    file: Path,
    outputs: dict[str, str],
) -> int:
    """Shows the document with `ftops ci`; the most serious exit code."""
    if inputs.is_untrusted:  # there is no token: annotations are lines of the log
        screen.raw(runner.annotations(document.found, folder_in_repository(os.environ)))
        return 0
    if isinstance(document, IssueDocument) and current_run().service.issues is None:
        return int(outputs["exit-code"])  # nobody sees it, unless the job fails
    codes = [0]
    for name in _wanted(inputs, document):
        reply = file.with_name(name)
        about = ("--spec", document.spec, "--env", inputs.environment)
        with runner.closed_log(screen), _set(SUMMARY):
            codes.append(
                _captured(("ci", name, str(file), "-o", "json", "--token-env", TOKEN, *about), reply)
            )
            said = json.loads(content(reply))
            screen.text(runner.harmless(draw(diagnostics_of(said), PLAIN)))
        if said.get("id"):
            outputs[f"{name}-id"] = said["id"]
    return next((code for code in codes if code not in (0, UNREVIEWABLE)), max(codes))


def _merged_pull() -> int:
    """The pull request whose merge is applied: the approval is recorded with it. 0 if there is none, or if it
    can't be told; then `ftops ci comment` says why."""
    run = current_run(Overrides(token_variable=TOKEN))
    if run.target.pull or not run.target.commit:
        return run.target.pull
    try:
        with client_of(run) as client:
            return merged_pull(run.service, client, run.target)
    except FtopsError:
        return 0


def _show_beginning(screen: Screen, runner: Runner, inputs: Inputs, file: Path) -> None:
    """That the plan is being applied. If that can't be shown, its result can't either: that counts."""
    begun = file.with_name("begun")
    write_private(begun, json.dumps({"event": "result", "result": APPLYING}).encode())
    document = read_document(begun, probable_name(Path(), inputs.environment), inputs.environment)
    _shown(screen, runner, inputs, document, begun, {})


def _wanted(inputs: Inputs, document: Document | IssueDocument) -> list[str]:
    """The commands that show it."""
    run, is_commented = current_run(), inputs.comment == "always"
    if isinstance(document, IssueDocument):
        return ["issue"] * is_commented
    wanted = {
        "comment": is_commented and (run.target.pull or document.result is not None),
        "annotate": run.service.check is not None,
        "status": document.result is not None or document.state != "success",
    }
    return [name for name in inputs.row.shown_by if wanted[name]]


def outputs_of(document: Document) -> dict[str, str]:
    """The outputs that a document has. A cost that isn't known is empty."""
    found = {"digest": document.digest, "verdict": document.level}
    if document.parts is not None:
        found["digests"] = json.dumps({one.place: one.digest for one in document.parts if one.digest})
    return {**found, **_costs(document.plan.estimate)} if document.plan is not None else found


def _costs(estimate: Estimate) -> dict[str, str]:
    jobs = [cost.dollars for cost in estimate.training]
    hosting = [cost.per_hour for cost in estimate.hosting]
    return {
        "cost-now": "" if None in jobs else f"{estimate.dollars:.2f}",
        "cost-per-month": "" if None in hosting else f"{estimate.per_month:.2f}",
    }


@contextmanager
def _signed_in(file: Path) -> Iterator[None]:
    """Signs in with the ID token of the job, if there is one. A spec can't read it."""
    token = os.environ.get(_ID_TOKEN)
    if not token:
        yield
        return
    write_private(file, token.encode())
    with _set(_ID_TOKEN), _set(_ID_TOKEN_FILE, str(file)):
        yield


@contextmanager
def _set(name: str, value: str | None = None) -> Iterator[None]:
    """With another value of an environment variable, or without it."""
    before = os.environ.pop(name, None)
    os.environ.update({name: value} if value is not None else {})
    try:
        yield
    finally:
        os.environ.pop(name, None)
        os.environ.update({name: before} if before is not None else {})
