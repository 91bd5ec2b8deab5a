"""Command table: the module of each command, and its line in the help. Commands are imported lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """`module:attribute`, and the line that help shows."""

    target: str
    help: str


SECTIONS: Mapping[str, Mapping[str, Row]] = {
    "Main commands": {
        "init": Row("ftops.cli.commands.init:command", "Create a small spec to start from."),
        "validate": Row("ftops.cli.commands.validate:command", "Check a spec and its data."),
        "plan": Row("ftops.cli.commands.plan:command", "Show what apply would change, and why."),
        "apply": Row("ftops.cli.commands.apply:apply", "Apply the changes: upload, train, deploy, delete."),
        "destroy": Row("ftops.cli.commands.apply:destroy", "Delete everything that was created for a spec."),
    },
    "Other commands": {
        "show": Row("ftops.cli.commands.show:command", "Show everything in the state."),
        "output": Row("ftops.cli.commands.output:command", "Show the outputs of a spec, or one of them."),
        "state": Row("ftops.cli.commands.state:command", "List, show, move or remove objects in the state."),
        "import": Row("ftops.cli.commands.import_:command", "Import an existing object."),
        "force-unlock": Row("ftops.cli.commands.force_unlock:command", "Release the lock of a dead run."),
        "results": Row("ftops.cli.commands.results:command", "Show the training metrics of a job."),
        "exec": Row("ftops.cli.commands.exec:command", "Run a command with the provider's endpoint and key."),
        "data": Row("ftops.cli.commands.data:command", "Inspect and check files of examples."),
        "drift": Row("ftops.cli.commands.drift:command", "Show changes that were made outside ftops."),
        "audit": Row(
            "ftops.cli.commands.audit:command", "Show who applied which plan, when, and the result."
        ),
        "explain": Row("ftops.cli.commands.explain:command", "Explain why a resource would change."),
        "graph": Row("ftops.cli.commands.graph:command", "Show the dependency graph."),
        "fmt": Row("ftops.cli.commands.fmt:command", "Format specs."),
        "schema": Row("ftops.cli.commands.schema:command", "Print the JSON Schema of the spec language."),
        "emulator": Row("ftops.cli.commands.emulator:command", "Run the built-in emulator."),
        "completion": Row("ftops.cli.commands.completion:command", "Print a completion script for a shell."),
        "version": Row("ftops.cli.commands.version:command", "Print the version."),
    },
}

DATA: Mapping[str, Row] = {
    "check": Row("ftops.cli.commands.data_check:command", "Check files of examples."),
    "stats": Row("ftops.cli.commands.data_stats:command", "Count examples and tokens, and estimate costs."),
    "show": Row("ftops.cli.commands.data_show:command", "Show an example, and which parts are trained on."),
    "diff": Row("ftops.cli.commands.data_diff:command", "Compare two files by content, not by line."),
    "convert": Row(
        "ftops.cli.commands.data_convert:command", "Convert between functions, tools, CSV and Parquet."
    ),
    "split": Row(
        "ftops.cli.commands.data_split:command", "Split a file into train and valid, or more parts."
    ),
    "slim": Row("ftops.cli.commands.data_slim:command", "Shorten function definitions."),
}
"""The commands of `ftops data`."""

COMMANDS: Mapping[str, Row] = {name: row for section in SECTIONS.values() for name, row in section.items()}
