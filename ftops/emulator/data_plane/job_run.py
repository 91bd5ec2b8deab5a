"""The run of a job: reads its data, trains, and writes events, checkpoints, results and model.

Runs in a thread of its own. Everything that it writes has the virtual time from which it holds;
nothing is written after ``stop`` is set. Ids follow from the job's, so a run that starts
again after a restart replaces what the one before had written.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import threading
import time
import traceback
from dataclasses import dataclass

from ftops.emulator.account import catalog, events
from ftops.emulator.account.cloud import JSON, Checkpoint, Cloud, Job, StoredFile, TunedModel, derived_hex
from ftops.emulator.account.pauses import moved
from ftops.emulator.account.storage import replace_text
from ftops.emulator.data_plane.files import RESULTS
from ftops.emulator.trainer import model
from ftops.emulator.trainer.examples import MIN_EXAMPLES, ChatFile, InvalidData
from ftops.emulator.trainer.optimizer import (
    AUTO_EPOCHS,
    METRICS_EVERY,
    Hyperparameters,
    Step,
    Trainer,
    auto_batch_size,
)
from ftops.emulator.trainer.preferences import read_for

KEPT_CHECKPOINTS = 3
COLUMNS = (
    "step", "train_loss", "train_mean_token_accuracy", "valid_loss",
    "validation_mean_token_accuracy", "full_valid_loss", "full_valid_mean_token_accuracy",
)  # fmt: skip
_FAILURES = {
    "validation": ("jsonlValidationFailed", "Validation of jsonl file failed."),
    "training": ("internalFailure", "The job failed due to an internal error during training."),
    "safety": (
        "contentFilter",
        "The job failed: the fine-tuned model did not pass the safety evaluation.",
    ),
}


class _Stopped(Exception):
    """The job was cancelled, or the server ends."""


@dataclass(frozen=True, slots=True)
class _Failed(Exception):
    code: str
    message: str
    param: str | None = None


class Run:
    """One training run of one job."""

    def __init__(self, cloud: Cloud, job: Job, stop: threading.Event) -> None:
        self._cloud = cloud
        self._job = job
        self._stop = stop
        self._settings = cloud.settings
        self._at = job.started or job.created

    def run(self) -> None:
        """Train to the end, to a failure, or until stopped."""
        try:
            self._train()
        except _Stopped:
            return
        except _Failed as failure:
            self._fail(failure)
        except FileNotFoundError as exc:
            # Either somebody deleted the job's data, or the server's whole folder is gone.
            if self._cloud.folder.is_dir():
                self._fail(_Failed("fileImportFailed", f"A file of the job is gone: {exc}."))
        except Exception as exc:  # noqa: BLE001 - a bug must end the job visibly, not hang it
            traceback.print_exc()
            self._fail(_Failed("internalFailure", f"The emulator failed: {exc!r}"))

    def _train(self) -> None:
        training, validation = self._read_data()
        trainer = self._trainer(training, validation)
        begun, duration = self._begin(trainer)
        rows = []
        for step in trainer.steps():
            self._reach(moved(self._job, begun + step.number * duration))
            rows.append(_row(step))
            self._report(step, trainer)
            self._fail_if_doomed("training", step.number * 2 >= trainer.total_steps)
            if self._halts(step, trainer):
                return
            time.sleep(0)  # gives up the interpreter lock, so that requests are answered
        self._finish(rows, trainer, training.tokens * self._epochs)

    def _halts(self, step: Step, trainer: Trainer) -> bool:
        """Whether a pause ends the run here; then it leaves a checkpoint that can be deployed."""
        pause = self._job.pause
        if pause is None or step.number < min(pause["step"], max(trainer.total_steps - 1, 1)):
            return False
        self._at = max(self._at, pause["ready"])
        self._checkpoint(step.number, _metrics(step), trainer, False)
        self._save(pause={**pause, "step": step.number, "saved": True})
        return True

    def _read_data(self) -> tuple[ChatFile, ChatFile]:
        self._say("Preprocessing running for file training file.")
        training = self._read(self._job.training_file, "training file")
        self._fail_if_doomed("validation")
        if training.conversations < MIN_EXAMPLES:
            raise _Failed(
                "invalidPayload",
                f"The training file contains {training.conversations} examples, "
                f"but at least {MIN_EXAMPLES} are required.",
                "training_file",
            )
        self._say("Preprocessing completed for file training file.")
        if self._job.validation_file is None:
            return training, ChatFile((), 0, 0)
        self._say("Preprocessing running for file validation file.")
        validation = self._read(self._job.validation_file, "validation file")
        self._say("Preprocessing completed for file validation file.")
        return training, validation

    def _read(self, name: str, what: str) -> ChatFile:
        try:
            method = (self._job.method or {}).get("type", "supervised")
            return read_for(method, self._cloud.content(name).read_bytes(), what)
        except InvalidData as exc:
            raise _Failed(exc.code, exc.message, what.replace(" ", "_")) from exc

    def _trainer(self, training: ChatFile, validation: ChatFile) -> Trainer:
        if not training.examples:
            raise _Failed(
                "invalidPayload",
                "The training file has no assistant message to learn: all have weight 0.",
                "training_file",
            )
        tuned = self._cloud.models.get(self._job.model)
        base = catalog.BY_ID.get(tuned.base if tuned else self._job.model)
        if base is None:
            raise _Failed("notFound", f"The model '{self._job.model}' was deleted.", "model")
        parent = model.load(self._cloud.weights(tuned.weights)) if tuned else None
        requested = self._job.requested
        batch = int(requested["batch_size"])
        epochs = int(requested["n_epochs"])
        settings = Hyperparameters(
            AUTO_EPOCHS if epochs < 0 else epochs,
            auto_batch_size(training.conversations) if batch < 0 else batch,
            float(requested["learning_rate_multiplier"]),
            base.base_rate,
            self._job.seed,
        )
        self._base = base.id
        self._epochs = settings.n_epochs
        self._resolved = {
            "n_epochs": settings.n_epochs,
            "batch_size": settings.batch_size,
            "learning_rate_multiplier": settings.learning_rate_multiplier,
        }
        return Trainer(training.examples, validation.examples, settings, base.id, parent)

    def _begin(self, trainer: Trainer) -> tuple[float, float]:
        """Make the job a running one: since when, and the seconds of a step."""
        self._reach(self._at)
        begun, duration = self._job.running, self._job.step_seconds
        if begun is None or duration is None:  # it does not go on after a restart
            begun, duration = self._at, self._step_seconds(trainer.total_steps)
        end = begun + duration * trainer.total_steps + self._settings.evaluation_seconds
        self._save(running=begun, step_seconds=duration, resolved=self._resolved, estimated_finish=end)
        for message in (
            "Job started.",
            "Data Import started.",
            "Finetuning started.",
            "Job queued, waiting for GPUs.",
            "Training started.",
            f"Created results file: {self._results_id}",
        ):
            self._say(message)
        return begun, duration

    def _step_seconds(self, steps: int) -> float:
        pace = self._settings.steps_per_second
        return max(self._settings.min_training_seconds / steps, 1 / pace if pace else 0.0)

    def _report(self, step: Step, trainer: Trainer) -> None:
        if step.number % METRICS_EVERY and not step.epoch_end:
            return
        metrics = _metrics(step)
        with self._writing():
            message = f"Step {step.number}: training loss={metrics['train_loss']}"
            events.record(self._cloud, self._job.id, self._at, message, data=metrics)
        last = step.number == trainer.total_steps
        if last:
            self._fail_if_doomed("safety")
        if step.epoch_end:
            self._checkpoint(step.number, metrics, trainer, last)

    def _checkpoint(self, number: int, metrics: JSON, trainer: Trainer, last: bool) -> None:
        name = self._model_name if last else f"{self._model_name}:ckpt-step-{number}"
        weights = f"{self._job.id}-step-{number}.npz"
        checkpoint = f"ftchkpt-{derived_hex(self._job.id, 'checkpoint', number)}"
        trainer.model.save(self._cloud.weights(weights))
        known = self._cloud.checkpoints.get(checkpoint)  # of the run before a pause or a restart
        at = self._at if known is None or last else min(known.created, self._at)
        saved = Checkpoint(checkpoint, at, self._job.id, number, name, {**metrics, "step": float(number)})
        created = at + (self._settings.evaluation_seconds if last else 0.0)
        tuned = TunedModel(name, created, self._job.id, self._base, weights, checkpoint, last)
        with self._writing():
            self._cloud.models.put(tuned)
            self._cloud.checkpoints.put(saved)
            self._drop_old_checkpoints()

    def _drop_old_checkpoints(self) -> None:
        own = [item for item in self._cloud.checkpoints.all() if item.job == self._job.id]
        for old in sorted(own, key=lambda item: item.step)[:-KEPT_CHECKPOINTS]:
            self._cloud.checkpoints.remove(old.id)
            tuned = self._cloud.models.get(old.model)
            if tuned is not None:
                self._cloud.models.remove(tuned.id)
                self._cloud.weights(tuned.weights).unlink(missing_ok=True)

    def _finish(self, rows: list[JSON], trainer: Trainer, trained_tokens: int) -> None:
        self._say("Job succeeded.")
        self._reach(self._at + self._settings.evaluation_seconds)
        self._say("Model Evaluation Passed.")
        self._say(f"Completed results file: {self._results_id}")
        self._say(f"Training tokens billed: {trained_tokens // 1000 * 1000}")
        text = _csv(rows)
        with self._writing():
            replace_text(self._cloud.content(self._results_id), text)
            self._cloud.files.put(
                StoredFile(self._results_id, "results.csv", RESULTS, len(text), self._at, self._at)
            )
        self._save(
            outcome={"status": "succeeded", "at": self._at},
            result_file=self._results_id,
            fine_tuned_model=self._model_name,
            trained_tokens=trained_tokens,
        )

    def _fail_if_doomed(self, stage: str, due: bool = True) -> None:
        doom = self._job.doom or {}
        if due and doom.get("fail") == stage:
            code, message = _FAILURES[stage]
            raise _Failed(code, doom.get("message") or message)

    def _fail(self, failure: _Failed) -> None:
        error = {"code": failure.code, "message": failure.message}
        if failure.param is not None:
            error["param"] = failure.param
        try:
            with self._writing():
                message = f"Job failed: {failure.message}"
                self._at = max(self._at, self._cloud.clock.now())
                events.record(self._cloud, self._job.id, self._at, message, level="error")
            self._save(outcome={"status": "failed", "at": self._at, "error": error})
        except _Stopped:
            return

    def _reach(self, planned: float) -> None:
        """Go on to the planned time, or to now when the computation is late."""
        self._at = max(self._at, planned, self._cloud.clock.now())

    def _say(self, message: str) -> None:
        with self._writing():
            events.record(self._cloud, self._job.id, self._at, message)

    def _save(self, **changes: object) -> None:
        with self._writing():
            self._job = dataclasses.replace(self._job, **changes)  # type: ignore[arg-type]
            self._cloud.jobs.put(self._job)

    def _writing(self) -> _Writing:
        return _Writing(self._cloud.lock, self._stop)

    @property
    def _model_name(self) -> str:
        suffix = f"-{self._job.suffix}" if self._job.suffix else ""
        return f"{self._base}.ft-{self._job.id.removeprefix('ftjob-')}{suffix}"

    @property
    def _results_id(self) -> str:
        return f"file-{derived_hex(self._job.id, 'results')}"


@dataclass(frozen=True, slots=True)
class _Writing:
    """Holds the lock for a write, unless the run was stopped."""

    lock: threading.RLock
    stop: threading.Event

    def __enter__(self) -> None:
        self.lock.acquire()
        if self.stop.is_set():
            self.lock.release()
            raise _Stopped

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _metrics(step: Step) -> JSON:
    metrics: JSON = {
        "step": step.number,
        "train_loss": step.train.mean_loss,
        "train_mean_token_accuracy": step.train.accuracy,
    }
    if step.valid is not None:
        metrics |= {
            "valid_loss": step.valid.mean_loss,
            "valid_mean_token_accuracy": step.valid.accuracy,
        }
    if step.full_valid is not None:
        metrics |= {
            "full_valid_loss": step.full_valid.mean_loss,
            "full_valid_mean_token_accuracy": step.full_valid.accuracy,
        }
    return metrics


def _row(step: Step) -> JSON:
    metrics = _metrics(step)
    renamed = {"validation_mean_token_accuracy": "valid_mean_token_accuracy"}
    return {column: metrics.get(renamed.get(column, column), "") for column in COLUMNS}


def _csv(rows: list[JSON]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
