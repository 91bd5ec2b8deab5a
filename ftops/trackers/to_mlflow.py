"""MLflow: logs runs through its client. A run is found by its tag `ftops.job_id`, and its metrics by step."""

from __future__ import annotations

import logging
import os
import posixpath
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from ftops.core.errors import FtopsError
from ftops.core.installation import run_program
from ftops.trackers.own_places import refuse_links
from ftops.trackers.tracked_run import (
    CREATED,
    FAILED,
    FINISHED,
    KILLED,
    RUNNING,
    UNCHANGED,
    UPDATED,
    Destination,
    Logged,
    LoggedRun,
    OnProgress,
    TrackedRun,
    so_far,
)

_JOB, _SWEEP, _DIGEST, _PARENT = "ftops.job_id", "ftops.sweep", "ftops.digest", "mlflow.parentRunId"
_LOGGED = "ftops.logged_at"
"""When a run was created here."""
_STATUSES = {RUNNING: "RUNNING", FINISHED: "FINISHED", FAILED: "FAILED", KILLED: "KILLED"}
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own try for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
_ALLOW_FOLDER = "MLFLOW_ALLOW_FILE_STORE"
_LONGEST_KEY, _LONGEST_PARAMETER, _LONGEST_TAG = 250, 6000, 5000
_METRICS, _OTHERS = 900, 90
"""Entries of a request; the limits are 1000 and 100."""
_NOT_THE_REASON = "(raised as a result of"
"""How a line begins that SQLAlchemy writes before its reason."""
_USUAL = ("mlflow.db", "mlruns", "mlartifacts")
"""Where it writes if no URI says it."""
_LOCAL = re.compile(r"(?:sqlite[^:]*:///|file:)?(?P<path>(?!/)[^:?#]+)(?:\Z|[?#])")
"""A URI of a file or folder, by its relative path."""
_NOT_IN_NAMES = re.compile(r"[^\w./: -]", re.ASCII)


def log(runs: Sequence[TrackedRun], to: Destination, on_progress: OnProgress) -> Logged:
    """Creates or updates a run for each, those of a sweep below a run of their own. Raises FtopsError,
    ImportError."""
    uri = to.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    refuse_links(_places(uri), Path())
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    done: list[LoggedRun] = []
    try:
        client = MlflowClient(tracking_uri=to.tracking_uri or None)
        return _logged(client, runs, done, to, on_progress)
    except (MlflowException, OSError, ValueError, *_database_errors()) as error:
        shown = _shown(uri)
        hint = _hint(error, uri)
        detail = " ".join(filter(None, (_reason(error, uri), so_far(done, runs))))
        raise FtopsError(f"can't log to MLflow{f' at {shown}' * bool(shown)}", detail, hint) from error


def _hint(error: BaseException, uri: str) -> str:
    if _ALLOW_FOLDER in str(error):
        return "write to a database: --tracking-uri sqlite:///runs.db"
    is_local = uri and "://" not in uri.replace("sqlite:///", "")
    return f"check --tracking-uri or MLFLOW_TRACKING_URI{'' if is_local else ', and that its server runs'}"


def _places(uri: str) -> Iterator[Path]:
    """Files and folders in the current folder that MLflow may write to."""
    local = _LOCAL.match(uri)
    for name in [local["path"]] if local else () if uri else _USUAL:
        yield from (Path(name + end) for end in ("", "-journal", "-wal", "-shm"))


def _database_errors() -> tuple[type[Exception], ...]:
    """Those of SQLAlchemy and of the migrations, if MLflow uses a database."""
    names = {"sqlalchemy.exc": "SQLAlchemyError", "alembic.util.exc": "CommandError"}
    found = (getattr(sys.modules.get(module), name, None) for module, name in names.items())
    return tuple(error for error in found if error)


