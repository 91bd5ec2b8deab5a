"""ftops init"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.cli.starters import (
    DEFAULT_GROUP,
    PLACEHOLDERS,
    TEMPLATES,
    Account,
    Template,
    account_at,
    files_of,
    helpers_of,
    ignored_text,
    is_resource_group,
)
from ftops.cli.workflows import CI_SERVICES, CiFiles, ci_files
from ftops.config.loader.files import has_section
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT, slug
from ftops.core.confined_files import content, outside, real
from ftops.core.errors import FtopsError, UsageError
from ftops.core.project import display, project_root
from ftops.views.folding import folded_lines
from ftops.views.paint import clean, path_word

_NO_GROUP = "isn't the name of a resource group, which has letters, digits and `_-.()`"


class _Init(click.Command):
    """Its help describes each template."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Templates"):
            formatter.write_dl([(name, template.about) for name, template in TEMPLATES.items()])


@click.command("init", cls=_Init)
@click.argument("folder", metavar="[FOLDER]", default=None, type=PATH)
@click.option("--template", type=click.Choice([*TEMPLATES]), help="What to start from (default: quickstart).")
@click.option("--endpoint", metavar="URL", help="Your account of Azure OpenAI: its endpoint, or its name.")
@click.option("--resource-group", metavar="NAME", help="The resource group of the account.")
@click.option(
    "--ci",
    type=click.Choice([*CI_SERVICES]),
    help="Also create workflows of a CI: plan, apply, reconcile, drift. The folder may have a spec already.",
)
@click.option("--env", "environment", metavar="NAME", help="The environment that the workflows are for.")
@click.option("-y", "--yes", "--no-input", "no_input", is_flag=True, help="Ask nothing, also on a terminal.")
@screen_options
def command(
    screen: Screen,
    folder: Path | None,
    template: str | None,
    endpoint: str | None,
    resource_group: str | None,
    ci: str | None,
    environment: str | None,
    no_input: bool,
) -> int:
    """Create a small spec to start from, with its data and a README. Nothing is overwritten.

    On a terminal, it asks for what isn't given: the folder, the template, the account. If the folder isn't in
    a project already, a .gitignore is created too.
    """
    if environment is not None and ci is None:
        raise click.UsageError("--env needs --ci")
    if template is not None and ci is not None:
        raise click.UsageError("--template can't be combined with --ci; run init twice")
    asks = screen.is_interactive and not no_input and ci is None
    folder = folder or (_ask_folder(screen) if asks and template is None else Path())
    _check_folder(folder)
    is_new = ci is None or not _specs(folder)
    files = ci_files(ci, folder, environment, is_new=is_new) if ci else CiFiles({}, (), "")
    if files.texts:
        _refuse_existing([*files.texts], project_root(real(folder)))
    texts, in_account = dict[Path, str](), ""
    if is_new:
        if specs := _specs(folder):
            raise _already_exists(specs[0])
        chosen, account = _chosen(screen if asks else None, template, endpoint, resource_group)
        if ci:
            chosen = chosen._replace(with_azure=True)
        texts = _new_files(folder, chosen, account)
        if account is not None:
            in_account = f"{account.endpoint}; {_what_it_needs(account)}"
        elif chosen.with_azure:
            in_account = f"{PLACEHOLDERS} in ftops.yaml are placeholders, replace them before"
    ignored, advice = _ignored(folder, is_project=ci is not None)
    texts = {**texts, **ignored, **files.texts}
    _write_all(texts)
    names = [display(path) if path.is_absolute() else path.as_posix() for path in texts]
    return screen.result(
        lambda: {"created": names},
        lambda: _report(screen, folder, names, advice, files, in_account),
    )


def _check_folder(folder: Path) -> None:
    """Raises FtopsError if no folder can have this path."""
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass  # it is created, or a file on the way to it is reported
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> FtopsError:
    return FtopsError(f"can't write {path}: {error.strerror}", "", "choose another folder")


def _specs(folder: Path) -> list[Path]:
    """The files of the folder that have a section of a spec. Others belong to other tools."""
    found = sorted(path for path in folder.glob("*.y*ml") if not path.is_dir())
    return [path for path in found if path.stem == "ftops" or has_section(path)]


def _chosen(
    screen: Screen | None, template: str | None, endpoint: str | None, resource_group: str | None
) -> tuple[Template, Account | None]:
    """The template and the account that were given, or that the user names. Raises UsageError, and
    FtopsError if the user ends the input."""
    wants_account = screen is not None and endpoint is None and template in (None, "azure")
    if screen is not None and template is None:
        template = _ask_template(screen)
    row = TEMPLATES[template or "quickstart"]
    if endpoint is not None:
        account = account_at(endpoint, resource_group or "")
        if resource_group is not None and not is_resource_group(resource_group):
            raise click.UsageError(f"--resource-group: {resource_group} {_NO_GROUP}")
        return row, account
    if resource_group is not None and not wants_account:
        raise click.UsageError("--resource-group needs --endpoint")
    if screen is None or not wants_account:
        return row, None
    return row, _ask_account(screen, resource_group)


def _what_it_needs(account: Account) -> str:
    if account.resource_group in ("", DEFAULT_GROUP):
        return f"`{DEFAULT_GROUP}` in ftops.yaml is a placeholder for its resource group, replace it before"
    return "README.md says what it needs"


