"""Addresses as arguments: parsing, error messages and completion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ftops.core.address import Address


class AddressType(click.ParamType[Address]):
    """`job.copilot`, `job.copilot["fr"]`."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except ValueError as error:
            unquoted = "[" in value and '"' not in value
            hint = "The shell removed the quotes: write 'job.copilot[\"fr\"]'." if unquoted else ""
            self.fail(f"{error}. {hint}".rstrip(), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            known = _known_addresses(ctx)
        except Exception:  # noqa: BLE001 - a completion that fails completes nothing
            return []
        return [CompletionItem(text) for text in known if text.startswith(incomplete)]


ADDRESS = AddressType()


def _known_addresses(ctx: click.Context) -> list[str]:
    """All addresses in the spec and the state."""
    from ftops.cli.spec_args import SpecArguments, loaded
    from ftops.session.session import Session

    path = Path(ctx.params.get("path") or ".")
    if not path.exists():  # it is one of several addresses, such as those of `state rm`
        path = Path()
    keys = ("environment", "variables", "variable_files")
    given = {key: value for key in keys if (value := ctx.params.get(key))}
    with Session.open(loaded(SpecArguments(path, **given), os.environ)) as session:
        known = {*session.graph.resources, *session.state.resources}
    return sorted(str(address) for address in known)
