"""Lazy references: an object of another package, named as `module:object` and imported when first needed."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def resolve(name: str) -> Any:
    """The object of that name."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)
