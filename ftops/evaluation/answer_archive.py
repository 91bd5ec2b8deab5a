"""Answer archive: the kept answers of all models of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from ftops.core.errors import UsageError
from ftops.core.suggestions import did_you_mean
from ftops.evaluation.answer_files import AnswerFiles, Kept, Segments, answers_folder, digests


class ModelAnswers(Struct, frozen=True):
    """The answers of a model, or some of them. Times are in UTC, in ISO 8601."""

    account: str
    model: str
    """Empty if it isn't known."""
    count: int
    size: int
    """Of all answers of the model, in bytes."""
    oldest: str
    newest: str
    files: AnswerFiles


def list_answers(project: Path, shared: Segments | None, model: str = "") -> list[ModelAnswers]:
    """Of all models, or one. Also those that are only in `shared`. Raises FtopsError."""
    folder = answers_folder(project)
    found = []
    for digest in digests(folder, shared):
        files = AnswerFiles(folder, digest, shared)
        files.pull()
        if kept := _all(files):
            found.append(_summary(files, kept))
    return sorted(_of_model(found, model), key=lambda answers: (answers.account, answers.model))


def older(answers: Sequence[ModelAnswers], before: str) -> list[ModelAnswers]:
    """What `prune` would delete."""
    old = ((a.files, [kept for kept in _all(a.files) if kept.at <= before]) for a in answers)
    return [_summary(files, kept) for files, kept in old if kept]


def prune(answers: Sequence[ModelAnswers], before: str) -> None:
    """Deletes answers that were given until this time, here and where they are shared. Raises FtopsError."""
    for model in answers:
        with model.files.locked() as is_free:
            if not is_free:
                raise UsageError(
                    f"another run is asking {model.model}", "Its answers weren't deleted.", "try again later"
                )
            _prune(model.files, before)


def _prune(files: AnswerFiles, before: str) -> None:
    name = files.model()
    files.replace_unshared(name, (kept for kept in files.unshared().kept if kept.at > before))
    for segment in files.names():
        kept = files.segment(segment).kept
        rest = [one for one in kept if one.at > before]
        if rest and len(rest) < len(kept):
            files.share(name, rest)
        if len(rest) < len(kept):
            files.drop([segment])


def _all(files: AnswerFiles) -> list[Kept]:
    return [*(kept for name in files.names() for kept in files.segment(name).kept), *files.unshared().kept]


def _summary(files: AnswerFiles, kept: Sequence[Kept]) -> ModelAnswers:
    account, _, model = files.model().rpartition("|")
    times = sorted(one.at for one in kept)
    count = len({one.key for one in kept})
    return ModelAnswers(account, model, count, files.size(), times[0], times[-1], files)


def _of_model(found: Sequence[ModelAnswers], model: str) -> list[ModelAnswers]:
    chosen = [answers for answers in found if model in ("", answers.model, answers.model.partition("@")[0])]
    if model and not chosen:
        known = {answers.model for answers in found}
        hint = did_you_mean(model, known, nothing="`ftops answers list` shows all models")
        raise UsageError(f"there are no answers of {model}", "", hint)
    return chosen
