"""ftops init"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.config.loader.settings import slug
from ftops.core.confined_files import outside, real
from ftops.core.errors import FtopsError
from ftops.core.project import display, project_root
from ftops.views.starter import IGNORE, files

IGNORING = ".gitignore"


@click.command("init")
@click.argument("folder", metavar="[FOLDER]", default=".", type=click.Path(path_type=Path))
@screen_options
def command(screen: Screen, folder: Path) -> int:
    """Create a small spec to start from, with a dozen training examples. Nothing is overwritten.

    If the folder isn't in a project already, a .gitignore is created too.
    """
    starter = files(slug(real(folder).name) or "spec")
    targets = {folder / name: content for name, content in starter.items()}
    _refuse_to_overwrite(folder, list(targets))
    for path, content in targets.items():
        _write(path, content)
    # An entry that exists, even a link to nothing, is somebody's; so is the file of a project around it.
    ignoring = project_root(real(folder)) / IGNORING
    is_ignored = ignoring.parent == real(folder) and not os.path.lexists(ignoring)
    if is_ignored:
        targets[folder / IGNORING] = IGNORE
        _write(folder / IGNORING, IGNORE)
    names = [path.as_posix() for path in targets]
    if screen.json:
        screen.document({"format_version": 1, "created": names})
    else:
        screen.text(_told(screen, folder, names, "" if is_ignored else display(ignoring)))
    return 0


def _refuse_to_overwrite(folder: Path, targets: list[Path]) -> None:
    for path in targets:
        if (place := outside(path, folder)) is not None:
            raise FtopsError(
                f"{path} is {place}", "A link points outside of the folder.", "choose an empty folder"
            )
    there = [path for path in targets if path.exists() or path.is_symlink()]
    if folder.is_dir():
        there += [path for path in sorted(folder.glob("*.y*ml")) if path not in there]
    if there:
        raise FtopsError(
            f"{there[0]} already exists",
            "init doesn't overwrite files, and a second spec in the folder would be merged with the first.",
            "choose an empty folder: `ftops init FOLDER`",
        )


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise FtopsError(f"can't write {path}: {error.strerror}", "", "choose another folder") from error


def _told(screen: Screen, folder: Path, names: list[str], ignoring: str) -> str:
    spec = "" if folder == Path() else f" {shlex.quote(str(folder))}"
    lines = [f"{screen.paint('Created', 'good')} {name}" for name in names]
    if ignoring:
        lines += ["", f"Add `.ftops/` and `/state/` to {ignoring}; init doesn't change it."]
    lines += [
        "",
        "Next:",
        f"  ftops plan{spec}     show what would be created",
        f"  ftops apply{spec}    create it",
    ]
    return "\n".join(lines) + "\n"
