"""CI runners: how a step passes its outputs, summary and log to the service that runs it; a row for each.

What a spec or a service says is only text there: it adds no outputs, and never acts as a command of a runner.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import TextIO

from msgspec import Struct

from ftops.cli.console import Screen
from ftops.core.errors import Diagnostic, UsageError
from ftops.core.private_files import open_private
from ftops.planning.plan import Plan
from ftops.views.annotations import github
from ftops.views.verdict import gitlab_counts

SUMMARY = "GITHUB_STEP_SUMMARY"
_GITHUB_OUTPUT = "GITHUB_OUTPUT"
_SUMMARY_OF_JOB = " See the summary of the job."
_GITLAB_FOLDER = "CI_PROJECT_DIR"
DOTENV, COUNTS = "ftops.env", "ftops-plan.json"
"""Reports of a job of GitLab, of the types `dotenv` and `terraform`, at the root of the checkout."""
_NOT_IN_DOTENV = re.compile(r"[^A-Za-z0-9._:/@+-]")
_AZURE_FOLDER = "AGENT_TEMPDIRECTORY"
_AZURE_ESCAPES = {"%": "%AZP25", ";": "%3B", "\r": "%0D", "\n": "%0A", "]": "%5D"}
_AZURE_COMMAND = re.compile(r"#(?=[^ -~]*#)")
"""The agent finds `##vso[` anywhere in a line. It compares as people do, who don't see some characters."""


class Runner(Struct, frozen=True):
    """A row. Functions that write raise UsageError if they can't."""

    variable: str
    """Is `true` in a job."""
    closed_log: Callable[[Screen], AbstractContextManager[None]]
    """Standard output is only text in here."""
    harmless: Callable[[str], str]
    """Text that is written to the screen there."""
    write_outputs: Callable[[Screen, Mapping[str, str]], None]
    """All outputs of the step, at once."""
    summarise: Callable[[Screen, str], None]
    """Shows Markdown to whoever looks at the job."""
    place: str
    """A sentence that says where."""
    annotations: Callable[[Sequence[Diagnostic], str], str]
    """Lines of the log that mark what findings are about, where there are such lines."""
    report: Callable[[Sequence[Plan]], None]
    """Keeps what the service shows of a plan by itself."""


def current_runner() -> Runner:
    """That of this process. Gitea's and Forgejo's set the variables of GitHub's."""
    return next(
        (row for row in RUNNERS.values() if os.environ.get(row.variable, "").lower() == "true"), GITHUB
    )


def add_to_summary(text: str) -> bool:
    """Whether Markdown could be added to the summary of a job of GitHub."""
    path = os.environ.get(SUMMARY)
    if not path:
        return False
    try:
        with open(path, "ab", opener=open_private) as file:
            file.write(f"{text}\n".encode(errors="replace"))
    except OSError:
        return False
    return True


def _nothing(plans: Sequence[Plan]) -> None:
    """The service shows nothing of plans by itself."""


def _without_annotations(found: Sequence[Diagnostic], folder: str) -> str:
    return ""


# GitHub


@contextmanager
def _github_log(screen: Screen) -> Iterator[None]:
    """Lines that look like workflow commands are only text in here."""
    word = secrets.token_hex(16)
    is_github = os.environ.get("GITHUB_ACTIONS") == "true"
    screen.raw(f"::stop-commands::{word}\n" * is_github)
    try:
        yield
    finally:
        screen.raw(f"::{word}::\n" * is_github)


def _github_outputs(screen: Screen, outputs: Mapping[str, str]) -> None:
    """Each value ends at a random line that nobody could have put into it."""
    path = os.environ.get(_GITHUB_OUTPUT)
    if not path:
        return
    lines = []
    for name, value in outputs.items():
        end = f"ftops-{secrets.token_hex(16)}"
        lines.append(f"{name}<<{end}\n{value}\n{end}\n")
    _write(Path(path), "".join(lines), "ab")


def _github_summary(screen: Screen, text: str) -> None:
    add_to_summary(text)


# GitLab


