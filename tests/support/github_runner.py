"""A runner of GitHub Actions workflows: events, jobs, steps, expressions and outputs, as documented.

Each `run:` is a real shell in a real checkout. Of the actions of others, `actions/checkout` is a fetch with
Git, and those that set up the machine do nothing. What isn't known here is an error, so nothing is skipped
silently.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.command import ROOT, environment

_TOKEN = re.compile(r"\s*(?:(&&|\|\||==|!=|[!(),])|'((?:[^']|'')*)'|(-?\d+)|([A-Za-z_][\w.*-]*))")
_OURS = re.compile(r"contoso/ftops@[0-9a-f]{40}$")
_SETS_UP = ("azure/login", "actions/setup-python")
_STATUS = ("success", "failure", "always", "cancelled")


@dataclass(frozen=True)
class Event:
    """What started a run: `sha` is checked out."""

    name: str
    sha: str
    ref: str = "refs/heads/main"
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class JobResult:
    """`log` is all that its steps printed; `result` is one of success, failure, skipped, cancelled."""

    result: str = "skipped"
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    log: str = ""


@dataclass
class Runner:
    """`approve` is asked for a job whose environment has required reviewers, with the results of its run so
    far. `during` gets the process of each step, once it has started."""

    origin: Path
    folder: Path
    environ: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    reviewed: frozenset[str] = frozenset()
    approve: Callable[[str, Mapping[str, JobResult]], bool] = lambda environment, results: True
    during: Callable[[str, subprocess.Popen[str]], object] = lambda job, process: None
    runs: int = 0

    def fire(self, event: Event) -> dict[str, JobResult]:
        """Runs all workflows of the commit that this event starts; jobs by their names."""
        results: dict[str, JobResult] = {}
        for name in self._git("ls-tree", "--name-only", event.sha, ".github/workflows/").split():
            workflow = yaml.load(self._git("show", f"{event.sha}:{name}"), Loader=yaml.BaseLoader)
            if _starts(workflow["on"], event):
                self.runs += 1
                results |= _Run(self, event, workflow, self.runs).jobs()
        return results

    def _git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.origin, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout


def _starts(triggers: Any, event: Event) -> bool:
    if isinstance(triggers, str):
        return triggers == event.name
    if event.name not in triggers:
        return False
    filters = triggers[event.name] if isinstance(triggers, dict) else None
    if not isinstance(filters, dict):
        return True
    unknown = filters.keys() - {"types", "branches", "inputs"}
    assert not unknown, f"filters that the runner doesn't know: {unknown}"
    action = event.payload.get("action")
    branch = event.ref.removeprefix("refs/heads/")
    return (action is None or action in filters.get("types", [action])) and (
        event.name != "push" or branch in filters.get("branches", [branch])
    )


@dataclass
class _Run:
    runner: Runner
    event: Event
    workflow: Mapping[str, Any]
    number: int
    results: dict[str, JobResult] = field(default_factory=dict)

    def jobs(self) -> dict[str, JobResult]:
        waiting = dict(self.workflow["jobs"])
        while waiting:
            name = next(
                n for n, job in waiting.items() if self.results.keys() >= set(_list(job.get("needs")))
            )
            self.results[name] = self._job(name, waiting.pop(name))
        return self.results

    def _job(self, name: str, job: Mapping[str, Any]) -> JobResult:
        needs = {need: self.results[need] for need in _list(job.get("needs"))}
        contexts = self._contexts(needs)
        states = {each.result for each in needs.values()}
        if not _holds(job.get("if"), contexts, "failure" if states - {"success"} else "success"):
            return JobResult()
        environment = filled(job.get("environment", ""), contexts)
        if environment in self.runner.reviewed and not self.runner.approve(environment, self.results):
            return JobResult("failure")
        return _Job(self, name, job, contexts).run()

    def _contexts(self, needs: Mapping[str, JobResult]) -> dict[str, Any]:
        event = self.event
        github = {
            "event": event.payload,
            "event_name": event.name,
            "ref": event.ref,
            "sha": event.sha,
            "run_id": str(self.number),
            "token": self.runner.environ["GITHUB_TOKEN"],
        }
        found = {name: {"result": each.result, "outputs": each.outputs} for name, each in needs.items()}
        return {"github": github, "vars": self.runner.variables, "needs": found}


class _Job:
    """A job on a machine of its own, whose checkout has a name of its own."""

    def __init__(self, run: _Run, name: str, job: Mapping[str, Any], contexts: dict[str, Any]) -> None:
        self.run_ = run
        self.name = name
        self.job = job
        self.place = run.runner.folder / f"{run.number}-{name}"
        self.workspace = self.place / f"work{run.number}" / name
        self.temp = self.place / "temp"
        self.contexts = {**contexts, "steps": {}, "runner": {"temp": str(self.temp)}, "env": {}}
        self.made = JobResult("success")

    def run(self) -> JobResult:
        self.workspace.mkdir(parents=True)
        _install(self.temp / "ftops" / "bin")
        event = self.place / "event.json"
        event.write_text(json.dumps(self.run_.event.payload), "utf-8")
        self.contexts["env"] = _filled_all(self.job.get("env", {}), self.contexts)
        for step in self.job["steps"]:
            if _holds(step.get("if"), self.contexts, self.made.result):
                self._step(step, self.contexts)
        self.made.outputs = _filled_all(self.job.get("outputs", {}), self.contexts)
        return self.made

    def _step(self, step: Mapping[str, Any], contexts: dict[str, Any]) -> None:
        uses = step.get("uses", "").partition(" ")[0]
        if "run" in step:
            self._shell(step, contexts)
        elif uses.startswith("actions/checkout@"):
            self._checkout(_filled_all(step.get("with", {}), contexts))
        elif _OURS.match(uses):
            self._ours(step, contexts)
        else:
            assert uses.startswith(_SETS_UP), f"an action that the runner doesn't know: {uses}"

    def _checkout(self, options: Mapping[str, str]) -> None:
        assert options.get("persist-credentials") == "false"
        depth = options.get("fetch-depth", "1")
        sha = options.get("ref") or self.run_.event.sha
        fetch = ["fetch", "-q", *([] if depth == "0" else [f"--depth={depth}"]), "origin"]
        for words in (
            ["init", "-q"],
            ["remote", "add", "origin", self.run_.runner.origin.as_uri()],
            [*fetch, *(["+refs/*:refs/remotes/origin/*"] if depth == "0" else []), sha],
            ["checkout", "-q", sha],
        ):
            subprocess.run(["git", *words], cwd=self.workspace, check=True, timeout=60, capture_output=True)

    def _ours(self, step: Mapping[str, Any], contexts: dict[str, Any]) -> None:
        """The composite action of this repository."""
        action = yaml.load((ROOT / "action.yml").read_text("utf-8"), Loader=yaml.BaseLoader)
        given = _filled_all(step.get("with", {}), contexts)
        unknown = given.keys() - action["inputs"].keys()
        assert not unknown, f"inputs that the action doesn't have: {unknown}"
        defaults = {name: each["default"] for name, each in action["inputs"].items() if "default" in each}
        inside = {**contexts, "inputs": {**_filled_all(defaults, contexts), **given}, "steps": {}}
        for each in action["runs"]["steps"]:
            if each.get("name") != "Install ftops":
                self._step(each, inside)
        if "id" in step:
            outputs = {name: filled(each["value"], inside) for name, each in action["outputs"].items()}
            contexts["steps"][step["id"]] = {"outputs": outputs}

    def _shell(self, step: Mapping[str, Any], contexts: dict[str, Any]) -> None:
        files = {name: self.place / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.write_text("")
        event = self.run_.event
        own = {
            **{name: str(path) for name, path in files.items()},
            "GITHUB_EVENT_PATH": str(self.place / "event.json"),
            "GITHUB_EVENT_NAME": event.name,
            "GITHUB_RUN_ID": str(self.run_.number),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_SHA": event.sha,
            "GITHUB_REF": event.ref,
        }
        inherited = {
            name: value for name, value in self.run_.runner.environ.items() if name != "GITHUB_TOKEN"
        }
        environ = {**inherited, **contexts["env"], **own, **_filled_all(step.get("env", {}), contexts)}
        script = self.place / "script.sh"
        script.write_text(filled(step["run"], contexts), "utf-8")
        with subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.workspace,
            env=environment(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            self.run_.runner.during(self.name, process)
            self.made.log += process.communicate(timeout=300)[0]
        if process.returncode:
            self.made.result = "failure"
        self.made.summary += files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
        if "id" in step:
            contexts["steps"][step["id"]] = {
                "outputs": written_outputs(files["GITHUB_OUTPUT"].read_text("utf-8"))
            }


def _install(folder: Path) -> None:
    """What the action installs: ftops."""
    folder.mkdir(parents=True)
    program = folder / "ftops"
    program.write_text(f'#!/bin/bash\nexec "{sys.executable}" -P -m ftops "$@"\n', "utf-8")
    program.chmod(0o755)


def written_outputs(text: str) -> dict[str, str]:
    """As a runner reads them: a value goes from the line with its end to that end."""
    found = {m[1]: m[3] for m in re.finditer(r"^([^\n=<]+)<<(\S+)\n(.*?)\n\2$", text, re.M | re.S)}
    assert text.count("<<ftops-") == len(found)
    return found


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _filled_all(values: Mapping[str, str], contexts: Mapping[str, Any]) -> dict[str, str]:
    return {name: filled(value, contexts) for name, value in values.items()}


def filled(text: str, contexts: Mapping[str, Any]) -> str:
    """A text with its expressions replaced by their values."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: _text(_Expression(match[1], contexts).value()), text)


