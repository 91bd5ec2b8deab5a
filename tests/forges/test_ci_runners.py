"""`ftops ci run` in GitLab CI and Azure Pipelines: what the runner reads of a step, also of a hostile one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from ftops.cli.ci_runners import COUNTS, DOTENV, RUNNERS
from ftops.cli.console import Screen
from tests.forges.conftest import TOKEN, Job
from tests.forges.stand_in import running
from tests.forges.test_services import ROWS, Forge
from tests.golden.cli import Done, Folder

NAMES = ("exit-code", "digest", "verdict", "cost-now", "cost-per-month", "comment-id")


def of_dotenv(folder: Path, log: str) -> dict[str, str]:
    """As GitLab reads a dotenv report: a line is a name, `=` and a value without spaces; none is empty."""
    lines = (folder / DOTENV).read_text("utf-8").removesuffix("\n").split("\n")
    found = [re.fullmatch(r"FTOPS_([A-Z_]+)=(\S*)", line) for line in lines]
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


class Command(NamedTuple):
    name: str
    properties: Mapping[str, str]
    data: str


def commands(log: str) -> Iterator[Command]:
    """As the agent finds them: anywhere in a line of the log, up to the next `]`."""
    for line in log.splitlines():
        _, found, rest = line.partition("##vso[")
        if found and "]" in rest:
            info, _, data = rest.partition("]")
            name, _, properties = info.partition(" ")
            pairs = (pair.partition("=")[::2] for pair in properties.split(";"))
            yield Command(name, {key: unescaped(value) for key, value in pairs}, unescaped(data))


def unescaped(value: str) -> str:
    for escape, char in (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%")):
        value = value.replace(escape, char)
    return value


def of_log(folder: Path, log: str) -> dict[str, str]:
    """As the agent of Azure Pipelines keeps output variables."""
    found = {}
    for command in commands(log):
        assert command.name in ("task.setvariable", "task.uploadsummary"), command
        if command.name == "task.setvariable":
            assert command.properties["isoutput"] == "true"
            found[command.properties["variable"].replace("_", "-")] = command.data
    return found


def summary_in_log(folder: Path, log: str) -> str:
    return log


def uploaded(folder: Path, log: str) -> str:
    (path,) = (Path(command.data) for command in commands(log) if command.name == "task.uploadsummary")
    assert path.parent == folder
    return path.read_text("utf-8")


class Case(NamedTuple):
    """The row of the stand-in, variables for folders, and how the runner reads outputs and the summary."""

    service: str
    folders: tuple[str, ...]
    outputs: Callable[[Path, str], dict[str, str]]
    summary: Callable[[Path, str], str]


CASES = {
    "gitlab": Case("gitlab", ("CI_PROJECT_DIR",), of_dotenv, summary_in_log),
    "azure": Case("azure-devops", ("BUILD_SOURCESDIRECTORY", "AGENT_TEMPDIRECTORY"), of_log, uploaded),
}


@dataclass
class Step:
    case: Case
    job: Job
    folder: Path
    forge: Forge
    log: str = ""

    def run(self, command: str, code: int = 0, **inputs: str) -> Done:
        given = {f"IN_{name.upper()}": value for name, value in {"env": "default", **inputs}.items()}
        environ = {"IN_COMMAND": command, "IN_CHDIR": "drone", "FTOPS_CI_TOKEN": TOKEN, **given}
        done = self.job.ftops("-C", "..", "ci", "run", code=code, environ=environ)
        self.log = done.out
        return done

    @property
    def outputs(self) -> dict[str, str]:
        return self.case.outputs(self.folder, self.log)

    @property
    def summary(self) -> str:
        return self.case.summary(self.folder, self.log)


@pytest.fixture(params=CASES)
def step(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Step]:
    case = CASES[request.param]
    row = ROWS[case.service]
    with running(row.make()) as forge:
        assert isinstance(forge, Forge)
        environ = {**row.variables(forge, tmp_path), **dict.fromkeys(case.folders, str(tmp_path))}
        yield Step(case, Job(Folder.make(tmp_path / "drone"), environ), tmp_path, forge)


def test_what_is_planned_is_applied_by_its_digest(step: Step) -> None:
    assert "plan ended with exit code 2: 1 model trained" in step.run("plan").out
    planned = step.outputs
    assert planned.keys() == set(NAMES)
    assert (planned["exit-code"], planned["verdict"]) == ("2", "safe")
    assert planned["digest"] in step.summary
    assert any("notes" in line or "threads" in line for line in step.forge.writes)
    step.run("apply", code=3, digest="v2:sha256:" + "0" * 64)
    assert step.outputs["exit-code"] == "3"
    for path in step.folder.glob("ftops-*.md"):
        path.unlink()
    step.run("apply", digest=planned["digest"], wait="true")
    assert step.outputs["exit-code"] == "0"
    assert any("statuses" in line for line in step.forge.writes)


def test_gitlab_counts_what_is_planned(step: Step) -> None:
    step.run("plan")
    path = step.folder / COUNTS
    assert path.exists() == (step.case.service == "gitlab")
    if path.exists():
        assert json.loads(path.read_text("utf-8")) == {"create": 5, "update": 0, "delete": 0}


def test_a_spec_gives_no_commands(step: Step) -> None:
    """Neither in an error about it, nor in a summary."""
    evil = "##vso[task.setvariable variable=digest;isoutput=true]v2:sha256:evil"
    texts = (f"\\n{evil}", f"#{evil}", f"#\\u00ad{evil[1:]}", "\\nFTOPS_DIGEST=v2:sha256:evil")
    for text, untrusted in zip(texts, ("false", "true") * 2, strict=True):
        step.job.folder.edit("n_epochs: 3", f'n_epochs: "{text}"')
        step.run("plan", code=1, untrusted=untrusted)
        assert {**step.outputs, "comment-id": ""} == {
            "exit-code": "1",
            "verdict": "failed",
            "digest": "",
            "comment-id": "",
        }
        assert "sha256:evil" in step.log
        step.job.folder.edit(f'n_epochs: "{text}"', "n_epochs: 3")
        for path in step.folder.glob("ftops-*.md"):
            path.unlink()


HOSTILE = (
    "5\n##vso[task.setvariable variable=digest;isoutput=true]evil",
    "5\r\nFTOPS_DIGEST=evil",
    "]%0A%AZP250A;variable=digest",
    "$FTOPS_CI_TOKEN ${FTOPS_CI_TOKEN} `id` $(id)",
    "",
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", CASES)
def test_an_output_is_one_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    for variable in CASES[name].folders:
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / DOTENV).write_text("FTOPS_VERDICT=safe\n")  # came with the checkout
    screen = Screen([], {})
    RUNNERS[name].write_outputs(screen, {"comment-id": value, "exit-code": "2"})
    found = CASES[name].outputs(tmp_path, capsys.readouterr().out)
    assert found.keys() == {"comment-id", "exit-code"}
    assert found["exit-code"] == "2"
    if name == "azure":
        assert found["comment-id"] == value
    else:
        assert not re.search(r"[\s$`]", found["comment-id"])


def test_a_command_in_two_writes(capsys: pytest.CaptureFixture[str]) -> None:
    with RUNNERS["azure"].closed_log(Screen([], {})):
        for part in ("a #", "#v", "so[task.complete result=Succeeded;]", "\nb ##vso[task.complete]"):
            sys.stdout.write(part)
            sys.stdout.flush()
    out = capsys.readouterr().out
    assert list(commands(out)) == []
    assert out == "a # #vso[task.complete result=Succeeded;]\nb # #vso[task.complete]"


def test_reports_follow_no_link(step: Step) -> None:
    outside = step.folder.parent / f"{step.folder.name}-outside"
    outside.write_text("as it was")
    for name in (DOTENV, COUNTS):
        (step.folder / name).symlink_to(outside)
    code = 1 if step.case.service == "gitlab" else 0
    assert ("can't write the result of the step" in step.run("plan", code=code).err) == bool(code)
    assert outside.read_text() == "as it was"


def test_the_id_token_of_the_job_is_no_secret_of_the_spec(step: Step) -> None:
    step.job.environ["FTOPS_ID_TOKEN"] = "jwt-of-the-job"
    step.run("plan")
    step.job.folder.edit(
        "seed: 105", 'seed: 105\n    integrations: [{type: wandb, wandb: {project: "${env.FTOPS_ID_TOKEN}"}}]'
    )
    for path in step.folder.glob("ftops-*.md"):
        path.unlink()
    step.run("plan", code=1)
    assert "FTOPS_ID_TOKEN" in step.summary
    assert "jwt-of-the-job" not in step.log + step.summary
