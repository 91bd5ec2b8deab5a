"""Spec arguments of a command line, as a value. Doesn't import click."""

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
    """Whether a plan of it is saved, or expected by its digest, to be applied later or elsewhere."""
    is_untrusted: bool = False
    """Whether somebody else wrote it, whom nobody has to trust."""
    words: tuple[str, ...] = ()
    """The same as words of a command line, quoted. Values of variables are left out: they may be secret."""

    def command(self, name: str) -> str:
        """A command for the same spec, to be copied from a hint."""
        return " ".join(("ftops", name, *self.words))
