"""Pages of the documentation: their commands run, one after the other, in the folder that a reader has."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.functional.test_cli_costs import git
from tests.functional.test_cli_data import ROUTED, calling, lines
from tests.golden.cli import SPEC, Done, Folder, examples
from tests.support.nightly import by_night
from tests.support.walkthrough import ROOT, Command, Reader, blocks, with_output


def _empty(folder: Folder) -> None:
    """A reader who has nothing yet."""


def _drone(folder: Folder) -> None:
    Folder.make(folder.path)


def _checkout(*names: str) -> Callable[[Folder], None]:
    """The checkout, with these specs."""

    def prepare(folder: Folder) -> None:
        folder.write(".git/HEAD", "")
        for name in names:
            ignored = shutil.ignore_patterns(".ftops", "state")
            shutil.copytree(ROOT / "specs" / name, folder.path / "specs" / name, ignore=ignored)

    return prepare


def _data(folder: Folder) -> None:
    _drone(folder)
    text = (ROOT / "docs" / "data.md").read_text("utf-8")
    (mapping,) = (b.text for b in blocks(text) if b.language == "text" and b.text.startswith("messages:"))
    folder.write("map.yaml", mapping)
    folder.write("table.csv", "question,answer\nWho?,You.\n")
    folder.write("alpaca.json", '[\n {"instruction": "Who?", "input": "", "output": "You."}\n]\n')
    folder.write("data/new.jsonl", lines(*ROUTED[1:]))
    folder.write("data/all.jsonl", lines(*ROUTED))
    folder.write("data/legacy.jsonl", lines(*(calling(f"Call {n}", "sales") for n in range(3))))
    for arguments in (("init", "-q"), ("add", "data"), ("commit", "-qm", "one")):
        git(folder.path, *arguments)


def _committed(folder: Folder) -> None:
    folder.write(".gitignore", ".ftops/\nstate/\n")
    _checkout("quickstart")(folder)
    shutil.rmtree(folder.path / ".git")
    _commit(folder)


def _commit(folder: Folder) -> None:
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "one")):
        git(folder.path, *arguments)


def _two_models(folder: Folder) -> None:
    """A deployment that has served two models."""
    served = "    model: ${job.copilot.fine_tuned_model}\n"
    Folder.make(folder.path, SPEC.replace(served, served + "    keep_models: 2\n", 1))
    folder.ok("apply", "-y")
    folder.edit("n_epochs: 3", "n_epochs: 2")
    folder.ok("apply", "-y")


def _emulated(folder: Folder) -> None:
    Folder.make(folder.path, SPEC.replace("type: memory", "type: emulator"))


TUNED = """
providers:
  azure: {type: emulator}
  dev: {type: emulator}

datasets:
  train: {path: train.jsonl}

jobs:
  copilot: {model: gpt-4.1-nano-2025-04-14, training: train}
"""
SERVED = '\ndeployments:\n  copilot: {model: "${job.copilot.fine_tuned_model}"}\n'


def _spec_of(page: str, more: str = "") -> Callable[[Folder], None]:
    """The first spec of a page, with what it leaves to the reader."""

    def prepare(folder: Folder) -> None:
        (spec, *_) = (b.text for b in blocks((ROOT / page).read_text("utf-8")) if b.language == "yaml")
        Folder.make(folder.path, spec + more)
        folder.write("train.jsonl", examples(12))

    return prepare


def _staging(folder: Folder) -> None:
    _spec_of("docs/promotion.md")(folder)
    folder.ok("apply", "--env", "staging", "-y")


def _hours(folder: Folder) -> None:
    _spec_of("docs/hosting-hours.md", TUNED.replace("  dev: {type: emulator}\n", ""))(folder)
    folder.ok("apply", "-y")


def _at_the_top(folder: Folder) -> None:
    """The quickstart, committed, in the reader's folder."""
    ignored = shutil.ignore_patterns(".ftops", "state")
    shutil.copytree(ROOT / "specs" / "quickstart", folder.path, ignore=ignored, dirs_exist_ok=True)
    _commit(folder)


