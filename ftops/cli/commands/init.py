"""ftops init"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.cli.workflows import CI_SERVICES, CiFiles, ci_files
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT, slug
from ftops.core.confined_files import content, outside, real
from ftops.core.errors import FtopsError
from ftops.core.project import display, project_root

_COMMENTED_OUT = "#\n# providers:"
"""Where the starter begins to be about Azure."""
_COMMENT = re.compile(r"^# ?", re.MULTILINE)
_GUIDE = "docs/ci.md of ftops"


class _Template(NamedTuple):
    """A spec to start from. The names are those of files in the folder `starter`."""

    spec: str = "ftops.yaml"
    data: str = "train.jsonl"
    with_azure: bool = False
    """Whether the part about Azure counts, which is a comment otherwise."""


_TEMPLATES: Mapping[str, _Template] = {
    "quickstart": _Template(),
    "azure": _Template(with_azure=True),
    "sweep": _Template("templates/sweep.yaml"),
    "dpo": _Template("templates/dpo.yaml", "templates/pairs.jsonl"),
}


@click.command("init")
@click.argument("folder", metavar="[FOLDER]", default=".", type=PATH)
@click.option(
    "--ci",
    type=click.Choice([*CI_SERVICES]),
    help="Also create workflows of a CI: plan, apply, reconcile, drift. The folder may have a spec already.",
)
@click.option(
    "--template",
    type=click.Choice([*_TEMPLATES]),
    help="What to start from (default: quickstart).",
)
@click.option("--env", "environment", metavar="NAME", help="The environment that the workflows are for.")
@screen_options
def command(
    screen: Screen, folder: Path, ci: str | None, template: str | None, environment: str | None
) -> int:
    """Create a small spec to start from, with a dozen training examples. Nothing is overwritten.

    If the folder isn't in a project already, a .gitignore is created too.
    """
    if environment is not None and ci is None:
        raise click.UsageError("--env needs --ci")
    if template is not None and ci is not None:
        raise click.UsageError("--template can't be combined with --ci; run init twice")
    is_new = ci is None or not _specs(folder)
    files = ci_files(ci, folder, environment, is_new=is_new) if ci else CiFiles({}, (), "")
    if files.texts:
        _refuse_existing([*files.texts], project_root(real(folder)))
    created, advised = (
        _create_spec(folder, _TEMPLATES[template or ("azure" if ci else "quickstart")])
        if is_new
        else ([], "")
    )
    for path, text in files.texts.items():
        _write(path, text)
    names = [*created, *map(display, files.texts)]
    return screen.result(
        lambda: {"created": names},
        lambda: _report(screen, folder, names, advised, files),
    )


def _specs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.y*ml"))


def _create_spec(folder: Path, template: _Template) -> tuple[list[str], str]:
    """The files that were created, and what the user has to add to a .gitignore."""
    spec = _starter(template.spec).replace("NAME", slug(real(folder).name) or "spec", 1)
    if template.with_azure:
        head, mark, tail = spec.partition(_COMMENTED_OUT)
        spec = head.replace(" and remove the #", "") + _COMMENT.sub("", mark + tail).lstrip()
    targets = {
        folder / "ftops.yaml": spec,
        folder / "data" / Path(template.data).name: _starter(template.data),
    }
    _refuse_to_overwrite(folder, list(targets))
    for path, text in targets.items():
        _write(path, text)
    # Never changes an existing .gitignore (even a dangling link), nor that of an enclosing project.
    ignore_file = project_root(real(folder)) / ".gitignore"
    creates_ignore = ignore_file.parent == real(folder) and not os.path.lexists(ignore_file)
    if creates_ignore:
        targets[folder / ".gitignore"] = _starter("gitignore")
        _write(folder / ".gitignore", targets[folder / ".gitignore"])
    if creates_ignore:
        advice = ""
    elif os.path.lexists(ignore_file):
        advice = f"Add `.ftops/` and `/state/` to {display(ignore_file)}; init doesn't change it."
    else:
        advice = f"Create {display(ignore_file)} with the lines `.ftops/` and `/state/`."
    return [path.as_posix() for path in targets], advice


def _starter(name: str) -> str:
    """A file of the project that is created."""
    return content(Path(__file__).parents[1] / "starter" / name).decode()


def _refuse_to_overwrite(folder: Path, targets: list[Path]) -> None:
    for path in targets:
        if (place := outside(path, folder)) is not None:
            raise FtopsError(
                f"{path} is {place}", "A link points outside of the folder.", "choose an empty folder"
            )
    existing = [path for path in targets if os.path.lexists(path)] + _specs(folder)
    if existing:
        raise FtopsError(
            f"{existing[0]} already exists",
            "init doesn't overwrite files, and a second spec in the folder would be merged with the first.",
            "choose an empty folder: `ftops init FOLDER`",
        )


def _refuse_existing(targets: list[Path], root: Path) -> None:
    """Nothing is written if one of the workflows can't be."""
    for path in targets:
        if os.path.lexists(path) or outside(path, root) is not None:
            what = "already exists" if os.path.lexists(path) else "leads out of the project"
            raise FtopsError(
                f"{display(path)} {what}",
                "init doesn't overwrite files, and follows no link out of the project.",
                "move it away first, and merge what you need",
            )


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise FtopsError(f"can't write {path}: {error.strerror}", "", "choose another folder") from error


def _report(screen: Screen, folder: Path, names: list[str], advice: str, files: CiFiles) -> list[str]:
    spec = "" if folder == Path() else f" {shlex.quote(str(folder))}"
    lines = [f"{screen.paint('Created', 'good')} {name}" for name in names]
    if advice:
        lines += ["", advice]
    lines += ["", "Next:"]
    if files.texts:
        chosen = "" if files.environment == DEFAULT_ENVIRONMENT else f" --env {files.environment}"
        last = f"see what would be created: ftops plan{spec}{chosen}"
        return [*lines, *(f"  {step}" for step in (*files.next_steps, last)), "", f"The whole way: {_GUIDE}"]
    return [*lines, f"  ftops plan{spec}     show what would be created", f"  ftops apply{spec}    create it"]
