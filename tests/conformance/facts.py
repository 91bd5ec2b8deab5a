"""Where the outside sources lie: descriptions, examples, recordings. Tests skip loudly without them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "api"
ROOT = Path(os.environ.get("FTOPS_API_FACTS") or _BESIDE)
AVAILABLE = (ROOT / "vectors.json").is_file()
needed = pytest.mark.skipif(
    not AVAILABLE, reason=f"NOT CHECKED: no API facts in {ROOT}; set FTOPS_API_FACTS to their folder"
)

STABLE = "azure-authoring/stable/2024-10-21"
PREVIEW = "azure-authoring/preview/2025-04-01-preview"
CONTROL = "arm/examples-2024-10-01"


def load(path: str) -> Any:
    """One file of facts."""
    return json.loads((ROOT / path).read_text("utf-8"))


def example(path: str) -> Any:
    """One official example: its parameters, and its responses by status."""
    return load(path)