def _many(folder: Folder) -> None:
    for name in ("shared", "copilot"):
        spec = SPEC.replace("name: drone", f"name: {name}")
        Folder.make(folder.path / "models" / name, spec + "\nenvironments: {prod: {}}\n")
    _commit(folder)
    git(folder.path, "update-ref", "refs/remotes/origin/main", "HEAD")


def _committed_drone(folder: Folder) -> None:
    Folder.make(folder.path, SPEC + "\npolicy: []\n")
    _commit(folder)


def _with_prod(folder: Folder) -> None:
    Folder.make(folder.path, SPEC + "\nenvironments: {prod: {}}\n")


class Scene(NamedTuple):
    """What a reader of a page has at its beginning, besides programs."""

    prepare: Callable[[Folder], None] = _empty
    digest: bool = False
    by_night: bool = False
    environ: Mapping[str, str] = MappingProxyType({})


SIGNED_OUT = {
    "HOME": "/nonexistent",
    **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
}
"""Without credentials, and without a metadata service of this machine that could have some."""

RECIPES = sorted(p.stem for p in (ROOT / "docs" / "recipes").glob("*.md") if p.stem != "index")
OF_THE_DAY = {"dev-prod", "sweep", "adopt", "clean-up"}
"""The recipes that the default suite follows; the others are followed by night."""

FOLLOWED: Mapping[str, Scene] = {
    **{f"docs/recipes/{name}.md": Scene(by_night=name not in OF_THE_DAY) for name in RECIPES},
    "docs/ci.md": Scene(_with_prod),
    "docs/cli.md": Scene(_drone),
    "docs/data.md": Scene(_data),
    "docs/drift.md": Scene(_drone),
    "docs/evaluation.md": Scene(_checkout("quickstart"), by_night=True),
    "docs/first-hour.md": Scene(environ=SIGNED_OUT),
    "docs/generation.md": Scene(_at_the_top, by_night=True),
    "docs/hosting-hours.md": Scene(_hours, by_night=True),
    "docs/index.md": Scene(),
    "docs/install.md": Scene(),
    "docs/many-specs.md": Scene(_many),
    "docs/policy.md": Scene(_committed_drone, environ={"BASE_SHA": "HEAD"}),
    "docs/previews.md": Scene(_spec_of("docs/previews.md", TUNED + SERVED), by_night=True),
    "docs/promotion.md": Scene(_staging, by_night=True),
    "docs/radar.md": Scene(_emulated),
    "docs/reinforcement.md": Scene(_checkout("triage")),
    "docs/rollback.md": Scene(_two_models),
    "docs/saved-plans.md": Scene(_drone, digest=True),
    "docs/security.md": Scene(_drone),
    "docs/training.md": Scene(_checkout("quickstart")),
    "specs/lamp/README.md": Scene(_checkout("lamp"), by_night=True),
    "specs/quickstart/README.md": Scene(_committed, by_night=True),
    "specs/triage/README.md": Scene(_checkout("triage"), by_night=True),
}

ELSEWHERE: Mapping[str, str] = {
    "docs/az.md": "tests/clients/test_page.py",
    "docs/clients.md": "tests/clients/manual.py",
    "docs/reports.md": "tests/functional/test_docs_reports.py",
    "docs/sweeps.md": "tests/functional/test_sweeps.py",
    "docs/tracking.md": "tests/clients/test_trackers.py",
}
"""Page → the test that runs its commands."""

