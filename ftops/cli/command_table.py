"""Command table: the function of each command, and its line in the help. Commands are imported lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """`module:attribute` in `ftops.cli.commands`, and the line that help shows."""

    target: str
    help: str


SECTIONS: Mapping[str, Mapping[str, Row]] = {
    "Main commands": {
        "init": Row("init:command", "Create a small spec to start from."),
        "validate": Row("validate:validate", "Check a spec and its data."),
        "plan": Row("plan:command", "Show what apply would change, and why."),
        "apply": Row("apply:apply", "Apply the changes: upload, train, deploy, delete."),
        "destroy": Row("apply:destroy", "Delete everything that was created for a spec."),
    },
    "Other commands": {
        "show": Row("show:command", "Show everything in the state."),
        "output": Row("output:command", "Show the outputs of a spec, or one of them."),
        "state": Row("groups:state", "List, show, move or remove objects in the state."),
        "import": Row("import_:command", "Import an existing object."),
        "force-unlock": Row("state_edit:force_unlock", "Release the lock of a dead run."),
        "results": Row("service:results", "Show the training metrics of a job."),
        "eval": Row("eval:command", "Compare deployments by their answers."),
        "exec": Row("exec:command", "Run a command with the provider's endpoint and key."),
        "data": Row("groups:data", "Inspect, check, convert and generate examples."),
        "drift": Row("service:drift", "Show changes that were made outside ftops."),
        "audit": Row("state:audit", "Show who applied which plan, when, and the result."),
        "explain": Row("service:explain", "Explain why a resource would change."),
        "graph": Row("validate:graph", "Show the dependency graph."),
        "fmt": Row("fmt:command", "Format specs."),
        "schema": Row("tools:schema", "Print the JSON Schema of the spec language."),
        "emulator": Row("tools:emulator", "Run the built-in emulator."),
        "completion": Row("tools:completion", "Print a completion script for a shell."),
        "version": Row("tools:version", "Print the version."),
    },
}

STATE: Mapping[str, Row] = {
    "list": Row("state:list_", "List the addresses of all objects."),
    "show": Row("state:show", "Show everything that is recorded about an object."),
    "mv": Row("state_edit:mv", "Move an object to another address."),
    "rm": Row("state_edit:rm", "Remove objects from the state; they are kept at the service."),
    "replace-provider": Row("state_edit:replace_provider", "Change the provider of objects."),
    "pull": Row("state_edit:pull", "Print the whole state."),
    "push": Row("state_edit:push", "Replace the state with a file."),
    "history": Row("state:history", "List the kept versions of the state."),
    "diff": Row("state:diff", "Compare two versions of the state."),
    "restore": Row("state:restore", "Restore a version of the state."),
    "migrate": Row("state:migrate", "Move the state from the local folder to a bucket."),
}
"""The commands of `ftops state`."""

DATA: Mapping[str, Row] = {
    "check": Row("data_check:command", "Check files of examples."),
    "stats": Row("data_read:stats", "Count examples and tokens, and estimate costs."),
    "show": Row("data_read:show", "Show an example, and which parts are trained on."),
    "diff": Row("data_diff:command", "Compare two files by content, not by line."),
    "generate": Row("data_generate:command", "Generate the examples of datasets."),
    "convert": Row("data_write:convert", "Convert between functions, tools, CSV and Parquet."),
    "split": Row("data_write:split", "Split a file into train and valid, or more parts."),
    "slim": Row("data_write:slim", "Shorten function definitions."),
}
"""The commands of `ftops data`."""

COMMANDS: Mapping[str, Row] = {name: row for section in SECTIONS.values() for name, row in section.items()}
