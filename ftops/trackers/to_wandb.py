"""Weights & Biases: logs runs through its library. The ID of a run is that of the job, so it is resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path
from typing import Any

from ftops.core.confined_files import content
from ftops.core.errors import FtopsError
from ftops.core.private_files import replace_file
from ftops.trackers.own_places import refuse_links
from ftops.trackers.tracked_run import (
    CREATED,
    FAILED,
    KILLED,
    UNCHANGED,
    UPDATED,
    Destination,
    Logged,
    LoggedRun,
    OnProgress,
    TrackedRun,
    so_far,
)

_DIGEST = "ftops.json"
"""A file of a run: without a server, it says what was logged."""
_SECONDS = 30.0
"""How long to try to reach the server; its own default is 90."""
_LONGEST_TAG, _LONGEST_NAME = 64, 128
_MOST_BYTES = 65_536
_LOCAL_SETTINGS = frozenset({"entity", "project", "mode", "disabled"})
"""What a file of the current folder may set."""


def log(runs: Sequence[TrackedRun], to: Destination, on_progress: OnProgress) -> Logged:
    """Creates or resumes a run for each; those of a sweep are a group. Raises FtopsError, ImportError."""
    # It reads those of the current folder before it knows WANDB_DIR, and those there when it signs in.
    roots = dict.fromkeys((Path(), Path(os.environ.get("WANDB_DIR") or ".")))
    files = [root / name / "settings" for root in roots for name in ("wandb", ".wandb")]
    found = {path: _checked_settings(path) for path in files}
    chosen = {name: str(path) for path in files[:2] for name in found[path]}
    for root in roots:
        refuse_links((Path("wandb"), Path(".wandb")), root)
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    done: list[LoggedRun] = []
    try:
        return _logged(wandb, runs, done, to, chosen, on_progress)
    except (wandb.Error, OSError, ValueError) as error:
        text = str(error).strip().partition("\n")[0][:500]
        hint = (
            "check WANDB_BASE_URL, and the network; with WANDB_MODE=offline, runs are kept for `wandb sync`"
        )
        detail = " ".join(filter(None, (text and f"{text.rstrip('.')}.", so_far(done, runs))))
        raise FtopsError("can't log to Weights & Biases", detail, hint) from error
    finally:
        wandb.teardown()


def _checked_settings(path: Path) -> frozenset[str]:
    """What this file of the current folder sets. The library reads it, and it may belong to a checkout of
    others. Raises FtopsError if it could send the API key elsewhere."""
    if not path.exists():
        return frozenset()
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(content(path, limit=_MOST_BYTES).decode("utf-8"))
    except (OSError, UnicodeError, ConfigError) as error:
        raise FtopsError(f"can't read {path}", str(error).partition("\n")[0], "remove the file") from error
    names = {name for section in (*parser.values(), parser.defaults()) for name in section}
    if wrong := sorted(names - _LOCAL_SETTINGS):
        raise FtopsError(
            f"{path} sets `{wrong[0]}`",
            "a file in the current folder may belong to others, and could send your API key to another host.",
            "remove the line; `wandb login --host` and WANDB_BASE_URL name another host",
        )
    return frozenset(names)


def _logged(
    wandb: Any,
    runs: Sequence[TrackedRun],
    done: list[LoggedRun],
    to: Destination,
    chosen: Mapping[str, str],
    on_progress: OnProgress,
) -> Logged:
    """Adds to `done` what is logged. `chosen`: settings by their name, and the file that they are in."""
    settings = wandb.setup().settings
    is_offline = settings.mode == "offline"
    if settings.mode == "disabled":
        raise FtopsError(
            "WANDB_MODE is disabled", "nothing would be logged.", "unset it, or set it to offline"
        )
    if not is_offline and not wandb.login(prompt=False, verify=False):
        hint = "run `wandb login`, or set WANDB_API_KEY; WANDB_MODE=offline needs no account"
        raise FtopsError("not signed in to Weights & Biases", "there is no API key.", hint)
    project = to.experiment or settings.project or runs[0].project
    entity = to.entity or settings.entity or ""
    for run in runs:
        on_progress(len(done), len(runs))
        one, owner = _log(wandb, run, project, to.entity, is_offline=is_offline)
        done.append(one)
        entity = owner or entity
    on_progress(len(runs), len(runs))
    folders = sorted({one.url for one in done if one.url})
    place = str(_folder()) if is_offline else str(settings.base_url)
    look = tuple(f"wandb sync {url}" if is_offline else url for url in folders)
    return Logged(place, project, tuple(done), look, entity, _chosen_by(chosen, to))


def _chosen_by(chosen: Mapping[str, str], to: Destination) -> str:
    """The file that decides where runs are; variables and options come before it."""
    named = {"project": to.experiment, "entity": to.entity, "mode": ""}
    files = (
        path
        for name, path in chosen.items()
        if name in named and not (named[name] or os.environ.get(f"WANDB_{name.upper()}"))
    )
    return next(files, "")


def _folder() -> Path:
    return Path(os.environ.get("WANDB_DIR") or ".").absolute() / "wandb"


def _log(
    wandb: Any, run: TrackedRun, project: str, entity: str, *, is_offline: bool
) -> tuple[LoggedRun, str]:
    """What became of a run, and whose it is, if the server says so."""
    earlier = _offline_runs(run) if is_offline else {}
    same = next((folder for folder, digest in earlier.items() if digest == run.digest), None)
    if same is not None:
        return LoggedRun(run.name, run.key, UNCHANGED, str(same)), ""
    tags = [text for text in ("ftops", run.key, run.tags.get("ftops.model", "")) if text]
    opened = wandb.init(
        project=project,
        entity=entity or None,
        id=run.key,
        name=run.name[:_LONGEST_NAME],
        group=run.sweep[:_LONGEST_NAME] or None,
        job_type="fine-tuning",
        tags=[tag for tag in tags if len(tag) <= _LONGEST_TAG],
        resume="allow",
        settings=_settings(wandb),
    )
    before = {} if is_offline else dict(opened.config.get("ftops") or {})
    if before.get("digest") == run.digest:
        opened.finish()
        return LoggedRun(run.name, run.key, UNCHANGED, opened.url or ""), opened.entity or ""
    _write(opened, run)
    where = str(Path(opened.dir).parent) if is_offline else opened.url or ""
    about = json.dumps({"run": run.key, "digest": run.digest})
    replace_file(Path(opened.dir, _DIGEST), about.encode(), is_private=False)
    opened.finish(exit_code=int(run.status in (FAILED, KILLED)))
    outcome = UPDATED if before or earlier else CREATED
    return LoggedRun(run.name, run.key, outcome, where, run.notes), opened.entity or ""


def _settings(wandb: Any) -> Any:
    """Only what is logged here is sent: nothing of this machine, its programs or its repository."""
    patience = {} if os.environ.get("WANDB_INIT_TIMEOUT") else {"init_timeout": _SECONDS}
    return wandb.Settings(
        console="off",
        silent=True,
        disable_git=True,
        save_code=False,
        disable_job_creation=True,
        x_disable_stats=True,
        x_disable_meta=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
        **patience,
    )


def _write(opened: Any, run: TrackedRun) -> None:
    about = {name.removeprefix("ftops."): value for name, value in run.tags.items()}
    told = {**about, "checkpoints": dict(run.checkpoints)}
    opened.config.update({**run.parameters, "ftops": told}, allow_val_change=True)
    start = opened.step  # of a resumed run, the one after the last
    for point in run.points:
        if point.step >= start:
            opened.log(dict(point.metrics), step=point.step, commit=True)
    opened.summary.update(dict(run.metrics))
    # Last: what is interrupted is logged again.
    opened.config.update({"ftops": {**told, "digest": run.digest}}, allow_val_change=True)


def _offline_runs(run: TrackedRun) -> dict[Path, str]:
    """Folders of runs that were logged for the job without a server, and their digests."""
    found: dict[Path, str] = {}
    for folder in _folder().glob(f"offline-run-*-{run.key}"):
        with suppress(OSError, ValueError):
            told = json.loads(content(folder / "files" / _DIGEST, limit=_MOST_BYTES))
            found[folder] = str(told["digest"]) if isinstance(told, dict) and "digest" in told else ""
    return found
