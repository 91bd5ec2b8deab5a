"""Foreign terms: commands and options of Terraform and other tools, and their names in ftops."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from ftops.core.suggestions import nearest

COMMANDS: Mapping[str, str] = {
    "cancel": "`ftops job cancel ADDRESS`",
    "cat": "`ftops show`",
    "chat": "`ftops exec`: it runs your program with the endpoint and the key of a deployment",
    "check": "`ftops validate`, or `ftops data check`",
    "clean": "`ftops data clean`, or `ftops gc`",
    "convert": "`ftops data convert`",
    "cost": "`ftops plan`: it shows the costs of the changes; `ftops models` lists prices",
    "costs": "`ftops plan`: it shows the costs of the changes; `ftops models` lists prices",
    "create": "`ftops apply`; `ftops init` creates a spec",
    "delete": "`ftops apply`, after you have removed the resource from the spec",
    "deploy": "`ftops apply`: it uploads, trains and deploys what the spec declares",
    "diff": "`ftops plan`, or `ftops state diff`",
    "down": "`ftops destroy`",
    "evaluate": "`ftops eval`",
    "files": "`ftops state list`",
    "fine-tune": "`ftops apply`: it uploads, trains and deploys what the spec declares",
    "finetune": "`ftops apply`: it uploads, trains and deploys what the spec declares",
    "format": "`ftops fmt`",
    "generate": "`ftops data generate`",
    "get": "`ftops output`",
    "history": "`ftops audit`, or `ftops state history`",
    "lint": "`ftops validate`",
    "list": "`ftops state list`",
    "login": "`az login`: ftops keeps no credentials",
    "metrics": "`ftops results ADDRESS`",
    "model": "`ftops models`",
    "mv": "`ftops state mv`",
    "new": "`ftops init`",
    "outputs": "`ftops output`",
    "pause": "`ftops job pause ADDRESS`",
    "preview": "`ftops plan`",
    "prices": "`ftops models`",
    "providers": "the section `providers` of the spec",
    "refresh": "`ftops apply --refresh-only`",
    "remove": "`ftops apply`, after you have removed the resource from the spec",
    "resume": "`ftops job resume ADDRESS`",
    "rm": "`ftops state rm`",
    "run": "`ftops apply`, or `ftops exec`",
    "status": "`ftops plan`, or `ftops show`",
    "taint": "`ftops apply --replace ADDRESS`",
    "test": "`ftops validate`, or `ftops exec` for a test of yours",
    "train": "`ftops apply`: it uploads, trains and deploys what the spec declares",
    "tune": "`ftops apply`: it uploads, trains and deploys what the spec declares",
    "unlock": "`ftops force-unlock`",
    "untaint": "`ftops state show`; a plan shows the reason for each replacement",
    "up": "`ftops apply`",
    "upload": "`ftops apply`: it uploads the datasets of the spec",
    "watch": "`ftops jobs --follow`",
    "workspace": "`--env NAME`: one of the environments that the spec declares",
}
OPTIONS: Mapping[str, str] = {
    "--all": "`-C FOLDER` for one spec after the other",
    "--approve": "-y",
    "--assume-yes": "-y",
    "--backend-config": "`state` under `ftops` in the spec",
    "--chdir": "-C",
    "--environment": "--env",
    "--force": "-y",
    "--input": "-y",
    "--json": "-o json",
    "--lock": "--lock-timeout",
    "--workspace": "--env",
    "--yes": "-y",
}
DELETING = frozenset({"destroy", "force-unlock", "gc", "rm"})
"""Commands that no hint suggests only because the names are alike."""
_ONE_DASH = re.compile(r"-([a-z][a-z-]{2,})(=.*)?\Z", re.DOTALL)


def command_hint(name: str) -> str:
    """The command of ftops for a command of another tool; empty if none is known."""
    return f"In ftops, use {COMMANDS[name]}." if name in COMMANDS else ""


def option_hint(name: str, known: Collection[str]) -> str:
    """The option that may be meant by an unknown one; empty if none is known."""
    meant = OPTIONS.get(name)
    if meant is not None and (not meant.startswith("-") or meant.partition(" ")[0] in known):
        return f"In ftops, use {meant if '`' in meant else f'`{meant}`'}."
    near = nearest(name, known)
    return f"Did you mean `{near}`?" if near else ""


def one_dash_hint(argv: Sequence[str], known: Collection[str]) -> str:
    """Terraform's long options have one dash, which click parses as short options."""
    for word in argv:
        found = _ONE_DASH.match(word)
        option = f"--{found[1]}" if found else ""
        if option in known:
            return f"Long options start with two dashes: `{option}`."
        if option and (hint := OPTIONS.get(option, "")).partition(" ")[0] in known:
            return f"In ftops, use `{hint}`."
    return ""
