"""Many specs: the specs below a folder, each handled by itself, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.diagnostics import diagnostics_of
from ftops.cli.options import spec_words
from ftops.cli.repository import folder_in_repository
from ftops.cli.spec_args import SpecArguments, probable_name, read
from ftops.config.loader import has_environment
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.config.loader.spec_folders import ChangedFiles, find_specs
from ftops.config.policy import POLICY_VARIABLE
from ftops.core.address import Json
from ftops.core.dag import closure
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.core.git import changed_since
from ftops.core.plurals import plural
from ftops.core.project import CATALOG_FILE, CATALOG_VARIABLE, display, project_root, spec_folder
from ftops.views.paint import clean

T = TypeVar("T")
_AT_ONCE = 4
"""Each of them makes several calls at a time."""
_PRECEDENCE = (1, 3, 2, 0)


class Skipped(NamedTuple):
    """A spec that was found and isn't handled, and why."""

    path: Path
    reason: str


class Selection(Struct, frozen=True):
    """The specs below a folder that are handled, sorted by path."""

    folder: Path
    specs: tuple[SpecArguments, ...]
    skipped: tuple[Skipped, ...] = ()
    environment: str = ""
    untouched: int = 0
    """How many others there are, which the branch doesn't touch."""

    @property
    def place(self) -> str:
        """The folder, from the root of the repository; empty for the root."""
        place = PurePosixPath(folder_in_repository(os.environ), self.folder.as_posix()).as_posix()
        return "" if place == "." else place

    def to_json(self) -> dict[str, Json]:
        skipped: list[Json] = [{"path": path.as_posix(), "reason": reason} for path, reason in self.skipped]
        environment = self.environment or None
        counts = {"untouched": self.untouched}
        return {"folder": self.place, "environment": environment, "skipped": skipped, **counts}

    def lines(self, done: str) -> list[str]:
        """What isn't `done`, and why."""
        lines = [clean(f"  {path.as_posix()} isn't {done}: {reason}") for path, reason in self.skipped]
        more = f"  {plural(self.untouched, 'other spec')} not touched by the branch"
        return [*lines, more] if self.untouched else lines


class Outcome(Struct, Generic[T], frozen=True):
    """What became of a spec: a result, or the errors because of which there is none."""

    spec: SpecArguments
    result: T | None
    failed: Sequence[Diagnostic] = ()
    exit_code: int = 1
    """Of an error."""

    @property
    def name(self) -> str:
        """That of the spec, as well as can be told if it can't be read."""
        return probable_name(self.spec.path, self.spec.environment)


def select(spec: SpecArguments, revision: str | None, *, connecting: bool = True) -> Selection:
    """The specs below the folder of `spec`; with a revision, those that the branch touches. A spec that
    can't be read is among them. Without `connecting`, no service is asked. Raises UsageError."""
    folder = spec.path
    if not folder.is_dir():
        raise UsageError(f"{display(folder)} isn't a folder", "--all looks for specs below one.")
    try:
        found = [_one(spec, path) for path in find_specs(folder)]
    except OSError as error:
        summary = f"can't search {error.filename}: {error.strerror}"
        raise UsageError(summary, "", "check its rights") from error
    if not found:
        hint = "a spec is a folder with `ftops.yaml`, or with a YAML file that has a section such as `ftops`"
        raise UsageError(f"there is no spec in {display(folder)} or below it", "", hint)
    skipped = [Skipped(one.path, reason) for one in found if (reason := _without_environment(one))]
    without = {path for path, _ in skipped}
    specs = [one for one in found if one.path not in without]
    chosen = specs if revision is None else _touched(specs, revision, connecting=connecting)
    left = len(specs) - len(chosen)
    return Selection(folder, tuple(chosen), tuple(skipped), spec.environment or "", left)


def _one(spec: SpecArguments, path: Path) -> SpecArguments:
    words = spec_words(path, spec.environment, spec.variables, spec.variable_files)
    return replace(spec, path=path, words=words)


def _without_environment(spec: SpecArguments) -> str:
    """Why a spec isn't handled: it lacks the environment. Another one is never taken in its place."""
    wanted = spec.environment
    if wanted is None or wanted == DEFAULT_ENVIRONMENT:
        return ""
    if has_environment(spec.path, wanted, spec.variable_files):
        return ""
    return f"it has no environment {wanted}"


def _touched(specs: Sequence[SpecArguments], revision: str, *, connecting: bool) -> Sequence[SpecArguments]:
    """Those that the branch touches, and those that read outputs of one that it touches."""
    roots = {spec.path: project_root(spec_folder(spec.path.absolute())) for spec in specs}
    changed = {
        root: ChangedFiles(frozenset(root / name for name in changed_since(root, revision)))
        for root in dict.fromkeys(roots.values())
    }
    outside = [Path(os.environ[name]) for name in (CATALOG_VARIABLE, POLICY_VARIABLE) if os.environ.get(name)]
    touched, readers = set[Path](), dict[Path, set[Path]]()
    for spec in specs:
        root, folder = roots[spec.path], spec_folder(spec.path.absolute())
        more = [path.absolute() for path in (*spec.variable_files, *outside, root / CATALOG_FILE)]
        try:
            config = read(spec, connecting=connecting)
        except FtopsError:
            touched.add(folder)  # it says itself what is wrong with it
            continue
        if changed[root].touch(config, more):
            touched.add(folder)
        for source in config.states.values():  # one in another project is of no folder here
            readers.setdefault(source.place[0], set()).add(folder)
    touched = closure(touched, readers)
    return [spec for spec in specs if spec_folder(spec.path.absolute()) in touched]


def for_each(
    specs: Sequence[SpecArguments],
    work: Callable[[SpecArguments], T],
    on_progress: Callable[[int, int], None],
) -> list[Outcome[T]]:
    """The outcome of each, in order. An error of one doesn't stop the others."""

    def attempt(spec: SpecArguments) -> Outcome[T]:
        try:
            return Outcome(spec, work(spec))
        except Exception as error:  # noqa: BLE001 - it is reported, as the command line does
            return Outcome(spec, None, diagnostics_of(error), getattr(error, "exit_code", 1))

    outcomes: list[Outcome[T]] = []
    pool = ThreadPoolExecutor(_AT_ONCE, "spec")
    try:
        for outcome in pool.map(attempt, specs):
            outcomes.append(outcome)
            on_progress(len(outcomes), len(specs))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return outcomes


def worst(exit_codes: Sequence[int]) -> int:
    """1, an error, comes before 3, a plan that can't be applied, and that before 2, changes."""
    return min(exit_codes, key=_PRECEDENCE.index, default=0)