def _logged(
    client: Any,
    runs: Sequence[TrackedRun],
    done: list[LoggedRun],
    to: Destination,
    on_progress: OnProgress,
) -> Logged:
    """Adds to `done` what is logged."""
    experiment = _experiment(client, to.experiment, runs[0].project)
    sweeps = {run.sweep: run for run in runs if run.sweep}
    parents = {sweep: _sweep_run(client, experiment, run).info for sweep, run in sweeps.items()}
    for run in runs:
        on_progress(len(done), len(runs))
        done.append(_log(client, experiment, run, parents[run.sweep].run_id if run.sweep else ""))
    on_progress(len(runs), len(runs))
    for sweep, parent in parents.items():
        is_running = any(run.status == RUNNING for run in runs if run.sweep == sweep)
        status = RUNNING if is_running else FINISHED
        if parent.status != _STATUSES[status] or parent.end_time is None:
            _end(client, parent.run_id, status, "")
    uri = _shown(client.tracking_uri)
    return Logged(uri, experiment.name, tuple(done), _look(uri, experiment.experiment_id))


def _experiment(client: Any, named: str, default: str) -> Any:
    """The experiment that is named here or in its variables, created if there is none. Raises FtopsError."""
    own_id = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if own_id and not named:
        return client.get_experiment(own_id)
    name = named or os.environ.get("MLFLOW_EXPERIMENT_NAME") or default
    known = client.get_experiment_by_name(name)
    if known is None:
        return client.get_experiment(client.create_experiment(name))
    if known.lifecycle_stage == "deleted":
        hint = f"run `mlflow experiments restore -x {known.experiment_id}`, or name another one: --experiment"
        raise FtopsError(f"the experiment {name} of MLflow was deleted", "", hint)
    return known


def _sweep_run(client: Any, experiment: Any, run: TrackedRun) -> Any:
    """The run that those of a sweep are nested in."""
    key = f"{run.owner}/{run.sweep}"
    known = _find(client, experiment, _SWEEP, key)
    tags = {_SWEEP: key, "ftops.address": run.sweep}
    return known or _created(client, experiment, _SWEEP, tags, run_name=run.sweep)[0]


def _find(client: Any, experiment: Any, tag: str, value: str) -> Any:
    """The run that was logged first; None if there is none."""
    found = client.search_runs([experiment.experiment_id], f"tags.`{tag}` = '{value}'")
    return min(found, key=lambda run: (run.data.tags.get(_LOGGED, ""), run.info.run_id), default=None)


def _created(
    client: Any, experiment: Any, tag: str, tags: Mapping[str, str], **options: Any
) -> tuple[Any, bool]:
    """A new run. If another process has created one with the same tag meanwhile, that one, and False."""
    dated = {**tags, _LOGGED: datetime.now(UTC).isoformat()}
    made = client.create_run(experiment.experiment_id, tags=dated, **options)
    first = _find(client, experiment, tag, tags[tag])
    if first is None or first.info.run_id == made.info.run_id:
        return made, True
    client.delete_run(made.info.run_id)
    return first, False


def _log(client: Any, experiment: Any, run: TrackedRun, parent: str) -> LoggedRun:
    known = _find(client, experiment, _JOB, run.key)
    if known is not None and known.data.tags.get(_DIGEST) == run.digest:
        return LoggedRun(run.name, known.info.run_id, UNCHANGED, _url(client, known.info))
    tags = {_JOB: run.key, **({_PARENT: parent} if parent else {})}
    made = known
    if made is None:
        options = {"start_time": _milliseconds(run.started_at), "run_name": run.name}
        made, is_new = _created(client, experiment, _JOB, tags, **options)
        known = None if is_new else made
    run_id = str(made.info.run_id)
    parameters = {_key(name): str(v)[:_LONGEST_PARAMETER] for name, v in run.parameters.items()}
    before = made.data.params
    new = {name: value for name, value in parameters.items() if name not in before}
    kept = [name for name, value in parameters.items() if before.get(name, value) != value]
    notes = [f"MLflow can't change the parameter {name}: it stays {before[name]}" for name in kept]
    told = {**run.tags} | {f"ftops.checkpoint.{step}": model for step, model in run.checkpoints.items()}
    tags |= {_key(name): value[:_LONGEST_TAG] for name, value in told.items()}
    _write(client, run_id, run, new, tags, known)
    _end(client, run_id, run.status, run.ended_at)
    client.set_tag(run_id, _DIGEST, run.digest)  # last: what is interrupted is logged again
    outcome = UPDATED if known else CREATED
    return LoggedRun(run.name, run_id, outcome, _url(client, made.info), (*run.notes, *notes))


