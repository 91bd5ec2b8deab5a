"""ftops output"""

from __future__ import annotations

from pathlib import Path

import click
from msgspec.structs import replace

from ftops.cli.addresses import is_spec
from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.sessions import looking
from ftops.cli.spec_args import SpecArguments, read
from ftops.config.config import Config
from ftops.config.outputs import OutputValue
from ftops.core.address import Secret, fill
from ftops.core.errors import FtopsError
from ftops.core.suggestions import did_you_mean
from ftops.views.paint import path_word
from ftops.views.state import draw_outputs, draw_raw, is_known, output_to_json
from ftops.views.values import show


@click.command("output")
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--raw",
    is_flag=True,
    help="Print only the value of NAME, unquoted, for scripts; even if it is sensitive.",
)
@spec_options
def command(screen: Screen, name: str | None, spec: SpecArguments, raw: bool) -> int:
    """Show the outputs of the last apply, or the output NAME.

    A single argument that is a path is taken as SPEC.
    """
    if name is not None and spec.path != Path() and is_spec(name) and not spec.path.exists():
        raise click.UsageError(
            f"`{name}` is a path. It comes after the name: `ftops output {spec.path} {name}`."
        )
    if name is not None and spec.path == Path() and is_spec(name):
        spec = replace(spec, path=Path(name), words=(path_word(name), *spec.words))
        name = None
    if raw and name is None:
        raise click.UsageError("--raw needs the name of an output")
    config, outputs = _outputs(screen, spec, name)
    if name is not None:
        if name not in outputs:
            nothing = "the spec declares no outputs"
            raise FtopsError(f"there is no output `{name}`", "", did_you_mean(name, outputs, nothing=nothing))
        _show_one(screen, config, name, outputs[name], raw)
        return 0
    if not outputs:
        screen.note("The spec declares no outputs.\n")
    shown = {name: output_to_json(output) for name, output in outputs.items()}
    return screen.result(lambda: {"outputs": shown}, lambda: draw_outputs(outputs, screen.paint))


def _outputs(screen: Screen, spec: SpecArguments, name: str | None) -> tuple[Config, dict[str, OutputValue]]:
    """The outputs that the last apply recorded, and those of the spec that aren't recorded: sensitive ones,
    and those that were never applied. If the spec can't be read, only the recorded ones."""
    with looking(screen, spec) as session:
        recorded, config = session.recorded_outputs(), session.config
        if config.is_outline:
            return (config, recorded) if recorded.keys() >= {name} - {None} else (read(spec), {})
        declared = session.outputs()
    hidden = {name for name, output in declared.items() if output.sensitive}
    return config, declared | {name: value for name, value in recorded.items() if name not in hidden}


def _show_one(screen: Screen, config: Config, name: str, output: OutputValue, raw: bool) -> None:
    if not screen.json and not is_known(output.value):
        raise FtopsError(f"the output `{name}` has no value yet", "", "run `ftops apply` first")
    if raw:
        if output.value is None:
            raise FtopsError(
                f"the output `{name}` is null", "", "`ftops plan` says why, if it is a reference"
            )
        revealed = fill(output.value, lambda leaf: config.secrets[leaf] if isinstance(leaf, Secret) else leaf)
        screen.raw(draw_raw(revealed) + "\n")
    else:
        text = "(sensitive; --raw shows it)" if output.sensitive else show(output.value, 10_000)
        screen.result(lambda: {"name": name, **output_to_json(output)}, lambda: [text])
