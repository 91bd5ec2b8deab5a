"""Foreign terms: commands and options of Terraform and other tools, and their names in ftops."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from ftops.cli.command_table import ANSWERS, CI, DATA, JOB, STATE
from ftops.core.suggestions import nearest

_APPLY = "`ftops apply`: it uploads, trains and deploys what the spec declares"
_ASK = "`ftops exec`: it runs your program with the endpoint and the key of a deployment"
_COSTS = "`ftops plan`: it shows the costs of the changes; `ftops models` lists prices"
_ENVIRONMENT = "`--env NAME`: one of the environments that the spec declares"
_REMOVED = "`ftops apply`, after you have removed the resource from the spec"
_VALIDATE = "`ftops validate`"
COMMANDS: Mapping[str, str] = {
    "account": "`ftops doctor`: it checks sign-in and accounts",
    "ask": _ASK,
    "auth": "`az login`: ftops keeps no credentials",
    "billing": _COSTS,
    "budget": "`budget` under `ftops` in the spec; `ftops plan` compares it with the costs",
    "build": _APPLY,
    "cancel": "`ftops job cancel ADDRESS`",
    "cat": "`ftops show`",
    "chat": _ASK,
    "check": "`ftops validate`, or `ftops data check`",
    "clean": "`ftops data clean`, or `ftops gc`",
    "compare": "`ftops eval`, or `ftops results ADDRESS` for the jobs of a sweep",
    "config": "the spec: `ftops schema` prints what it can have",
    "console": _ASK,
    "convert": "`ftops data convert`",
    "cost": _COSTS,
    "costs": _COSTS,
    "count": "`ftops data stats`",
    "create": "`ftops apply`; `ftops init` creates a spec",
    "curves": "`ftops results ADDRESS`",
    "dashboard": "`ftops jobs --follow`, or `ftops results ADDRESS`",
    "dataset": "`ftops data`",
    "datasets": "`ftops data`",
    "dedupe": "`ftops data clean`",
    "delete": _REMOVED,
    "demo": "`ftops init`, then `ftops apply`: everything runs in the built-in emulator",
    "deploy": _APPLY,
    "deployment": "`ftops state list`, or `ftops output`",
    "deployments": "`ftops state list`, or `ftops output`",
    "describe": "`ftops state show ADDRESS`",
    "diff": "`ftops plan`, or `ftops state diff`",
    "documentation": "`ftops docs`",
    "down": "`ftops destroy`",
    "download": "`ftops results --csv ADDRESS`; models stay at the service",
    "endpoint": "`ftops output`",
    "endpoints": "`ftops output`",
    "env": _ENVIRONMENT,
    "environment": _ENVIRONMENT,
    "environments": _ENVIRONMENT,
    "envs": _ENVIRONMENT,
    "estimate": _COSTS,
    "evaluate": "`ftops eval`",
    "events": "`ftops logs ADDRESS`",
    "examples": "`ftops init --template NAME`",
    "export": "`ftops state pull`, or `ftops results --csv ADDRESS`",
    "files": "`ftops state list`",
    "fine-tune": _APPLY,
    "fine_tune": _APPLY,
    "finetune": _APPLY,
    "format": "`ftops fmt`",
    "generate": "`ftops data generate`",
    "get": "`ftops output`",
    "history": "`ftops audit`, or `ftops state history`",
    "hpo": "a `for_each` with a `matrix` in the job; `ftops results ADDRESS` compares the jobs",
    "infer": _ASK,
    "inference": _ASK,
    "info": "`ftops doctor`, or `ftops show`",
    "inspect": "`ftops state show ADDRESS`, or `ftops data show`",
    "kill": "`ftops job cancel ADDRESS`",
    "lint": _VALIDATE,
    "list": "`ftops state list`",
    "login": "`az login`: ftops keeps no credentials",
    "logout": "`az logout`: ftops keeps no credentials",
    "ls": "`ftops state list`",
    "man": "`ftops docs`",
    "manual": "`ftops docs`",
    "metrics": "`ftops results ADDRESS`",
    "model": "`ftops models`",
    "mv": "`ftops state mv`",
    "new": "`ftops init`",
    "outputs": "`ftops output`",
    "pause": "`ftops job pause ADDRESS`",
    "plot": "`ftops results ADDRESS`",
    "predict": _ASK,
    "preview": "`ftops plan`",
    "price": "`ftops models`",
    "prices": "`ftops models`",
    "pricing": "`ftops models`",
    "provider": "the section `providers` of the spec",
    "providers": "the section `providers` of the spec",
    "query": _ASK,
    "quickstart": "`ftops init --template quickstart`",
    "quota": "`ftops doctor`",
    "refresh": "`ftops apply --refresh-only`",
    "remove": _REMOVED,
    "resume": "`ftops job resume ADDRESS`",
    "revert": "`ftops rollback DEPLOYMENT`, or `ftops state restore`",
    "rm": "`ftops state rm`",
    "run": "`ftops apply`, or `ftops exec`",
    "runs": "`ftops jobs`",
    "scaffold": "`ftops init`",
    "serve": "`ftops apply`; `ftops emulator` serves the API on this machine",
    "shell": _ASK,
    "start": "`ftops apply`, or `ftops job resume ADDRESS`",
    "stats": "`ftops data stats`",
    "status": "`ftops plan`, or `ftops show`",
    "stop": "`ftops job pause ADDRESS` or `ftops job cancel ADDRESS`",
    "sweep": "a `for_each` with a `matrix` in the job; `ftops results ADDRESS` compares the jobs",
    "sync": _APPLY,
    "tail": "`ftops logs ADDRESS --follow`",
    "taint": "`ftops apply --replace ADDRESS`",
    "teardown": "`ftops destroy`",
    "template": "`ftops init --template NAME`",
    "templates": "`ftops init --template NAME`",
    "tensorboard": "`ftops results ADDRESS`",
    "test": "`ftops validate`, or `ftops exec` for a test of yours",
    "tokens": "`ftops data stats`",
    "train": _APPLY,
    "tune": _APPLY,
    "tutorial": "`ftops init`, then `ftops plan` and `ftops apply`",
    "undeploy": _REMOVED,
    "undo": "`ftops rollback DEPLOYMENT`, or `ftops state restore`",
    "unlock": "`ftops force-unlock`",
    "untaint": "`ftops state show`; a plan shows the reason for each replacement",
    "up": "`ftops apply`",
    "update": "`ftops apply`; ftops itself is updated by `uv tool upgrade ftops` or `pip install -U ftops`",
    "upgrade": "`uv tool upgrade ftops` or `pip install -U ftops`",
    "upload": "`ftops apply`: it uploads the datasets of the spec",
    "usage": "`ftops doctor`, or `ftops plan` for costs",
    "verify": _VALIDATE,
    "vars": "`--var NAME=VALUE`, or `--var-file FILE`",
    "watch": "`ftops jobs --follow`",
    "whoami": "`ftops doctor`: it checks sign-in and accounts",
    "workspace": _ENVIRONMENT,
    "workspaces": _ENVIRONMENT,
}
GROUPS: Mapping[str, Mapping[str, str]] = {
    "answers": dict.fromkeys(("clean", "clear", "delete", "remove", "rm"), "`ftops answers prune`"),
    "ci": {
        **dict.fromkeys(("plan", "apply", "drift"), "`ftops ci run`"),
        **dict.fromkeys(("init", "create"), "`ftops init --ci NAME`"),
    },
    "data": {
        **dict.fromkeys(("validate", "lint", "verify", "test"), "`ftops data check`"),
        **dict.fromkeys(("count", "tokens", "info", "summary"), "`ftops data stats`"),
        **dict.fromkeys(("view", "head", "print", "cat", "sample"), "`ftops data show`"),
        **dict.fromkeys(("dedupe", "dedup", "fix", "repair"), "`ftops data clean`"),
        **dict.fromkeys(("format", "transform", "export"), "`ftops data convert`"),
        "compare": "`ftops data diff`",
        "list": "`ftops state list`",
        "ls": "`ftops state list`",
    },
    "job": {
        **dict.fromkeys(("list", "ls", "show", "status", "get", "watch"), "`ftops jobs [ADDRESS]`"),
        **dict.fromkeys(("stop", "kill", "delete", "abort"), "`ftops job cancel ADDRESS`"),
        **dict.fromkeys(("start", "continue"), "`ftops job resume ADDRESS`"),
        **dict.fromkeys(("log", "logs", "events"), "`ftops logs ADDRESS`"),
        "results": "`ftops results ADDRESS`",
        "create": "`ftops apply`",
    },
    "state": {
        **dict.fromkeys(("remove", "delete", "forget"), "`ftops state rm ADDRESS`"),
        **dict.fromkeys(("get", "cat", "describe", "inspect"), "`ftops state show ADDRESS`"),
        **dict.fromkeys(("move", "rename"), "`ftops state mv FROM TO`"),
        **dict.fromkeys(("backup", "export", "download"), "`ftops state pull`"),
        **dict.fromkeys(("import", "upload"), "`ftops state push FILE`"),
        **dict.fromkeys(("log", "versions"), "`ftops state history`"),
        "ls": "`ftops state list`",
        "rollback": "`ftops state restore ID`",
        "unlock": "`ftops force-unlock`",
    },
}
"""The same for the commands of a group."""
_AN_ARGUMENT = "the argument SPEC, such as `ftops plan ftops.yaml`"
_NOTHING_ASKED = "Leave it out: nothing is asked"
_DRY_RUN = "`ftops plan`: it shows what apply and destroy (`--destroy`) would do"
_VERBOSE = "`FTOPS_DEBUG=1` in the environment for tracebacks and what the SDKs log"
OPTIONS: Mapping[str, str | tuple[str, str]] = {
    "--all": "`-C FOLDER` for one spec after the other",
    "--approve": ("-y", _NOTHING_ASKED),
    "--assume-yes": ("-y", _NOTHING_ASKED),
    "--async": "--no-wait",
    "--auto-approve": ("-y", _NOTHING_ASKED),
    "--backend-config": "`state` under `ftops` in the spec",
    "--batch": ("-y", _NOTHING_ASKED),
    "--card": "`ftops report ADDRESS -o FILE.md`, which writes a model card",
    "--chdir": "-C",
    "--color": "--no-color",
    "--colour": "--no-color",
    "--config": _AN_ARGUMENT,
    "--cwd": "-C",
    "--debug": _VERBOSE,
    "--detach": "--no-wait",
    "--directory": "-C",
    "--dry-run": _DRY_RUN,
    "--dryrun": _DRY_RUN,
    "--environment": "--env",
    "--file": _AN_ARGUMENT,
    "--filename": _AN_ARGUMENT,
    "--force": ("-y", "Leave it out: no file is overwritten"),
    "--format": "-o",
    "--input": ("-y", _NOTHING_ASKED),
    "--json": "-o json",
    "--lock": "--lock-timeout",
    "--no-confirm": ("-y", _NOTHING_ASKED),
    "--no-input": ("-y", _NOTHING_ASKED),
    "--no-interactive": ("-y", _NOTHING_ASKED),
    "--non-interactive": ("-y", _NOTHING_ASKED),
    "--output-format": "-o",
    "--parallel": "--parallelism",
    "--path": _AN_ARGUMENT,
    "--profile": "--env",
    "--quiet": "`> /dev/null`: errors go to standard error",
    "--region": "`location` of the provider in the spec",
    "--set": "--var",
    "--spec": _AN_ARGUMENT,
    "--stage": "--env",
    "--timeout": "`timeouts` of the provider in the spec; `--lock-timeout` for the lock",
    "--values": "--var-file",
    "--verbose": _VERBOSE,
    "--workers": "--parallelism",
    "--workspace": "--env",
    "--yes": ("-y", _NOTHING_ASKED),
    "-E": "--env",
    "-c": _AN_ARGUMENT,
    "-e": "--env",
    "-f": _AN_ARGUMENT,
    "-j": "--parallelism",
    "-n": _DRY_RUN,
    "-p": "--parallelism",
    "-q": "`> /dev/null`: errors go to standard error",
    "-v": _VERBOSE,
    "-vv": _VERBOSE,
    "-y": ("-y", _NOTHING_ASKED),
}
"""An option of ours, or what to do in backticks; two if it depends on whether the command has the first."""
_OF_COMMANDS = frozenset({"--env", "--var", "--var-file", "--target", "--auto-approve", "-y"})
GROUP_COMMANDS = {"answers": ANSWERS, "ci": CI, "data": DATA, "job": JOB, "state": STATE}
DELETING = frozenset({"destroy", "force-unlock", "gc", "rm"})
"""Commands that no hint suggests only because the names are alike."""
_ONE_DASH = re.compile(r"-([a-z][a-z-]{2,})(=.*)?\Z", re.DOTALL)


def command_hint(name: str, group: str = "") -> str:
    """The command of ftops for one of another tool, or of another group; empty if none is known. `group`:
    `state`, `data` and the like; empty for the commands of ftops itself."""
    found = GROUPS.get(group, {}).get(name) or COMMANDS.get(name)
    if found:
        return f"In ftops, use {found}."
    elsewhere = [f"`ftops {one} {name}`" for one, rows in GROUP_COMMANDS.items() if name in rows]
    return f"Did you mean {' or '.join(elsewhere)}?" if elsewhere else ""


def option_hint(name: str, known: Collection[str], *, before_command: bool = False) -> str:
    """The option that may be meant by an unknown one; empty if none is known. `before_command`: it was given
    before the command."""
    if before_command and name in _OF_COMMANDS:
        return f"It goes after the command: `ftops plan {name} …`."
    if meant := _meant(name, known):
        return f"{meant}." if meant[0].isupper() else f"In ftops, use {meant}."
    near = nearest(name, known)
    return f"Did you mean `{near}`?" if near else ""


def _meant(name: str, known: Collection[str]) -> str:
    """What the table says; empty if it names an option that the command doesn't have."""
    row = OPTIONS.get(name, "")
    first, other = row if isinstance(row, tuple) else (row, "")
    if not first.startswith("-"):
        return first
    return f"`{first}`" if first.partition(" ")[0] in known else other


def one_dash_hint(argv: Sequence[str], known: Collection[str]) -> str:
    """Terraform's long options have one dash, which click parses as short options."""
    for word in argv:
        found = _ONE_DASH.match(word)
        option = f"--{found[1]}" if found else ""
        if option in known:
            return f"Long options start with two dashes: `{option}`."
        if option and _meant(option, known):
            return option_hint(option, known)
    return ""