def _holds(condition: str | None, contexts: Mapping[str, Any], status: str) -> bool:
    """A condition holds only after success, unless it names a function about the status."""
    text = (condition or "success()").strip().removeprefix("${{").removesuffix("}}")
    made = _Expression(text, contexts, status)
    found = made.value()
    return bool(found) and (made.asks_status or status == "success")


def _text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


class _Expression:
    """Operators by precedence: `||`, `&&`, `==` and `!=`, `!`."""

    def __init__(self, text: str, contexts: Mapping[str, Any], status: str = "success") -> None:
        self._tokens = list(_tokens(text))
        self._contexts = contexts
        self._status = status
        self.asks_status = False

    def value(self) -> Any:
        found = self._any()
        assert not self._tokens, f"the runner can't read the rest of an expression: {self._tokens}"
        return found

    def _take(self, *wanted: str) -> str:
        if self._tokens and self._tokens[0][0] == "operator" and self._tokens[0][1] in wanted:
            return self._tokens.pop(0)[1]
        return ""

    def _any(self) -> Any:
        found = self._all()
        while self._take("||"):
            other = self._all()
            found = found or other
        return found

    def _all(self) -> Any:
        found = self._compared()
        while self._take("&&"):
            other = self._compared()
            found = found and other
        return found

    def _compared(self) -> Any:
        found = self._single()
        while operator := self._take("==", "!="):
            same = _text(found).lower() == _text(self._single()).lower()
            found = same == (operator == "==")
        return found

    def _single(self) -> Any:
        if self._take("!"):
            return not self._single()
        if self._take("("):
            found = self._any()
            assert self._take(")")
            return found
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text
        if kind == "number":
            return int(text)
        return self._called(text) if self._take("(") else self._looked_up(text)

    def _called(self, name: str) -> Any:
        arguments: list[Any] = []
        while not self._take(")"):
            arguments.append(self._any())
            self._take(",")
        if name in _STATUS:
            self.asks_status = True
            return name == "always" or name == self._status
        assert name in _FUNCTIONS, f"a function that the runner doesn't know: {name}"
        return _FUNCTIONS[name](*arguments)

    def _looked_up(self, name: str) -> Any:
        if name in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[name]
        first, *rest = name.split(".")
        assert first in self._contexts, f"a context that the runner doesn't know: {first}"
        found: Any = self._contexts[first]
        for part in rest:
            if part == "*":
                continue
            found = (
                [each.get(part) for each in found]
                if isinstance(found, list)
                else found.get(part)
                if isinstance(found, Mapping)
                else None
            )
        return found


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "contains": lambda where, what: (
        what in where if isinstance(where, list) else _text(what).lower() in _text(where).lower()
    ),
    "startsWith": lambda text, start: _text(text).lower().startswith(_text(start).lower()),
    "fromJSON": json.loads,
    "toJSON": json.dumps,
}


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        assert found, f"the runner can't read the expression {text!r}"
        at = found.end()
        operator, quoted, number, name = found.groups()
        if operator is not None:
            yield "operator", operator
        elif quoted is not None:
            yield "text", quoted.replace("''", "'")
        elif number is not None:
            yield "number", number
        else:
            yield "name", name
