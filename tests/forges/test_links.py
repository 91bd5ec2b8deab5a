"""Links to lines: in a comment, each cause leads to its line in the repository at the commit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from msgspec.structs import replace

from ftops.core.address import Address
from ftops.core.errors import Place
from ftops.forges.ci_run import Overrides, ci_run, line_url
from ftops.planning.estimate import DataChange, Estimate, Line
from ftops.planning.plan import Plan
from tests.forges.conftest import DESTRUCTIVE, HEAD, Job, github_variables
from tests.forges.github_api import GitHub
from tests.forges.stand_in import StandIn
from tests.forges.test_services import of_azure_devops, of_gitea, of_gitlab
from tests.golden.cli import Folder

AT = f"https://github.example/contoso/models/blob/{HEAD}"
VARIABLES: dict[str, tuple[Any, dict[str, str], str]] = {
    "github": (github_variables, {}, f"{AT}/a%20b/s%23.yaml#L12"),
    "gitlab": (
        of_gitlab,
        {"CI_PROJECT_URL": "https://gitlab.example/contoso/models"},
        f"https://gitlab.example/contoso/models/-/blob/{HEAD}/a%20b/s%23.yaml#L12",
    ),
    "gitea": (
        of_gitea,
        {"GITHUB_SERVER_URL": "https://gitea.example"},
        f"https://gitea.example/contoso/models/src/commit/{HEAD}/a%20b/s%23.yaml#L12",
    ),
    "azure-devops": (
        of_azure_devops,
        {"SYSTEM_COLLECTIONURI": "https://dev.azure.com/contoso/", "BUILD_REPOSITORY_NAME": "models"},
        f"https://dev.azure.com/contoso/my%20project/_git/models?path=/a%20b/s%23.yaml&version=GC{HEAD}"
        "&line=12&lineEnd=12&lineStartColumn=1&lineEndColumn=1",
    ),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_the_page_of_a_line(tmp_path: Path, name: str) -> None:
    variables, more, url = VARIABLES[name]
    server: Any = StandIn()
    server.server_close()
    environ = {**variables(server, tmp_path), **more}
    run = ci_run(environ, Overrides(), "")
    assert line_url(run, "a b", "s#.yaml", 12) == url
    for folder, file in (("", "../x"), ("a", "../../x"), ("", "/etc/passwd"), ("a", "/x"), ("..", "x")):
        assert line_url(run, folder, file, 1) == ""
    assert line_url(run, "a/b", "../x", 1) != ""
    assert (
        line_url(
            ci_run({**environ, "GITHUB_SERVER_URL": "x)y", **dict.fromkeys(more, "(")}, Overrides(), ""),
            "",
            "x",
            1,
        )
        == ""
    )


def placed(made: Plan, file: str, line: int = 12) -> Plan:
    places = {change.address: {"": Place(file, line)} for change in made.changes}
    return replace(made, places=places)


def test_each_cause_leads_to_its_line(github: GitHub, job: Job) -> None:
    job.environ["GITHUB_WORKSPACE"] = str(job.folder.path.parent)
    job.folder.run("apply", "-y")
    job.folder.edit("seed: 105", "seed: 106")
    job.folder.write("plan.json", job.folder.run("plan", "-o", "json").out)
    job.ftops("ci", "comment", "plan.json")
    (comment,) = github.visible
    spec = (job.folder.path / "ftops.yaml").read_text("utf-8").splitlines()
    seed = next(number for number, line in enumerate(spec, 1) if "seed" in line)
    rows = {line.split("|")[2].strip(): line for line in comment.body.splitlines() if line.startswith("| ±")}
    assert f"in [`ftops.yaml:{seed}`]({AT}/drone/ftops.yaml#L{seed}) |" in rows["`job.copilot`"]
    assert f"]({AT}/drone/ftops.yaml#L" in rows["`deployment.copilot`"]
    assert f"  # ftops.yaml:{seed}\n" in comment.body
    again = job.ftops("plan", "-o", "markdown").out
    assert "](http" not in again
    assert f"in `ftops.yaml:{seed}` |" in again


def test_new_examples_lead_to_their_lines(github: GitHub, job: Job) -> None:
    lines = tuple(Line(file, line) for file, line in (("data/train.jsonl", 13), (EVIL, 2)))
    change = DataChange(Address("dataset", "train"), added=40, edited=1, examples=52, lines=lines)
    job.comment(replace(DESTRUCTIVE, estimate=Estimate(data=(change,))))
    (comment,) = github.comments
    (line,) = (text for text in comment.body.splitlines() if text.startswith("New or edited: "))
    assert f"[`data/train.jsonl:13`]({AT}/data/train.jsonl#L13), [``a`b]" in line
    assert line.endswith(", 39 more")


EVIL = "a`b](https://evil.example)|@org/team #12 <img src=x>\n/merge[x"


def test_pitfall_11_names_of_files_are_inert(github: GitHub, job: Job) -> None:
    job.comment(placed(DESTRUCTIVE, EVIL))
    (comment,) = github.comments
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(comment.body)
    links = re.findall(r'<a href="([^"]*)"', html)
    assert [link for link in links if not link.startswith(("https://github.example/",))] == []
    assert "<img" not in html
    assert "\n/merge" not in comment.body
    assert "a%60b%5D%28https%3A/evil.example%29%7C%40org/team" in html


def test_explain_names_the_lines(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "drone")
    folder.run("apply", "-y")
    folder.edit("n_epochs: 3", "n_epochs: 4")
    spec = (folder.path / "ftops.yaml").read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(spec, 1) if "n_epochs" in text)
    out = folder.run("explain", "job.copilot").out
    assert f"job.copilot  will be replaced  ftops.yaml:{line}" in out
    change = folder.run("explain", "job.copilot", "-o", "json").json["changes"][0]
    assert change["place"] == {"file": "ftops.yaml", "line": line}


def test_a_plan_document_has_the_places(tmp_path: Path) -> None:
    folder = Folder.make(tmp_path / "drone")
    folder.run("apply", "-y")
    folder.edit("n_epochs: 3", "n_epochs: 4")
    folder.edit('capacity: "${var.capacity}"', "capacity: 7")
    changes = {
        c["address"]: c for c in folder.run("plan", "-o", "json").json["changes"] if "#" not in c["step"]
    }
    job = changes["job.copilot"]
    (attribute,) = job["attributes"]
    assert (attribute["path"], attribute["place"]["line"] < job["place"]["line"]) == (
        "hyperparameters.n_epochs",
        True,
    )
    assert changes["deployment.base"]["attributes"][0]["place"]["file"] == "ftops.yaml"