_INSTALLS = "installs packages"
_YOURS = "the addresses, ids and accounts are examples"
NOT_RUN: Mapping[str, Mapping[str, str]] = {
    "CONTRIBUTING.md": {
        "make ": _INSTALLS,
        "source ": "the environment of the tests is active",
        ".venv/bin/python -m pytest": "this is a run of pytest",
        "UPDATE_GOLDEN=1": "it would write files of the checkout",
    },
    "README.md": {"make ": ".ci/run runs it", "uv tool ": _INSTALLS},
    "docs/ci.md": {"ftops ci ": "needs a Git hosting service; tests/forges has stand-ins"},
    "docs/cli.md": {"ftops completion fish": "writes to the home folder"},
    "docs/emulator.md": {"": "starts a server, or calls the one that was started; tests/emulator does"},
    "docs/install.md": {
        "make ": _INSTALLS,
        "source ": "the environment of the tests is active",
        "pipx ": _INSTALLS,
        "uv ": _INSTALLS,
    },
    "docs/many-specs.md": {"ftops -C ": "the digest is one of the plan before"},
    "docs/policy.md": {
        "FTOPS_POLICY=": "a file outside the project",
        "conftest ": "another program; tests/clients/test_policy_engines.py",
    },
    "docs/reconcile.md": {"": "tests/functional/test_grants.py has an approval to continue"},
    "docs/recipes/adopt.md": {
        "ftops import --discover --out acme --endpoint": _YOURS,
        "ftops import job.copilot": _YOURS,
        "ftops import deployment.prod": _YOURS,
    },
    "docs/recipes/dev-prod.md": {"ftops apply --env prod": "needs an account in Azure"},
    "docs/security.md": {"pip install": _INSTALLS},
    "docs/state-commands.md": {
        "ftops state mv": _YOURS,
        "ftops state rm": _YOURS,
        "ftops import": _YOURS,
        "cd acme": _YOURS,
        "ftops state replace-provider": _YOURS,
        "ftops state pu": "the file is edited in between",
    },
    "specs/quickstart/README.md": {"source ": "the environment of the tests is active"},
}
"""Page → beginning of commands that aren't run → the reason. They are parsed all the same."""


def follow(page: str, folder: Path) -> dict[Command, Done]:
    """What the commands of a page came to. UPDATE_GOLDEN=1 writes the output that it shows."""
    scene, text = FOLLOWED[page], (ROOT / page).read_text("utf-8")
    is_renewed = bool(os.environ.get("UPDATE_GOLDEN"))
    reader = Reader(Folder(folder), scene.digest, not is_renewed, dict(scene.environ))
    scene.prepare(reader.folder)
    done = reader.follow(text, [*NOT_RUN.get(page, {})])
    if is_renewed:
        (ROOT / page).write_text(with_output(text, done), "utf-8")
    return done


def _reinforcement(done: Mapping[str, Done]) -> None:
    """The grader has told good answers from bad ones, and the model has learnt from it."""
    (graded,) = (found.out for command, found in done.items() if "grade.py" in command)
    scores = [line.split()[0] for line in graded.splitlines()]
    assert [scores.count(score) for score in ("1.00", "0.70", "0.30", "0.00")] == [3, 3, 9, 9]
    (answer,) = (found.out for command, found in done.items() if "ask.py" in command)
    assert json.loads(answer[answer.index("{") :]) == {"queue": "delivery", "urgency": "high"}
    (best,) = (
        line.split()
        for line in done["ftops results job.triage specs/triage"].out.splitlines()
        if line.endswith("best")
    )
    assert float(best[2]) > 0.7
    assert "No changes." in done["ftops plan specs/triage"].out


def _training(done: Mapping[str, Done]) -> None:
    assert "Verdict: " in done["ftops results job.copilot specs/quickstart"].out
    assert "job.copilot: succeeded" in done["ftops jobs specs/quickstart --follow"].out
    assert "Job enqueued." in done["ftops logs job.copilot specs/quickstart"].out


SHOWN: Mapping[str, Callable[[Mapping[str, Done]], None]] = {
    "docs/reinforcement.md": _reinforcement,
    "docs/training.md": _training,
}
"""What else the commands of a page show."""


@pytest.mark.parametrize("page", by_night(FOLLOWED, lambda page: FOLLOWED[page].by_night))
def test_a_reader_can_follow_the_page(page: str, tmp_path: Path) -> None:
    done = {command.text: what for command, what in follow(page, tmp_path).items()}
    assert done
    if page in SHOWN:
        SHOWN[page](done)
