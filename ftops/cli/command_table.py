"""The commands: where each is found, and what it does in a line. A command is imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """`module:attribute`, and the line that help shows."""

    target: str
    help: str


SECTIONS: Mapping[str, Mapping[str, Row]] = {
    "Main commands": {
        "init": Row("ftops.cli.commands.init:command", "Write a small spec to start from."),
        "validate": Row("ftops.cli.commands.validate:command", "Check a spec and its data."),
        "plan": Row("ftops.cli.commands.plan:command", "Show what apply would do, and why."),
        "apply": Row("ftops.cli.commands.apply:apply", "Make it so: upload, train, deploy, delete."),
        "destroy": Row("ftops.cli.commands.apply:destroy", "Delete everything that was made for a spec."),
    },
    "Other commands": {
        "show": Row("ftops.cli.commands.show:command", "Show everything that is recorded."),
        "output": Row("ftops.cli.commands.output:command", "Show the outputs of a spec, or one of them."),
        "state": Row("ftops.cli.commands.state:command", "List, show, move or forget recorded objects."),
        "import": Row("ftops.cli.commands.import_:command", "Take an existing object under management."),
        "force-unlock": Row("ftops.cli.commands.force_unlock:command", "Take the lock from a dead run."),
        "results": Row("ftops.cli.commands.results:command", "Show what the training of a job measured."),
        "exec": Row("ftops.cli.commands.exec:command", "Run a command with the provider's endpoint and key."),
        "data": Row("ftops.cli.commands.data:command", "Look into files of examples, and check them."),
        "drift": Row("ftops.cli.commands.drift:command", "Show what was changed outside ftops."),
        "audit": Row("ftops.cli.commands.audit:command", "Show who applied what, when, with what result."),
        "explain": Row("ftops.cli.commands.explain:command", "Say why a resource would change."),
        "graph": Row("ftops.cli.commands.graph:command", "Show what depends on what."),
        "fmt": Row("ftops.cli.commands.fmt:command", "Write specs in one style."),
        "schema": Row("ftops.cli.commands.schema:command", "Print the JSON Schema of the spec language."),
        "emulator": Row("ftops.cli.commands.emulator:command", "Run the cloud that comes with ftops."),
        "completion": Row("ftops.cli.commands.completion:command", "Print a completion script for a shell."),
        "version": Row("ftops.cli.commands.version:command", "Print the version."),
    },
}

DATA: Mapping[str, Row] = {
    "check": Row("ftops.cli.commands.data_check:command", "Check files of examples."),
    "stats": Row("ftops.cli.commands.data_stats:command", "Count examples, tokens and what they cost."),
    "show": Row("ftops.cli.commands.data_show:command", "Show an example, and what is trained of it."),
    "diff": Row("ftops.cli.commands.data_diff:command", "Compare two files by content, not by line."),
    "convert": Row(
        "ftops.cli.commands.data_convert:command", "Change the form: functions, tools, CSV, Parquet."
    ),
    "split": Row("ftops.cli.commands.data_split:command", "Divide a file into train and valid, or more."),
    "slim": Row(
        "ftops.cli.commands.data_slim:command", "Leave out what function definitions can do without."
    ),
}
"""The commands of `ftops data`."""

COMMANDS: Mapping[str, Row] = {name: row for section in SECTIONS.values() for name, row in section.items()}
