"""Training run of a job: reads the data, trains, writes events, checkpoints, results and model.

It has a thread of its own. Everything that it writes has the virtual time from which it is valid, and nothing
is written after ``stop`` is set. Ids are derived from the job's, so that a run that starts again after a
restart replaces what the previous one wrote.
"""

from __future__ import annotations

import csv
import io
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from msgspec.structs import replace

from ftops.emulator.account import catalog, events
from ftops.emulator.account.cloud import JSON, Checkpoint, Cloud, Job, StoredFile, TunedModel, derived_hex
from ftops.emulator.account.storage import replace_text
from ftops.emulator.data_plane import response_format
from ftops.emulator.data_plane.files import RESULTS
from ftops.emulator.data_plane.graders import Graders
from ftops.emulator.data_plane.job_schedule import prune_checkpoints
from ftops.emulator.grading.outcome import Case, output
from ftops.emulator.trainer import candidates, model, optimizer
from ftops.emulator.trainer.billing import tokens_of_epoch
from ftops.emulator.trainer.examples import MIN_EXAMPLES, ChatFile, Failure, TaskFile, read_for, read_tasks
from ftops.emulator.trainer.optimizer import Step, Trainer
from ftops.emulator.trainer.reinforcement import Exploration, ReinforcementTrainer, Rewards, RewardStep

COLUMNS = (
    "step", "train_loss", "train_mean_token_accuracy", "valid_loss",
    "valid_mean_token_accuracy", "full_valid_loss", "full_valid_mean_token_accuracy",
)  # fmt: skip
REWARD_COLUMNS = (
    "step", "train_mean_reward", "full_valid_mean_reward", "train_sample_parse_error_count",
    "train_other_error_count",
)  # fmt: skip
_FAILURES = {
    "validation": ("jsonlValidationFailed", "Validation of jsonl file failed."),
    "training": ("internalFailure", "The job failed due to an internal error during training."),
    "safety": ("contentFilter", "The job failed: the fine-tuned model did not pass the safety evaluation."),
}
_UNTIL_WRITTEN_AGAIN = 0.5  # real seconds


class _Stopped(Exception):
    """The job was cancelled or paused, or the server is stopping."""


