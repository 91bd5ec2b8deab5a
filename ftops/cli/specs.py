"""Reading the spec that a command line names."""

from __future__ import annotations

import os

from ftops import engine
from ftops.cli.options import SpecArguments
from ftops.config import Config
from ftops.errors import Diagnostic
from ftops.loader import load
from ftops.loader.source import display


def read(spec: SpecArguments) -> Config:
    """The spec alone. Raises SpecError."""
    return load(
        spec.path,
        environment=spec.environment,
        variables=spec.variables,
        variable_files=spec.variable_files,
        environ=os.environ,
    )


def read_with_data(spec: SpecArguments) -> tuple[Config, tuple[Diagnostic, ...]]:
    """The spec and what its data files hold; the warnings. Raises SpecError."""
    return engine.with_data(read(spec), display)
