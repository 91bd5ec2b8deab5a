"""Shell completion: click's, also for words with quotes and commas: `job.sweep["n_epochs=2,seed=1"]`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
)


class _Bash(BashComplete):
    """Bash takes completions as they are, and adds nothing but the end of a quotation that has begun."""

    source_template = BashComplete.source_template.replace("read type", "read -r type").replace(
        "($value)", '("$value")'
    )

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[Any]]:
        found = super().get_completions(args, incomplete)
        words, at = os.environ["COMP_WORDS"].split("\n"), int(os.environ["COMP_CWORD"])
        quote = words[at][:1] if at < len(words) else ""
        plain = [item for item in found if item.type == "plain"]
        if quote == '"':
            for item in plain:
                item.value = item.value.replace('"', r"\"")
        elif quote != "'" and any(shlex.quote(item.value) != item.value for item in plain):
            for item in plain:  # all of them, so that what they have in common can be inserted
                quoted = shlex.quote(item.value)
                item.value = quoted if quoted != item.value else f"'{quoted}'"
        return found


class _Fish(FishComplete):
    """Fish adds quotes by itself."""

    source_template = FishComplete.source_template.replace('split ","', 'split --max 1 ","')


SHELLS: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": _Fish}


def answer(root: click.Command, name: str, variable: str, instruction: str) -> int:
    """Prints the words that can follow, as the script of a shell asks for them. The exit code."""
    for shell in SHELLS.values():
        add_completion_class(shell)
    return shell_complete(root, {}, name, variable, instruction)