class Run:
    def __init__(self, cloud: Cloud, graders: Graders, job: Job, stop: threading.Event) -> None:
        self._cloud = cloud
        self._graders = graders
        self._job = job
        self._stop = stop
        self._settings = cloud.settings
        self._at = job.started or job.created

    def run(self) -> None:
        """Train until the end, a failure, or ``stop``."""
        try:
            self._train()
        except _Stopped:
            return
        except Failure as failure:
            self._fail(failure)
        except FileNotFoundError as exc:
            # Either the job's data was deleted, or the whole folder of the server.
            if self._cloud.folder.is_dir():
                self._fail(Failure("fileImportFailed", f"A file of the job is gone: {exc}."))
        except OSError as exc:
            self._fail(
                Failure("internalFailure", f"The emulator can't use its folder: {exc.strerror or exc}.")
            )
        except Exception as exc:  # noqa: BLE001 - a bug: the job must end
            traceback.print_exc()
            self._fail(Failure("internalFailure", f"The emulator failed: {exc!r}"))

    def _train(self) -> None:
        training, validation = self._read("training_file"), self._read("validation_file")
        trainer = self._trainer(training, validation)
        content = self._cloud.content(self._job.training_file).read_bytes()
        billed = tokens_of_epoch(content, catalog.BY_ID[self._base])
        started, duration = self._begin(trainer)
        rows = []
        for step in trainer.steps():
            _refuse_unscored(step)
            self._advance(self._with_pauses(started + step.number * duration))
            rows.append(_metrics(step))
            self._report(step, trainer)
            self._inject_fault("training", step.number * 2 >= trainer.total_steps)
            if self._pauses_at(step, trainer):
                return
            time.sleep(0)  # releases the interpreter lock for requests
        self._finish(rows, billed * trainer.settings.n_epochs)

    def _pauses_at(self, step: Step | RewardStep, trainer: Trainer | ReinforcementTrainer) -> bool:
        """Whether the run ends here because of a pause. It then saves a checkpoint that can be deployed."""
        pause = self._job.pause
        if pause is None or step.number < min(pause["step"], max(trainer.total_steps - 1, 1)):
            return False
        self._at = max(self._at, pause["ready"])
        self._checkpoint(step.number, _metrics(step), trainer, False)
        self._save(pause={**pause, "step": step.number, "saved": True})
        return True

    def _read(self, key: str) -> ChatFile | TaskFile:
        what, name = key.replace("_", " "), getattr(self._job, key)
        if name is None:
            return ChatFile((), 0)
        self._record(f"Preprocessing running for file {what}.")
        try:
            content = self._cloud.content(name).read_bytes()
            data = read_tasks(content, what) if self._is_rewarded else read_for(self._method, content, what)
        except Failure as exc:
            raise Failure(exc.code, exc.message, key) from exc
        if key == "training_file":
            self._inject_fault("validation")
            if data.conversations < MIN_EXAMPLES:
                few = f"The training file contains {data.conversations} examples, "
                raise Failure("invalidPayload", f"{few}but at least {MIN_EXAMPLES} are required.", key)
        self._record(f"Preprocessing completed for file {what}.")
        return data

    def _trainer(self, training: Any, validation: Any) -> Trainer | ReinforcementTrainer:
        if not training.examples:
            unlearned = "The training file has no assistant message to learn: all have weight 0."
            raise Failure("invalidPayload", unlearned, "training_file")
        tuned = self._cloud.models.get(self._job.model)
        base = catalog.BY_ID.get(tuned.base if tuned else self._job.model)
        if base is None:
            raise Failure("notFound", f"The model '{self._job.model}' was deleted.", "model")
        parent = model.load(self._cloud.weights(tuned.weights)) if tuned else None
        self._base = base.id
        requested = self._job.requested
        epochs, batch = int(requested["n_epochs"]), int(requested["batch_size"])
        settings = optimizer.Hyperparameters(
            epochs if epochs > 0 else optimizer.AUTO_EPOCHS,
            batch if batch > 0 else optimizer.auto_batch_size(training.conversations),
            float(requested["learning_rate_multiplier"]),
            base.base_rate,
            self._job.seed,
        )
        if not self._is_rewarded:
            return Trainer(training.examples, validation.examples, settings, base.id, parent)
        return self._reinforcement(training, validation, settings, base.id, parent)

    def _reinforcement(
        self, training: TaskFile, validation: TaskFile, settings: optimizer.Hyperparameters, *model: Any
    ) -> ReinforcementTrainer:
        base, parent = model
        own = (self._job.method or {})["reinforcement"]
        given = {k: v for k, v in (own.get("hyperparameters") or {}).items() if k in Exploration._fields}
        exploration = Exploration(**{k: v for k, v in given.items() if v != "auto"})
        grader, form = own["grader"], own.get("response_format")
        answers = _answers(form)
        return ReinforcementTrainer(
            training.examples,
            validation.examples,
            settings,
            exploration,
            base,
            answers,
            lambda asked: self._graders.grade(
                grader, [Case(item, output(text, as_json=bool(form))) for item, text in asked], self._stop
            ),
            parent,
        )

    @property
    def _method(self) -> str:
        return str((self._job.method or {}).get("type", "supervised"))

    @property
    def _is_rewarded(self) -> bool:
        return self._method == "reinforcement"

    def _begin(self, trainer: Trainer | ReinforcementTrainer) -> tuple[float, float]:
        """Mark the job as running. Returns when it started, and the seconds per step."""
        self._advance(self._at)
        started, duration, steps = self._job.running, self._job.step_seconds, trainer.total_steps
        if started is None or duration is None:  # else the run continues after a restart or a pause
            pace = self._settings.steps_per_second
            started = self._at
            duration = max(self._settings.min_training_seconds / steps, 1 / pace if pace else 0.0)
        end = started + duration * steps + self._settings.evaluation_seconds
        resolved = {key: getattr(trainer.settings, key) for key in self._job.requested}
        self._save(running=started, step_seconds=duration, resolved=resolved, estimated_finish=end)
        for message in (
            "Job started.",
            "Data Import started.",
            "Finetuning started.",
            "Job queued, waiting for GPUs.",
            "Training started.",
            f"Created results file: {self._results_id}",
        ):
            self._record(message)
        return started, duration

    def _report(self, step: Step | RewardStep, trainer: Trainer | ReinforcementTrainer) -> None:
        if isinstance(step, Step) and step.number % optimizer.METRICS_EVERY and not step.epoch_end:
            return
        metrics = _metrics(step)
        if isinstance(step, RewardStep):
            said = f"Step {step.number}/{trainer.total_steps}: reward={step.train.mean:.4f}"
            self._record(said, key=f"step {step.number}", data=_scores(step, self._grader_name))
        else:
            self._record(f"Step {step.number}: training loss={metrics['train_loss']}", data=metrics)
        is_last = step.number == trainer.total_steps
        self._inject_fault("safety", is_last)
        if step.epoch_end:
            self._checkpoint(step.number, metrics, trainer, is_last)

    def _checkpoint(
        self, number: int, metrics: JSON, trainer: Trainer | ReinforcementTrainer, is_last: bool
    ) -> None:
        name = self._model_name if is_last else f"{self._model_name}:ckpt-step-{number}"
        weights = f"{self._job.id}-step-{number}.npz"
        checkpoint = f"ftchkpt-{derived_hex(self._job.id, 'checkpoint', number)}"
        trainer.model.save(self._cloud.weights(weights))
        previous = self._cloud.checkpoints.get(checkpoint)  # of the run before a pause or a restart
        at = self._at if previous is None or is_last else min(previous.created, self._at)
        saved = Checkpoint(checkpoint, at, self._job.id, number, name, {**metrics, "step": float(number)})
        created = at + (self._settings.evaluation_seconds if is_last else 0.0)
        tuned = TunedModel(name, created, self._job.id, self._base, weights, checkpoint, is_last)
        with self._writing():
            self._cloud.models.put(tuned)
            self._cloud.checkpoints.put(saved)
            prune_checkpoints(self._cloud, self._job.id)

    def _finish(self, rows: list[JSON], trained_tokens: int) -> None:
        self._record("Job succeeded.")
        self._advance(self._at + self._settings.evaluation_seconds)
        self._record("Model Evaluation Passed.")
        self._record(f"Completed results file: {self._results_id}")
        self._record(f"Training tokens billed: {trained_tokens // 1000 * 1000}")
        text = _csv(rows, REWARD_COLUMNS if self._is_rewarded else COLUMNS)
        with self._writing():
            replace_text(self._cloud.content(self._results_id), text)
            file = StoredFile(self._results_id, self._at, "results.csv", RESULTS, len(text), self._at)
            self._cloud.files.put(file)
        self._save(
            outcome={"status": "succeeded", "at": self._at},
            result_file=self._results_id,
            fine_tuned_model=self._model_name,
            trained_tokens=trained_tokens,
        )

    def _inject_fault(self, stage: str, due: bool = True) -> None:
        fault = self._job.fault or {}
        if due and fault.get("fail") == stage:
            code, message = _FAILURES[stage]
            raise Failure(code, fault.get("message") or message)

    def _fail(self, failure: Failure) -> None:
        """Records the failure; if the disk is full, as soon as it isn't, for a job that doesn't end would be
        waited for."""
        while self._cloud.folder.is_dir():
            try:
                self._end_with(failure)
                return
            except OSError:
                if self._stop.wait(_UNTIL_WRITTEN_AGAIN):
                    return

    def _end_with(self, failure: Failure) -> None:
        error = {"code": failure.code, "message": failure.message}
        if failure.param is not None:
            error["param"] = failure.param
        with suppress(_Stopped):
            self._advance(self._at)
            self._record(f"Job failed: {failure.message}", level="error")
            self._save(outcome={"status": "failed", "at": self._at, "error": error})

    def _with_pauses(self, planned: float) -> float:
        """When something happens that was planned without the pauses."""
        for pause in self._job.pauses:
            if planned > pause["at"]:
                planned += pause["until"] - pause["at"]
        return planned

    def _advance(self, planned: float) -> None:
        """Move on to the planned time, or to now if the computation is late."""
        self._at = max(self._at, planned, self._cloud.clock.now())

    def _record(self, message: str, *, key: str = "", level: str = "info", data: JSON | None = None) -> None:
        with self._writing():
            events.record(self._cloud, self._job.id, self._at, message, key=key, level=level, data=data)

    def _save(self, **changes: object) -> None:
        with self._writing():
            self._job = replace(self._job, **changes)
            self._cloud.jobs.put(self._job)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Holds the lock, unless the run was stopped."""
        with self._cloud.lock:
            if self._stop.is_set():
                raise _Stopped
            yield

    @property
    def _model_name(self) -> str:
        suffix = f"-{self._job.suffix}" if self._job.suffix else ""
        return f"{self._base}.ft-{self._job.id.removeprefix('ftjob-')}{suffix}"

    @property
    def _grader_name(self) -> str:
        grader = (self._job.method or {})["reinforcement"]["grader"]
        return str(grader.get("name") or grader["type"])

    @property
    def _results_id(self) -> str:
        return f"file-{derived_hex(self._job.id, 'results')}"


def _answers(form: JSON | None) -> candidates.Answers:
    """The answers that a policy can give in a response format."""
    fits = response_format.parsed(form)
    if form is None or fits is None:
        return candidates.texts()
    return candidates.objects(form["json_schema"].get("schema") or {}, fits.fits)


def _refuse_unscored(step: Step | RewardStep) -> None:
    """Raise if no answer has a score. The service, too, ends a job whose grader fails too often; how often
    isn't documented."""
    if isinstance(step, RewardStep) and not step.train.scored:
        why = f"The grader scored no answer of step {step.number}. {step.train.first_error}"
        raise Failure("invalidPayload", why, "method")


