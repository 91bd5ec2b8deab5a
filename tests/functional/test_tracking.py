"""ftops results --to at the command line, without a library. tests/clients/test_trackers.py has both."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

import pytest

from ftops.core.installation import install_extra
from tests.functional.test_sweeps import SPEC, with_data
from tests.golden.cli import Folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = with_data(Folder.make(tmp_path_factory.mktemp("tracking"), SPEC))
    folder.ok("apply", "-y")
    return folder


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("job.alone", "--experiment", "x"), "--experiment goes with --to", ""),
        (
            ("job.alone", "--to", "mlflow", "--project", "x"),
            "--project has no effect with --to mlflow",
            "use --tracking-uri or --experiment",
        ),
        (
            ("job.alone", "--to", "wandb", "--tracking-uri", "x"),
            "--tracking-uri has no effect with --to wandb",
            "",
        ),
        (("job.alone", "job.sweep"), "several addresses go with --to", ""),
        ((), "several jobs are recorded", "job.alone, job.sweep"),
        ((".",), "several jobs are recorded", "job.alone, job.sweep"),
        (("--to", "mlflow"), "several jobs" if find_spec("mlflow") else "isn't installed", ""),
        (("alone",), "'alone' is not an address", "Write job.alone"),
        (("job.alone", "--to", "comet"), "'comet' is not one of", ""),
    ],
)
def test_what_does_not_go_together(trained: Folder, words: tuple[str, ...], said: str, hint: str) -> None:
    done = trained.run("results", *words)
    assert done.code == 1
    assert said in done.words and hint in done.words


@pytest.mark.parametrize("tracker", ["mlflow", "wandb"])
def test_without_the_library(trained: Folder, tracker: str) -> None:
    if find_spec(tracker) is not None:
        pytest.skip(f"{tracker} is installed here")
    done = trained.run("results", "job.alone", "--to", tracker, "-o", "json")
    assert done.code == 1
    [error] = done.json["diagnostics"]
    assert error["hint"] == f"run `{install_extra(tracker)}`"


def test_a_single_job_as_csv_and_markdown(trained: Folder) -> None:
    found = trained.run("results", "job.alone", "-o", "json").json
    text = trained.ok("results", "job.alone", "-o", "csv")
    assert text == trained.ok("results", "job.alone", "--csv")
    rows = [*csv.DictReader(StringIO(text))]
    assert [int(row["step"]) for row in rows] == [row["step"] for row in found["rows"]]
    heading, _, *rest = trained.ok("results", ".", "job.alone", "-o", "markdown").splitlines()
    assert heading == "| `step` | `train_loss` | `train_mean_token_accuracy` |"
    drawn = [line for line in rest if line.startswith("|")]
    assert drawn[-1].startswith(f"| `{found['rows'][-1]['step']}` |")
    assert f"**Verdict:** {found['verdict']['text']}." in "\n".join(rest)
    assert f"Final checkpoint: step {found['best_checkpoint']['step']}, `" in "\n".join(rest)


def test_the_best_row_is_bold(trained: Folder) -> None:
    found = trained.run("results", 'job.sweep["two"]', "-o", "json").json
    best = min(
        (row for row in found["rows"] if "full_valid_loss" in row), key=lambda row: row["full_valid_loss"]
    )
    bold = [
        line
        for line in trained.ok("results", 'job.sweep["two"]', "-o", "markdown").splitlines()
        if "| **" in line
    ]
    assert [line.split()[1] for line in bold] == [f"**`{best['step']}`**"]


def test_cells_of_results_are_escaped(tmp_path: Path) -> None:
    from ftops.core.address import Address
    from ftops.providers.training_results import Results
    from ftops.state.state import ResourceState, Status
    from ftops.views.results import results_to_markdown

    name, value = "a|b`", "</td>|<script>`x`"
    job = ResourceState(Address.parse("job.a"), "m", "ftjob-1", Status.READY)
    heading, _, row = results_to_markdown(job, Results("f", "", (name,), ({name: value},))).splitlines()
    assert heading == "| `` a\\|b` `` |"
    assert row == "| `` </td>\\|<script>`x` `` |"
