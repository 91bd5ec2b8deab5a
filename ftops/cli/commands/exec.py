"""ftops exec"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
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
            raise click.UsageError(f"{missing} is missing, as in `ftops exec -- python ask.py`", ctx)
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

    The exit code is that of COMMAND.
    """
    with Session.open(read(spec)) as session:
        try:
            connection = connection_environment(session.config, session.providers, provider)
            return _run(words, {**os.environ, **connection})
        except OSError as error:
            hint = "check that it is installed, and that its folder is on the PATH"
            raise UsageError(f"can't run `{words[0]}`: {error.strerror}", "", hint) from error


def _run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Signals go to the program, which decides when it ends. It receives Ctrl-C from the terminal itself."""
    with subprocess.Popen(words, env=environment) as program:

        def hand_on(number: int, frame: Any) -> None:
            if number != signal.SIGINT:
                program.send_signal(number)

        with handling_signals(hand_on):
            code = program.wait()
    return code if code >= 0 else _BY_SIGNAL - code