def _scores(step: RewardStep, grader: str) -> JSON:
    """The metrics of a step as events have them: other names than in checkpoints and result files."""
    parts = step.train.parts or {grader: step.train}
    scores = {"train_reward_mean": step.train.mean, **_mean("valid_reward_mean", step.full_valid)}
    means = {name: part.mean for name, part in parts.items()}
    rates = {name: part.error_rate for name, part in parts.items()}
    return {"step": step.number, "scores": {**scores, "graders": means}, "errors": {"graders": rates}}


def _mean(name: str, rewards: Rewards | None) -> JSON:
    return {} if rewards is None or rewards.mean is None else {name: rewards.mean}


def _metrics(step: Step | RewardStep) -> JSON:
    if isinstance(step, RewardStep):
        unread = step.train.errors["sample_parse_error"]
        return {
            "step": step.number,
            "train_mean_reward": step.train.mean,
            **_mean("full_valid_mean_reward", step.full_valid),
            "train_sample_parse_error_count": unread,
            "train_other_error_count": step.train.errors.total() - unread,
        }
    metrics: JSON = {
        "step": step.number,
        "train_loss": step.train.mean_loss,
        "train_mean_token_accuracy": step.train.accuracy,
    }
    for prefix, score in (("valid", step.valid), ("full_valid", step.full_valid)):
        if score is not None:
            metrics[f"{prefix}_loss"] = score.mean_loss
            metrics[f"{prefix}_mean_token_accuracy"] = score.accuracy
    return metrics


def _csv(rows: list[JSON], columns: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    other = {"valid_mean_token_accuracy": "validation_mean_token_accuracy"}
    writer.writerow({column: other.get(column, column) for column in columns})
    writer.writerows(rows)
    return text.getvalue()
