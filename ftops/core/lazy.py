"""Lazy references: an object of another package, named as `module:object` and imported when first needed."""

from __future__ import annotations

from functools import cache
from pkgutil import resolve_name

resolve = cache(resolve_name)
"""The object of that name."""
