"""Templates of graders: `{{item.x}}` is a field of the prompt's row, `{{sample.output_text}}` the answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ftops.core.errors import Diagnostic
from ftops.core.plurals import agree, share
from ftops.core.suggestions import did_you_mean
from ftops.dataset.rules.findings import quote
from ftops.evaluation.answers import Answer
from ftops.evaluation.prompts import Prompt

SAMPLE = ("output_text", "output_tools")
"""What ftops itself knows of an answer: its text, and its calls as JSON."""
OF_SERVICE = (
    *SAMPLE, "output_json", "model", "choices", "output_reasoning_summary", "output_audio", "input_tools",
)  # fmt: skip
"""What the service knows of one."""
_FIELD = re.compile(r"\{\{([^{}]*)\}\}")
_HALF_BRACED = re.compile(r"\{+\s*(?:item|sample)\.[\w.]+\s*\}*|\b(?:item|sample)\.[\w.]+\s*\}+")
_BARE = re.compile(r"\s*(?:item|sample)\.[\w.]+\s*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_INDEX = re.compile(r"\[|\.\d+(?=\.|$)")
ABSENT = object()
"""What `value_of` finds where there is no field."""


def placeholders(text: str) -> Iterator[str]:
    """What stands between double braces, as written."""
    return (match[1] for match in _FIELD.finditer(text))


def near_placeholders(text: str) -> Iterator[str]:
    """What is like a field of an example or an answer, but isn't between double braces: `{item.a}`."""
    if _BARE.fullmatch(text):
        yield text
    for outside in _FIELD.split(text)[::2]:
        yield from _HALF_BRACED.findall(outside)


def has_index(name: str) -> bool:
    """Whether a field is named by its position in a list."""
    return _INDEX.search(name) is not None


def fields_of(template: Any) -> Iterator[str]:
    """The names of all fields in the texts of a value, at any depth."""
    if isinstance(template, str):
        yield from (inside.strip() for inside in placeholders(template))
    elif isinstance(template, Mapping | list | tuple):
        for part in template.values() if isinstance(template, Mapping) else template:
            yield from fields_of(part)


def unknown_field(template: Any, sample: Sequence[str]) -> tuple[str, str] | None:
    """The first field that no prompt could have, and a hint; `sample`: what is known of an answer."""
    for name in fields_of(template):
        space, _, rest = name.partition(".")
        if space not in ("item", "sample") or not rest:
            of_prompt = name if _WORD.fullmatch(name) and space not in ("item", "sample") else "FIELD"
            return name, f"write {{{{item.{of_prompt}}}}} or {{{{sample.output_text}}}}"
        if space == "sample" and rest.partition(".")[0] not in sample:
            return name, did_you_mean(name, [f"sample.{one}" for one in sample])
    return None


class MissingFields:
    """The fields of a grader's template that prompts lack; the prompts are added one by one."""

    def __init__(self, grader: str, template: Any) -> None:
        self._grader = grader
        self._fields = list(dict.fromkeys(n for n in fields_of(template) if n.startswith("item.")))
        self._prompts = 0
        self._lacking = Counter[str]()
        self._first: dict[str, Prompt] = {}

    def add(self, prompt: Prompt) -> None:
        self._prompts += 1
        row = {"item": item_of(prompt)} if self._fields else {}
        for name in self._fields:
            if _at(row, name) is ABSENT:
                self._lacking[name] += 1
                self._first.setdefault(name, prompt)

    def errors(self) -> Iterator[Diagnostic]:
        """One for each field that a prompt lacks."""
        for name in filter(self._first.__contains__, self._fields):
            first = self._first[name]
            known = [f"item.{key}" for key in item_of(first)]
            count = self._lacking[name]
            lack = f"{share(count, self._prompts, 'prompt')} {agree(count, 'lacks', 'lack')} it"
            detail = f"{lack}, such as {quote(first.id)}."
            summary = f"grader {self._grader} uses {{{{{name}}}}}, which a prompt doesn't have"
            yield Diagnostic(summary, detail, did_you_mean(name, known))


def filled(template: str, prompt: Prompt, answer: Answer, show: Callable[[str], str]) -> str:
    """With the values of all fields, each as `show` returns it."""
    values = {"item": item_of(prompt), "sample": _sample(answer)}

    def value(match: re.Match[str]) -> str:
        found = _at(values, match[1].strip())
        return show(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))

    return _FIELD.sub(value, template)


def item_of(prompt: Prompt) -> dict[str, Any]:
    """A prompt's row, as graders see it."""
    own = {"prompt": prompt.text, "expect": prompt.expected.value}
    return {**own, **({"slice": prompt.slice} if prompt.slice else {}), **prompt.item}


def _sample(answer: Answer) -> dict[str, Any]:
    calls = [{"name": call.name, "arguments": call.arguments} for call in answer.calls]
    return {"output_text": answer.content, "output_tools": calls}


def value_of(values: Mapping[str, Any], name: str) -> Any:
    """The value at a path of keys, or ABSENT. An index isn't followed."""
    return _at(values, _INDEX.split(name, maxsplit=1)[0])


def _at(value: Any, name: str) -> Any:
    """The value at a path of keys."""
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return ABSENT
        value = value[key]
    return value
