"""Templates of graders: ``{{item.x}}`` is a field of the row, ``{{sample.output_text}}`` the answer."""

from __future__ import annotations

import json
import re
from typing import Any

from ftops.emulator.grading.outcome import Case, Ungraded

_FIELD = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def filled(template: str, case: Case) -> str:
    """The text with the values of a case. Raises Ungraded."""
    values = {"item": case.item, "sample": case.sample}
    return _FIELD.sub(lambda match: _value(match[1], values), template)


def _value(name: str, values: Any) -> str:
    for step in name.split("."):
        if not isinstance(values, dict) or step not in values:
            is_sample = name.startswith("sample.output_json")
            flag = "sample_parse_error" if is_sample else "invalid_variable_error"
            raise Ungraded(flag, f"There is no {{{{{name}}}}}.")
        values = values[step]
    return values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)