def _gitlab_outputs(screen: Screen, outputs: Mapping[str, str]) -> None:
    """As `FTOPS_EXIT_CODE` and so on. Characters that a dotenv file can't have become `_`, and so does `$`: a
    value could name a variable by it."""
    lines = [f"FTOPS_{_upper(name)}={_NOT_IN_DOTENV.sub('_', value)}\n" for name, value in outputs.items()]
    if os.environ.get(_GITLAB_FOLDER):
        _write(Path(os.environ[_GITLAB_FOLDER], DOTENV), "".join(lines), "wb")


def _gitlab_summary(screen: Screen, text: str) -> None:
    """Jobs have no summary: the log shows it."""
    screen.text(f"{text}\n")


def _gitlab_counts(plans: Sequence[Plan]) -> None:
    """For the widget of a merge request."""
    if plans and os.environ.get(_GITLAB_FOLDER):
        _write(Path(os.environ[_GITLAB_FOLDER], COUNTS), json.dumps(gitlab_counts(*plans)), "wb")


# Azure Pipelines


class _HarmlessLines(TextIOBase):
    """Writes whole lines, so that no command can be put together from two writes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._rest = stream, ""

    def write(self, text: str) -> int:
        lines, end, self._rest = (self._rest + text).rpartition("\n")
        self._stream.write(_azure_text(lines + end))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        if not self.closed:
            self._stream.write(_azure_text(self._rest))
            super().close()


@contextmanager
def _azure_log(screen: Screen) -> Iterator[None]:
    lines = _HarmlessLines(sys.stdout)
    with redirect_stdout(lines):
        try:
            yield
        finally:
            lines.close()


def _azure_text(text: str) -> str:
    return _AZURE_COMMAND.sub("# ", text)


def _azure_outputs(screen: Screen, outputs: Mapping[str, str]) -> None:
    """Output variables of the step; names there have no `-`."""
    for name, value in outputs.items():
        variable = _upper(name).lower()
        screen.raw(f"##vso[task.setvariable variable={variable};isoutput=true]{_azure_escaped(value)}\n")


def _azure_summary(screen: Screen, text: str) -> None:
    """The agent uploads the file after the step."""
    folder = os.environ.get(_AZURE_FOLDER)
    if folder:
        path = Path(folder, f"ftops-{secrets.token_hex(4)}.md").absolute()
        _write(path, text, "xb")
        screen.raw(f"##vso[task.uploadsummary]{_azure_escaped(str(path))}\n")


def _azure_escaped(value: str) -> str:
    return "".join(_AZURE_ESCAPES.get(char, char) for char in value)


def _upper(name: str) -> str:
    return name.replace("-", "_").upper()


def _write(path: Path, text: str, mode: str) -> None:
    """Follows no link, which may have come with a checkout."""
    try:
        with open(path, mode, opener=open_private) as file:
            file.write(text.encode(errors="replace"))
    except OSError as error:
        raise UsageError(
            f"can't write the result of the step: {error.strerror}", f"{path}.", "check the runner"
        ) from error


GITHUB = Runner(
    variable="GITHUB_ACTIONS",
    closed_log=_github_log,
    harmless=str,
    write_outputs=_github_outputs,
    summarise=_github_summary,
    place=_SUMMARY_OF_JOB,
    annotations=github,
    report=_nothing,
)
RUNNERS: Mapping[str, Runner] = {
    "github": GITHUB,
    "gitlab": Runner(
        variable="GITLAB_CI",
        closed_log=lambda screen: nullcontext(),
        harmless=str,
        write_outputs=_gitlab_outputs,
        summarise=_gitlab_summary,
        place="",
        annotations=_without_annotations,
        report=_gitlab_counts,
    ),
    "azure": Runner(
        variable="TF_BUILD",
        closed_log=_azure_log,
        harmless=_azure_text,
        write_outputs=_azure_outputs,
        summarise=_azure_summary,
        place=_SUMMARY_OF_JOB,
        annotations=_without_annotations,
        report=_nothing,
    ),
}
