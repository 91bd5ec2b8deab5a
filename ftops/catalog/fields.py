"""Schema of a catalogue file: the check of each key. A check raises ValueError with what it expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from ftops.core.resource_types import TRAINING_TYPES
from ftops.yaml.document import resolve

Check = Callable[[Any], Any]
"""A value as it was written → the value."""
ANY_REGION = "any"


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("text")
    return str(value)


def _scalar(expected: str, *types: type) -> Check:
    """The check of a scalar; numbers must not be negative."""

    def check(value: Any) -> Any:
        value = resolve(value)
        if type(value) not in types or value < 0:
            raise ValueError(expected)
        return float(value) if float in types else value

    return check


number = _scalar("a number, not below 0", int, float)
whole = _scalar("a whole number, not below 0", int)
flag = _scalar("true or false", bool)


def day(value: Any) -> date:
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        raise ValueError("a date such as 2027-04-01") from None


def texts(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("a list such as [a, b]")
    return [text(item) for item in value]


def methods(value: Any) -> list[str]:
    if not set(texts(value)) <= set(METHODS):
        raise ValueError(f"a list of {', '.join(METHODS)}")
    return texts(value)


def region(name: str) -> str:
    """`North Central US` and `northcentralus` are the same region."""
    return "".join(name.split()).lower()


def regions(value: Any) -> list[str] | str:
    """A list of regions, or the name of one."""
    return text(value) if isinstance(value, str) else [region(name) for name in texts(value)]


def by_sku(value: Any) -> dict[str, list[str] | str]:
    """SKU → its regions; a list of SKUs stands for any region."""
    if isinstance(value, dict):
        return {sku: regions(names) for sku, names in value.items()}
    return dict.fromkeys(texts(value), ANY_REGION)


Shape = Mapping[str, Any]
"""Key → a Check, or the Shape of a mapping. `*` is any key."""

METHODS = ("supervised", "dpo", "reinforcement")
_SOURCE: Shape = {"source": text, "dated": day, "read": day}
"""`dated` is the source's own date, which ages; `read`, when somebody read it, is a remark."""
LIMITS = (
    "files",
    "file_bytes",
    "total_file_bytes",
    "running_jobs",
    "running_global_jobs",
    "running_developer_jobs",
    "queued_jobs",
    "jobs",
    "job_hours",
    "deployments",
    "tuned_deployments",
    "examples_minimum",
    "training_tokens",
    "suffix_length",
)
_MODEL: Shape = {
    "name": text,
    "version": text,
    "aliases": texts,
    "format": text,
    "stage": text,
    "modality": text,
    "methods": methods,
    "training": dict.fromkeys(TRAINING_TYPES, regions),
    "encoding": text,
    "example_tokens": whole,
    "skus": by_sku,
    "managed_compute": {"model": text, "accelerators": whole, "accelerator_type": text, **_SOURCE},
    "prices": {
        "training_per_million": dict.fromkeys(TRAINING_TYPES, number),
        "training_per_hour": number,
        "training_source": text,
        "training_as_of": day,
        "inference_per_million": {"*": {"input": number, "cached": number, "output": number}},
        "source": text,
        "as_of": day,
    },
    "retirement": {
        "training": day,
        "training_not_before": day,
        "inference": day,
        "earliest": flag,
        "base": day,
        **_SOURCE,
    },
    "note": text,
    **_SOURCE,
}
FILE: Shape = {
    "format_version": whole,
    "limits": {**dict.fromkeys(LIMITS, whole), **_SOURCE},
    "encodings": {"by_prefix": {"*": text}, **_SOURCE},
    "spending_limit": {**dict.fromkeys(METHODS, number), **_SOURCE},
    "hosting": {"per_hour": {"*": number}, **_SOURCE},
    "managed_compute": {"per_accelerator_hour": {"*": number}, **_SOURCE},
    "regions": {"*": {"names": regions, **_SOURCE}},
    "models": {"*": _MODEL},
    "openai": {"models": {"*": _MODEL}, **_SOURCE},
}
