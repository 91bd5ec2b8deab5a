"""Addresses as arguments: parsing, error messages and completion."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ftops.core.address import Address
from ftops.core.project import SPEC_SUFFIXES
from ftops.core.resource_types import RESOURCE_TYPES

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class AddressType(click.ParamType[Address]):
    """`job.copilot`, `job.copilot["fr"]`. `kinds` are those that are completed; all without any."""

    name = "address"

    def __init__(self, *kinds: str) -> None:
        self._kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except ValueError as error:
            hint = _with_quotes(value)
            is_argument = ctx is not None and isinstance(param, click.Argument)
            if value in ("list", "ls", "all", "show") and ctx is not None:
                hint = f"`{ctx.command_path}` lists all of them." if isinstance(self, AddressOrSpec) else ""
            elif value.isidentifier():
                kinds = self._kinds or tuple(RESOURCE_TYPES)
                *others, last = (f"{kind}.{value}" for kind in kinds)
                hint = f"Write {', '.join(others)}{' or ' * bool(others)}{last}."
            elif is_argument and ctx is not None and Path(value).exists():
                hint = (
                    f"It is a path, which comes after the address: `{ctx.command_path} job.copilot {value}`."
                )
            self.fail(f"{error}. {hint}".rstrip(), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _matching(map(str, _known(ctx, self._kinds)), incomplete)


def _with_quotes(value: str) -> str:
    """What to write if a shell has removed the quotes of a key; empty if that isn't what is wrong."""
    name, bracket, key = value.removesuffix("]").partition("[")
    meant = f'{name}["{key}"]'
    if not bracket or '"' in key:
        return ""
    with suppress(ValueError):
        Address.parse(meant)
        return f"The shell removed the quotes: write {shlex.quote(meant)}."
    return ""


class AddressOrSpec(AddressType):
    """The same, or the path of a spec: for an optional ADDRESS before SPEC."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "[" not in value and is_spec(value):  # a key may contain anything
            return Path(value)
        return value if isinstance(value, Path) else super().convert(value, param, ctx)


ADDRESS = AddressType()


def is_spec(word: str) -> bool:
    """Whether an argument is the path of a spec, not a name or an address."""
    path = Path(word)
    if "/" in word or word in (".", "..") or path.suffix in SPEC_SUFFIXES:
        return True
    return path.is_dir() and any(child.suffix in SPEC_SUFFIXES for child in path.iterdir())


def complete_name(kind: str) -> Complete:
    """Completes names of resources without their kind: `copilot`."""
    return lambda ctx, _, incomplete: _matching(
        (str(address).partition(".")[2] for address in _known(ctx, (kind,))), incomplete
    )


def _matching(texts: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(text) for text in texts if text.startswith(incomplete)]


def _known(ctx: click.Context, kinds: Collection[str]) -> list[Address]:
    """The addresses of these kinds in the spec and the state. A completion that fails completes nothing."""
    try:
        known = _known_addresses(ctx)
    except Exception:  # noqa: BLE001 - whatever is wrong with the spec, the command itself says
        return []
    return sorted((a for a in known if not kinds or a.kind in kinds), key=str)


def _known_addresses(ctx: click.Context) -> set[Address]:
    """All addresses in the spec and the state."""
    from ftops.cli.spec_args import SpecArguments, loaded
    from ftops.session.session import Session

    path = Path(ctx.params.get("path") or ".")
    if not path.exists():  # it is one of several addresses, such as those of `state rm`
        path = Path()
    keys = ("environment", "variables", "variable_files")
    given = {key: value for key in keys if (value := ctx.params.get(key))}
    with Session.open(loaded(SpecArguments(path, **given), os.environ)) as session:
        return {*session.graph.resources, *session.state.resources}