def _ask_folder(screen: Screen) -> Path:
    """The current one is proposed if it is empty."""
    proposed = "my-spec" if any(not path.name.startswith(".") for path in Path().iterdir()) else "."
    return Path(_answer(screen, f"Folder, created if there is none [{proposed}]: ") or proposed)


def _ask_template(screen: Screen) -> str:
    names = list(TEMPLATES)
    width = max(map(len, names))
    screen.lines(["", "What do you want to start from?", ""])
    for number, name in enumerate(names, 1):
        row = f"  {number}  {name:<{width}}  {TEMPLATES[name].about}"
        screen.lines(folded_lines(row, screen.width or 100, width + 7))
    screen.lines([""])
    while True:
        answer = _answer(screen, "Number or name [1]: ") or "1"
        if answer.isdecimal() and 0 < int(answer) <= len(names):
            return names[int(answer) - 1]
        if answer in names:
            return answer
        screen.note(f"There is no `{answer}`: type a number from 1 to {len(names)}, or a name.\n")


def _ask_account(screen: Screen, resource_group: str | None) -> Account | None:
    """None if only the emulator is wanted."""
    screen.lines(["", "Your account of Azure OpenAI: its endpoint or its name; empty for none."])
    account = None
    while account is None:
        answer = _answer(screen, "Account: ")
        if not answer:
            return None
        try:
            account = account_at(answer)
        except UsageError as error:
            screen.warn(error.diagnostics)
    group = resource_group
    while group is None or not is_resource_group(group):
        if group is not None:
            screen.note(f"{clean(group)} {_NO_GROUP}\n")
        group = _answer(screen, f"Its resource group [{DEFAULT_GROUP}, a placeholder]: ") or DEFAULT_GROUP
    return account._replace(resource_group=group)


def _answer(screen: Screen, question: str) -> str:
    answer = screen.ask(question)
    if answer is None:
        raise FtopsError(
            "cancelled", "Nothing was written.", "run `ftops init --no-input` to be asked nothing"
        )
    return answer


def _new_files(folder: Path, template: Template, account: Account | None) -> dict[Path, str]:
    """The texts of the files of a spec."""
    name = slug(real(folder).name) or "spec"
    texts = {folder / file: text for file, text in files_of(template, name, account).items()}
    _refuse_to_overwrite(folder, list(texts))
    for file, text in helpers_of(template, name, account).items():
        if not os.path.lexists(folder / file):
            texts[folder / file] = text
    return texts


def _ignored(folder: Path, *, is_project: bool) -> tuple[dict[Path, str], str]:
    """The text of the .gitignore that is to be created, or what the user has to add to one. One that exists
    (even a dangling link) is never changed, and an enclosing project gets one only if it gets other files."""
    path = project_root(real(folder)) / ".gitignore"
    shown = clean(display(path))
    if not os.path.lexists(path):
        if is_project or path.parent == real(folder):
            return {folder / path.name if path.parent == real(folder) else path: ignored_text()}, ""
        return {}, f"Create {shown} with the lines `.ftops/` and `/state/`."
    with suppress(OSError):
        lines = content(path).decode(errors="replace").splitlines()
        if {".ftops", "state"} <= {line.strip().strip("/") for line in lines}:
            return {}, ""
    return {}, f"Add `.ftops/` and `/state/` to {shown}; init doesn't change it."


def _refuse_to_overwrite(folder: Path, targets: list[Path]) -> None:
    for path in targets:
        if (place := outside(path, folder)) is not None:
            raise FtopsError(
                f"{path} is {place}", "A link points outside of the folder.", "choose an empty folder"
            )
    for path in targets:
        if os.path.lexists(path):
            raise _already_exists(path)


def _already_exists(path: Path) -> FtopsError:
    return FtopsError(
        f"{path} already exists",
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


def _write_all(texts: Mapping[Path, str]) -> None:
    """Writes all of them, or none: what was written is removed if one can't be, or the user stops it."""
    made: list[Path] = []
    try:
        for path, text in texts.items():
            missing = [one for one in path.parents if not one.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            made += reversed(missing)
            with path.open("x", encoding="utf-8") as file:
                made.append(path)
                file.write(text)
    except BaseException as error:
        for one in reversed(made):
            with suppress(OSError):
                one.rmdir() if one.is_dir() else one.unlink()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def _report(
    screen: Screen, folder: Path, names: list[str], advice: str, files: CiFiles, in_account: str
) -> list[str]:
    """Lines. `in_account`: what to know before it is planned in an account; empty if the spec names none."""
    spec = "" if folder == Path() else f" {path_word(folder)}"
    lines = [f"{screen.paint('Created', 'good')} {clean(name)}" for name in names]
    if advice:
        lines += ["", advice]
    lines += ["", "Next:"]
    if files.texts:
        chosen = "" if files.environment == DEFAULT_ENVIRONMENT else f" --env {files.environment}"
        last = f"see what would be created: ftops plan{spec}{chosen}"
        lines += [f"  {step}" for step in (*files.next_steps, last)]
        return [*lines, "", "The whole way: ftops docs ci"]
    tried = f"{spec} --env dev" if in_account else spec
    lines += [f"  ftops plan{tried}     show what would be created", f"  ftops apply{tried}    create it"]
    if in_account:
        lines += [f"  ftops plan{spec} --env prod    the same in your account: {in_account}"]
    return lines
