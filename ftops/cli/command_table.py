"""Command table: the function of each command, and its line in the help. Commands are imported lazily."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """`module:attribute`, and the line that help shows."""

    target: str
    help: str


def _row(target: str, text: str) -> Row:
    return Row(f"ftops.cli.commands.{target}", text)


SECTIONS: Mapping[str, Mapping[str, Row]] = {
    "Main commands": {
        "init": _row("init:command", "Create a small spec to start from."),
        "validate": _row("validate:validate", "Check a spec and its data."),
        "plan": _row("plan:command", "Show what apply would change, and why."),
        "apply": _row("apply:apply", "Apply the changes: upload, train, deploy, delete."),
        "destroy": _row("apply:destroy", "Delete everything that was created for a spec."),
    },
    "Other commands": {
        "promote": _row("promote:command", "Deploy a model that another environment has trained."),
        "rollback": _row("rollback:command", "Let a deployment serve an earlier model again."),
        "reconcile": _row("reconcile:command", "Continue what was approved and isn't done yet."),
        "gc": _row("gc:command", "Delete previews that have expired, and their states."),
        "show": _row("show:command", "Show everything in the state."),
        "output": _row("output:command", "Show the outputs of a spec, or one of them."),
        "state": _row("groups:state", "List, show, move or remove objects in the state."),
        "import": _row("import_:command", "Import an existing object."),
        "force-unlock": _row("state_edit:force_unlock", "Release the lock of a dead run."),
        "job": _row("groups:job", "Pause, resume or cancel a job in progress."),
        "jobs": _row("jobs:jobs", "Show how jobs train, and how long they still take."),
        "logs": _row("jobs:logs", "Show the events of a job."),
        "results": _row("service:results", "Show the training metrics of a job."),
        "report": _row("report:command", "Write an HTML page about a spec and all that it has trained."),
        "eval": _row("eval:command", "Compare deployments by their answers."),
        "answers": _row("groups:answers", "List or delete cached answers of evaluations."),
        "models": _row("models:command", "List models that can be fine-tuned, with prices and dates."),
        "exec": _row("exec:command", "Run a command with the provider's endpoint and key."),
        "data": _row("groups:data", "Inspect, check, convert and generate examples."),
        "drift": _row("service:drift", "Show changes that were made outside ftops."),
        "radar": _row("radar:command", "List when models and deployments in use end."),
        "doctor": _row("doctor:command", "Check packages, spec, state, accounts, roles and quota."),
        "audit": _row("state:audit", "Show who applied which plan, when, and the result."),
        "explain": _row("service:explain", "Explain why a resource would change."),
        "ci": _row("groups:ci", "Comment on a pull request, annotate its lines, set its status."),
        "graph": _row("validate:graph", "Show the dependency graph."),
        "fmt": _row("fmt:command", "Format specs."),
        "docs": _row("docs:command", "Show a page of the documentation."),
        "schema": _row("tools:schema", "Print the JSON Schema of the spec language."),
        "emulator": _row("tools:emulator", "Run the built-in emulator."),
        "completion": _row("tools:completion", "Print a completion script for a shell."),
        "version": _row("tools:version", "Print the version."),
    },
}

STATE: Mapping[str, Row] = {
    "list": _row("state:list_", "List the addresses of all objects."),
    "show": _row("state:show", "Show everything that is recorded about an object."),
    "mv": _row("state_edit:mv", "Move an object to another address."),
    "rm": _row("state_edit:rm", "Remove objects from the state; they are kept at the service."),
    "replace-provider": _row("state_edit:replace_provider", "Change the provider of objects."),
    "pull": _row("state_edit:pull", "Print the whole state."),
    "push": _row("state_edit:push", "Replace the state with a file."),
    "history": _row("state:history", "List the kept versions of the state."),
    "diff": _row("state:diff", "Compare two versions of the state."),
    "restore": _row("state:restore", "Restore a version of the state."),
    "migrate": _row("state:migrate", "Move the state from the local folder to a bucket."),
}
"""The commands of `ftops state`."""

JOB: Mapping[str, Row] = {
    "pause": _row("job:pause", "Pause a job; it saves a checkpoint."),
    "resume": _row("job:resume", "Resume a paused job."),
    "cancel": _row("job:cancel", "Cancel a job for good."),
}
"""The commands of `ftops job`."""

DATA: Mapping[str, Row] = {
    "check": _row("data_check:command", "Check files of examples."),
    "stats": _row("data_read:stats", "Count examples and tokens, and estimate costs."),
    "show": _row("data_show:command", "Show examples, and which parts are trained on."),
    "report": _row("data_report:command", "Write an HTML page: verdict, pictures, examples."),
    "diff": _row("data_diff:command", "Compare two files by content, not by line."),
    "clean": _row("data_clean:command", "Mend what needs no guessing, and list what was done."),
    "generate": _row("data_generate:command", "Generate the examples of datasets."),
    "convert": _row("data_write:convert", "Convert between functions, tools, CSV and Parquet."),
    "split": _row("data_write:split", "Split a file into train and valid, or more parts."),
    "slim": _row("data_write:slim", "Shorten function definitions."),
}
"""The commands of `ftops data`."""

ANSWERS: Mapping[str, Row] = {
    "list": _row("answers:list_", "List the models that have cached answers."),
    "prune": _row("answers:prune", "Delete old answers."),
}
"""The commands of `ftops answers`."""

CI: Mapping[str, Row] = {
    "comment": _row("ci:comment", "Show a plan in a comment on the pull request."),
    "annotate": _row("ci:annotate", "Annotate the lines that findings are about."),
    "status": _row("ci:status", "Set the status of the commit."),
    "issue": _row("ci_issue:command", "Keep an issue about drift, or about what retires."),
    "setup": _row("ci_setup:command", "Print the commands that create the identities of a CI."),
    "run": _row("ci_job:command", "Run a command as a step of a CI job."),
}
"""The commands of `ftops ci`."""

COMMANDS: Mapping[str, Row] = {name: row for section in SECTIONS.values() for name, row in section.items()}