def _write(
    client: Any,
    run_id: str,
    run: TrackedRun,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    known: Any,
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at = _milliseconds(run.ended_at or run.started_at) or 0
    values = [(_key(name), v, point.step) for point in run.points for name, v in point.metrics.items()]
    logged = _logged_steps(client, run_id, {name for name, _, _ in values}) if known else set()
    metrics = [Metric(name, v, at, step) for name, v, step in values if (name, step) not in logged]
    before = known.data.metrics if known else {}
    single = {_key(name): value for name, value in run.metrics.items()}
    metrics += [Metric(name, value, at, 0) for name, value in single.items() if before.get(name) != value]
    for some in _parts(metrics, _METRICS):
        client.log_batch(run_id, metrics=some)
    for some in _parts([Param(*pair) for pair in parameters.items()], _OTHERS):
        client.log_batch(run_id, params=some)
    for some in _parts([RunTag(*pair) for pair in tags.items()], _OTHERS):
        client.log_batch(run_id, tags=some)


def _logged_steps(client: Any, run_id: str, names: Iterable[str]) -> set[tuple[str, int]]:
    return {
        (name, metric.step) for name in sorted(names) for metric in client.get_metric_history(run_id, name)
    }


def _parts(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    yield from (list(items[start : start + size]) for start in range(0, len(items), size))


def _end(client: Any, run_id: str, status: str, ended_at: str) -> None:
    if status == RUNNING:
        client.update_run(run_id, status=_STATUSES[status])
    else:
        client.set_terminated(run_id, _STATUSES[status], _milliseconds(ended_at))


def _key(name: str) -> str:
    """MLflow refuses a name that is another one as a path, such as `a//b` or `../a`."""
    key = _NOT_IN_NAMES.sub("_", name)[:_LONGEST_KEY]
    is_path = posixpath.normpath(key) == key and not key.startswith(("/", ".."))
    return key if is_path and key != "." else key.replace("/", "_").replace(".", "_")


def _milliseconds(text: str) -> int | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _url(client: Any, info: Any) -> str:
    uri = _shown(client.tracking_uri)
    if not uri.startswith(("http://", "https://")):
        return ""
    return f"{uri.rstrip('/')}/#/experiments/{info.experiment_id}/runs/{info.run_id}"


def _look(uri: str, experiment: str) -> tuple[str, ...]:
    if uri.startswith(("http://", "https://")):
        return (f"{uri.rstrip('/')}/#/experiments/{experiment}",)
    shows = ("mlflow", "ui", "--backend-store-uri", uri)
    return (shlex.join(shows) if _has_pages() else run_program(f"mlflow=={_version()}", *shows),)


def _has_pages() -> bool:
    """Whether `mlflow ui` works: mlflow-skinny, which ftops installs, has that command without pages."""
    found = which("mlflow")
    is_own = found is not None and Path(found).resolve().is_relative_to(sys.prefix)
    return found is not None and (not is_own or find_spec("flask") is not None)


def _version() -> str:
    """That of the client: another one could refuse its database."""
    from mlflow import __version__

    return str(__version__)


def _shown(uri: str) -> str:
    """Without what may be secret: user and password, query and fragment. Only the scheme if it can't be told
    where these are."""
    scheme, mark, rest = uri.partition("://")
    place, *query = re.split(r"[?#]", rest if mark else uri, maxsplit=1)
    if not mark:
        return uri.partition(":")[0] if query or "@" in uri else uri
    if query and "@" in query[0]:
        return scheme
    if not place.startswith("/"):  # else it has no authority: it is a file
        place = place.rpartition("@")[2]
    return f"{scheme}://{place}"


def _reason(error: BaseException, uri: str = "") -> str:
    """What the operating system says, else the first line of the error, without what may be secret in URLs,
    of which `uri` is one."""
    cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror}."
    if _ALLOW_FOLDER in str(error):
        return f"This version of MLflow writes to a folder only if you set {_ALLOW_FOLDER}=true."
    lines = (line.strip() for line in str(error).splitlines())
    first = next((line for line in lines if line and not line.startswith(_NOT_THE_REASON)), "")
    text = first.replace(uri, _shown(uri)) if uri else first
    text = re.sub(r"(://)[^\s/@]+@", r"\1", text)
    text = re.sub(r"(/[^\s?#'\"]*)[?#][^\s'\")]*", r"\1", text)[:1000]
    return text if text.endswith(".") else f"{text}."
