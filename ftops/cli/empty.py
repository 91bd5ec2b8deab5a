"""Empty arguments: refused, because they usually come from a shell variable that isn't set."""

from __future__ import annotations

from collections.abc import Sequence

import click

HINT = "Is the shell variable set?"


def refuse_empty(command: click.Command, ctx: click.Context, name: str, args: Sequence[str]) -> None:
    """Raises UsageError where an option that takes a value, or an argument, is empty. What comes after `--`,
    and what a command doesn't read itself, may be."""
    words = list(args[: args.index("--")] if "--" in args else args)
    ctx = command.context_class(command, info_name=name, parent=ctx)
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        inner = command.get_command(ctx, name)
        if inner is None:
            return  # which the group says itself
        command, ctx = inner, inner.context_class(inner, info_name=name, parent=ctx)
    if any(parameter.type is click.UNPROCESSED for parameter in command.params):
        return
    empty = empty_word(command, words)
    if empty is not None:
        raise click.UsageError(f"{empty} is empty. {HINT}", ctx)


def empty_word(command: click.Command, words: Sequence[str]) -> str | None:
    """The option whose value is empty, or that it is an argument; None where none is."""
    options = {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.is_flag
        for name in parameter.opts
    }
    takes_next = ""
    for word in words:
        option, equals, value = word.partition("=")
        if takes_next:
            if not word:
                return f"the value of `{takes_next}`"
            takes_next = ""
        elif not word:
            return "an argument"
        elif option in options and equals and not value:
            return f"the value of `{option}`"
        elif word in options:
            takes_next = word
        elif isinstance(command, click.Group) and not word.startswith("-"):
            return None  # what follows is the command's
    return None
