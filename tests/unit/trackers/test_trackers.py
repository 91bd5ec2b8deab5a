"""Experiment trackers: their table, and what needs no library. tests/clients has both libraries."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ftops.cli.tracking import _OPTIONS
from ftops.core.address import Address
from ftops.core.errors import FtopsError
from ftops.core.installation import install_extra
from ftops.core.lazy import resolve
from ftops.trackers import to_mlflow, to_wandb
from ftops.trackers.own_places import refuse_links
from ftops.trackers.tracked_run import CREATED, Destination, Logged, LoggedRun, TrackedRun, so_far
from ftops.trackers.tracker_types import TRACKER_TYPES, TrackerType, check_installed, log_runs
from ftops.views.paint import PLAIN
from ftops.views.tracking import draw_logged, logged_to_json

RUNS = [TrackedRun("ftjob-1", "job.a", "spec")]


def test_rows_name_functions_and_options_that_exist() -> None:
    for name, row in TRACKER_TYPES.items():
        assert row.name == name
        assert callable(resolve(row.log))
    assert len(_OPTIONS) == 1 + sum(len(row.options) for row in TRACKER_TYPES.values())


@pytest.mark.parametrize("tracker", TRACKER_TYPES.values(), ids=list(TRACKER_TYPES))
def test_a_missing_library_says_what_to_install(tracker: TrackerType) -> None:
    if find_spec(tracker.library) is not None:
        pytest.skip(f"{tracker.library} is installed here")
    for attempt in (
        lambda: check_installed(tracker),
        lambda: log_runs(tracker, RUNS, Destination(), lambda done, count: None),
    ):
        with pytest.raises(FtopsError) as missing:
            attempt()
        assert f"run `{install_extra(tracker.name)}`" in missing.value.hint
        assert missing.value.exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default]\nbase_url = https://evil.example.com\n", "sets `base_url`"),
        ("[DEFAULT]\nBASE_URL: https://evil.example.com\n", "sets `base_url`"),
        ("[default]\nproject = a\nhttps_proxy = http://evil.example.com\n", "sets `https_proxy`"),
        ("base_url = https://evil.example.com\n", "can't read"),
        ("[default\n", "can't read"),
    ],
)
@pytest.mark.parametrize("folder", ["wandb", ".wandb"])
def test_a_file_of_the_folder_can_not_send_the_key_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, text: str, said: str
) -> None:
    """Neither one of the current folder, which is read whatever WANDB_DIR says, nor one there."""
    monkeypatch.chdir(tmp_path)
    here, there = tmp_path, tmp_path / "there"
    for root, variable in ((here, ""), (here, str(there)), (there, str(there))):
        monkeypatch.setenv("WANDB_DIR", variable)
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "settings").write_text(text, "utf-8")
        with pytest.raises(FtopsError) as refused:
            to_wandb.log(RUNS, Destination(), lambda done, count: None)
        assert said in str(refused.value)
        (root / folder / "settings").unlink()


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://jo:pw@mlflow.example.com/a", "https://mlflow.example.com/a"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
        ("databricks", "databricks"),
        ("mlruns", "mlruns"),
        ("http://u:pw@h:1/x?token=pw", "http://h:1/x"),
        ("http://h/x#pw", "http://h/x"),
        ("sqlite:///y.db?password=pw", "sqlite:///y.db"),
        ("sqlite:////tmp/a@b/y.db", "sqlite:////tmp/a@b/y.db"),
        ("postgresql://u:p/w@h/db", "postgresql://h/db"),
        ("postgresql://u:p#w@h/db", "postgresql"),
        ("http://h/?token=p@w", "http"),
        ("postgresql+psycopg2:u:pw@h", "postgresql+psycopg2"),
        ("http://[", "http://["),
        ("", ""),
    ],
)
def test_addresses_are_shown_without_passwords(uri: str, shown: str) -> None:
    assert to_mlflow._shown(uri) == shown


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("rewards/margin", "rewards/margin"),
        ("train_a.b c", "train_a.b c"),
        ("valid_<b>$", "valid__b__"),
        ("a//b", "a__b"),
        ("../a.b", "___a_b"),
        ("..a", "__a"),
        ("/a", "_a"),
        ("a/./b", "a___b"),
        (".", "_"),
        (249 * "a" + "/b", 249 * "a" + "_"),
    ],
)
def test_names_are_those_that_mlflow_takes(name: str, key: str) -> None:
    assert to_mlflow._key(name) == key


def test_the_reason_of_an_error_has_no_password() -> None:
    error = ValueError("Request to https://jo:pw@mlflow.example.com/a failed\nand more")
    assert to_mlflow._reason(error) == "Request to https://mlflow.example.com/a failed."
    error = ValueError("(raised as a result of Query-invoked autoflush)\n(sqlite3.Error) full\n[SQL: …]")
    assert to_mlflow._reason(error) == "(sqlite3.Error) full."
    error = ValueError("Max retries exceeded with url: /x?token=pw/api/2.0/mlflow (Caused by a)")
    assert to_mlflow._reason(error) == "Max retries exceeded with url: /x (Caused by a)."
    uri = "postgresql+psycopg2:u:pw@h"
    error = ValueError(f"Could not parse SQLAlchemy URL from string '{uri}'")
    assert "pw" not in to_mlflow._reason(error, uri)
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert to_mlflow._reason(error) == "Connection refused."


@pytest.mark.parametrize(
    ("uri", "said", "hint"),
    [
        ("file:./mlruns", "set `MLFLOW_ALLOW_FILE_STORE=true`", "--tracking-uri sqlite:///runs.db"),
        ("sqlite:///runs.db", "disk full", "MLFLOW_TRACKING_URI"),
        ("http://localhost:5000", "refused", "its server runs"),
    ],
)
def test_the_hint_of_an_error_goes_by_where_mlflow_writes(uri: str, said: str, hint: str) -> None:
    assert to_mlflow._hint(ValueError(said), uri).endswith(hint)


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("", "mlflow.db"),
        ("", "mlflow.db-wal"),
        ("", "mlruns"),
        ("", "mlruns/0"),
        ("sqlite:///runs.db", "runs.db"),
        ("sqlite+pysqlite:///runs.db?a=b", "runs.db"),
        ("file:./runs", "runs"),
        ("runs", "runs/0/1"),
        (None, "wandb"),
        (None, ".wandb"),
        (None, "wandb/latest-run"),
    ],
)
def test_a_link_in_the_folder_is_not_followed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str | None, link: str
) -> None:
    folder, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    (folder / link).parent.mkdir(parents=True)
    elsewhere.mkdir()
    (folder / link).symlink_to(elsewhere)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log = to_wandb.log if uri is None else to_mlflow.log
    with pytest.raises(FtopsError) as refused:
        log(RUNS, Destination(uri or ""), lambda done, count: None)
    assert "leads out of the folder" in str(refused.value)
    assert not list(elsewhere.iterdir())


def test_a_link_that_stays_in_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "latest-run").symlink_to("run-1")
    refuse_links([Path("wandb"), Path("absent")], tmp_path)


@pytest.mark.parametrize(
    "uri", ["http://h/x", "sqlite:////tmp/x.db", "/tmp/runs", "file:///tmp/x", "databricks://p"]
)
def test_places_elsewhere_are_your_choice(uri: str) -> None:
    assert not list(to_mlflow._places(uri))


@pytest.mark.parametrize(
    ("names", "done", "said"),
    [
        ("a", 0, ""),
        ("ab", 0, "No job is logged; job.a isn't complete, and neither is job.b."),
        ("abcd", 1, "job.a is logged; job.b isn't complete, and neither are job.c, job.d."),
        ("abc", 2, "job.a, job.b are logged; job.c isn't complete."),
        ("ab", 2, "job.a, job.b are logged."),
    ],
)
def test_which_of_several_jobs_are_logged(names: str, done: int, said: str) -> None:
    runs = [TrackedRun(f"ftjob-{name}", f"job.{name}", "spec") for name in names]
    assert so_far([LoggedRun(run.name, "1", CREATED) for run in runs[:done]], runs) == said


@pytest.mark.parametrize(
    ("entity", "chosen_by", "line"),
    [
        ("", "", "Weights & Biases, tones (https://api.wandb.ai)"),
        ("acme", "", "Weights & Biases, acme/tones (https://api.wandb.ai)"),
        ("acme", "wandb/settings", "Weights & Biases, acme/tones (https://api.wandb.ai), by wandb/settings"),
    ],
)
def test_the_team_is_shown_and_what_chose_it(entity: str, chosen_by: str, line: str) -> None:
    logged = Logged("https://api.wandb.ai", "tones", (), (), entity, chosen_by)
    assert draw_logged(logged, "Weights & Biases", PLAIN)[0] == line
    document = logged_to_json(logged, "wandb")
    assert (document["entity"] or "", document["chosen_by"] or "") == (entity, chosen_by)


def test_jobs_without_a_run_are_named() -> None:
    logged = Logged("https://api.wandb.ai", "tones", ())
    left_out = {Address("job", "a"): "its budget is used up: it wasn't started"}
    assert "job.a: left out, its budget is used up: it wasn't started" in draw_logged(
        logged, "W", PLAIN, None, left_out
    )
    document = logged_to_json(logged, "wandb", left_out)
    assert document["left_out"] == [{"address": "job.a", "reason": left_out[Address("job", "a")]}]
