"""ftops exec"""

from __future__ import annotations

import os
import subprocess

import click

from ftops.cli.lazy import pass_screen
from ftops.cli.options import SpecArguments, spec_options
from ftops.cli.screen import Screen
from ftops.cli.specs import read
from ftops.engine import Session
from ftops.errors import UsageError


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--provider", metavar="NAME", help="The provider, where a spec uses several.")
@spec_options
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
@pass_screen
def command(screen: Screen, spec: SpecArguments, provider: str | None, words: tuple[str, ...]) -> int:
    """Run a COMMAND with the endpoint and key of a spec's provider in its environment.

    Sets AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY where there is a key, and OPENAI_API_VERSION, which
    the openai package reads by itself. The embedded cloud runs as long as the command does.
    """
    with Session.open(read(spec)) as session:
        environment = {**os.environ, **session.environment(provider)}
        try:
            return subprocess.run(words, env=environment, check=False).returncode
        except OSError as error:
            hint = f"write `{spec.command('exec')} -- COMMAND`"
            raise UsageError(f"can't run `{words[0]}`: {error.strerror}", "", hint) from error
