"""ftops init"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.config.loader.settings import slug
from ftops.core.confined_files import content, outside, real
from ftops.core.errors import FtopsError
from ftops.core.project import display, project_root


@click.command("init")
@click.argument("folder", metavar="[FOLDER]", default=".", type=PATH)
@screen_options
def command(screen: Screen, folder: Path) -> int:
    """Create a small spec to start from, with a dozen training examples. Nothing is overwritten.

    If the folder isn't in a project already, a .gitignore is created too.
    """
    spec = _starter("ftops.yaml").replace("NAME", slug(real(folder).name) or "spec", 1)
    targets = {folder / "ftops.yaml": spec, folder / "data" / "train.jsonl": _starter("train.jsonl")}
    _refuse_to_overwrite(folder, list(targets))
    for path, text in targets.items():
        _write(path, text)
    # Never changes an existing .gitignore (even a dangling link), nor that of an enclosing project.
    ignore_file = project_root(real(folder)) / ".gitignore"
    creates_ignore = ignore_file.parent == real(folder) and not os.path.lexists(ignore_file)
    if creates_ignore:
        targets[folder / ".gitignore"] = _starter("gitignore")
        _write(folder / ".gitignore", targets[folder / ".gitignore"])
    names = [path.as_posix() for path in targets]
    advised = "" if creates_ignore else display(ignore_file)
    return screen.result(lambda: {"created": names}, lambda: _report(screen, folder, names, advised))


def _starter(name: str) -> str:
    """A file of the project that is created."""
    return content(Path(__file__).parents[1] / "starter" / name).decode()


def _refuse_to_overwrite(folder: Path, targets: list[Path]) -> None:
    for path in targets:
        if (place := outside(path, folder)) is not None:
            raise FtopsError(
                f"{path} is {place}", "A link points outside of the folder.", "choose an empty folder"
            )
    existing = [path for path in targets if os.path.lexists(path)] + sorted(folder.glob("*.y*ml"))
    if existing:
        raise FtopsError(
            f"{existing[0]} already exists",
            "init doesn't overwrite files, and a second spec in the folder would be merged with the first.",
            "choose an empty folder: `ftops init FOLDER`",
        )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FtopsError(f"can't write {path}: {error.strerror}", "", "choose another folder") from error


def _report(screen: Screen, folder: Path, names: list[str], ignore_file: str) -> list[str]:
    spec = "" if folder == Path() else f" {shlex.quote(str(folder))}"
    lines = [f"{screen.paint('Created', 'good')} {name}" for name in names]
    if ignore_file:
        lines += ["", f"Add `.ftops/` and `/state/` to {ignore_file}; init doesn't change it."]
    lines += ["", "Next:"]
    return [*lines, f"  ftops plan{spec}     show what would be created", f"  ftops apply{spec}    create it"]
