"""Fixtures: a stand-in, and a folder with documents of plans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ftops.cli.plan_flow import plan_document
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.planning.plan import Action, Change, Plan, Reason
from tests.forges.github_api import GitHub
from tests.forges.stand_in import StandIn, running
from tests.golden.cli import Done, Folder

HEAD = "0123456789abcdef0123456789abcdef01234567"
MERGE = "fedcba9876543210fedcba9876543210fedcba98"
TOKEN = "t0ken-of-ci"


def plan(*changes: Change, environment: str = "prod", findings: tuple[Diagnostic, ...] = ()) -> Plan:
    return Plan("drone", environment, "abcdef01", 7, changes, findings=findings)


def change(name: str, action: Action, kind: str = "deployment", reason: str = "inputs differ") -> Change:
    address = Address(kind, name)
    return Change(str(address), address, action, Reason("inputs", reason), "azure")


SAFE = plan(change("copilot", Action.CREATE))
DESTRUCTIVE = plan(change("copilot", Action.DELETE))


def documented(made: Plan) -> str:
    """What `plan -o json` prints."""
    return json.dumps(plan_document(made, ()))


@dataclass
class Job:
    """A job of a CI for a pull request: its folder and its environment variables."""

    folder: Folder
    environ: dict[str, str] = field(default_factory=dict)

    def ftops(
        self, *words: str, code: int = 0, stdin: str = "", environ: Mapping[str, str] | None = None
    ) -> Done:
        """Runs a command, and fails if the exit code is another one, or if the token was printed."""
        done = self.folder.run(*words, environ={**self.environ, **(environ or {})}, stdin=stdin)
        assert done.code == code, done
        assert TOKEN not in done.out + done.err
        return done

    def comment(
        self, made: Plan, *words: str, code: int = 0, environ: Mapping[str, str] | None = None
    ) -> Done:
        self.folder.write("plan.json", documented(made))
        return self.ftops("ci", "comment", "plan.json", *words, code=code, environ=environ)


@pytest.fixture
def github() -> Iterator[GitHub]:
    with running(GitHub()) as forge:
        assert isinstance(forge, GitHub)
        yield forge


def event_of_pull(folder: Path) -> str:
    """The file of the event of a pull request, as GitHub and Gitea write it."""
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12, "head": {"sha": HEAD}}}), "utf-8")
    return str(event)


def github_variables(forge: StandIn, folder: Path) -> dict[str, str]:
    """As GitHub Actions sets them for a pull request."""
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": forge.api,
        "GITHUB_EVENT_PATH": event_of_pull(folder),
        "GITHUB_REPOSITORY": "contoso/models",
        "GITHUB_REPOSITORY_ID": "77",
        "GITHUB_RUN_ID": "5",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_SHA": MERGE,
        "GITHUB_TOKEN": TOKEN,
    }


@pytest.fixture
def job(github: GitHub, tmp_path: Path) -> Job:
    """A job of GitHub Actions."""
    return Job(Folder.make(tmp_path / "drone"), github_variables(github, tmp_path))
