"""ftops exec"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any

import click

from ftops.cli.console import Screen
from ftops.cli.options import spec_options
from ftops.cli.sessions import handling_signals
from ftops.cli.spec_args import SpecArguments, read
from ftops.core.errors import UsageError
from ftops.session.connection import connection_environment
from ftops.session.session import Session

_WORDS = "-- COMMAND [ARGS]..."
_BY_SIGNAL = 128
"""The exit code of a program that a signal ended is 128 + its number, as in a shell."""


class _Exec(click.Command):
    """The words after the first `--` are the program and its arguments; SPEC and options go before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        own, words = args[:at], tuple(args[at + 1 :])
        if not words and not ctx.resilient_parsing and not {"-h", "--help"} & set(own):
            missing = "the command after `--`" if "--" in args else "`--` before the command"
            raise click.UsageError(f"{missing} is missing, as in `ftops exec -- ask.py`", ctx)
        rest = super().parse_args(ctx, own)
        ctx.params["words"] = words
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), _WORDS]


@click.command("exec", cls=_Exec)
@click.option("--provider", metavar="NAME", help="The provider, if the spec uses several.")
@spec_options
def command(screen: Screen, spec: SpecArguments, provider: str | None, words: tuple[str, ...]) -> int:
    """Run COMMAND with the endpoint and key of a spec's provider in its environment.

    Sets AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION and, if there is a key, AZURE_OPENAI_API_KEY,
    OPENAI_BASE_URL and OPENAI_API_KEY, which the openai package and other clients read. An emulator
    runs as long as the command does.

    A Python file that isn't executable is run by the Python of ftops, which has the packages openai and
    azure-identity: `ftops exec -- ask.py`. It can't import modules beside it.

    The exit code is that of COMMAND.
    """
    with Session.open(read(spec)) as session:
        try:
            connection = connection_environment(session.config, session.providers, provider)
            return _run(_with_python(words), {**os.environ, **connection})
        except OSError as error:
            hint = _hint(Path(words[0]))
            raise UsageError(f"can't run `{words[0]}`: {error.strerror}", "", hint) from error


def _with_python(words: Sequence[str]) -> Sequence[str]:
    """The words, after ftops's own interpreter if the first one is a Python file and no program. With -P, it
    runs nothing but that file: modules beside it aren't imported."""
    is_file = words[0].endswith(".py") and Path(words[0]).is_file()
    return [sys.executable, "-P", *words] if is_file and not which(words[0]) else words


def _hint(program: Path) -> str:
    if program.suffix == ".py":
        return "check the path of the file, which is relative to the current folder"
    if program.name == "python" and which("python3"):
        return "write `python3`, or only the file: the Python of ftops runs it, as in `ftops exec -- ask.py`"
    return "check that it is installed, and that its folder is on the PATH"


def _run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Signals go to the program, which decides when it ends. It receives Ctrl-C from the terminal itself."""
    with subprocess.Popen(words, env=environment) as program:

        def hand_on(number: int, frame: Any) -> None:
            if number != signal.SIGINT:
                program.send_signal(number)

        with handling_signals(hand_on):
            code = program.wait()
    return code if code >= 0 else _BY_SIGNAL - code
