"""Spec arguments: which spec a command reads, as a value. Doesn't import click."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class SpecArguments(Struct, frozen=True):
    """Which spec, and for which environment."""

    path: Path
    environment: str | None = None
    variables: tuple[str, ...] = ()
    variable_files: tuple[Path, ...] = ()
    is_approved: bool = False
    """Whether its plan is saved or expected by digest, so that it is applied later or elsewhere."""
    is_untrusted: bool = False
    """Whether somebody else wrote it, such as the author of a pull request."""
    words: tuple[str, ...] = ()
    """The same as quoted words of a command line. Values of variables are left out: they may be secret."""

    def command(self, name: str) -> str:
        """A command for the same spec, for hints."""
        return " ".join(("ftops", name, *self.words))
