"""A spec that is broken anywhere is refused with findings that have a place, and never with a traceback."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from ftops.config.loader import load
from ftops.core.errors import SpecError

TEXT = """\
ftops: {name: support, state: {backend: local}}
variables:
  n: {type: integer, default: 1}
providers:
  here: {type: emulator, url: "http://127.0.0.1"}
environments: {default: {provider: here, variables: {n: 3}}}
hyperparameters:
  careful: {n_epochs: "${var.n}", batch_size: auto}
datasets:
  train: &t {path: a.jsonl, format: chat}
  more: {<<: *t, for_each: [fr, de], enabled: true}
jobs:
  a:
    model: gpt-4o
    training: train
    hyperparameters: {use: careful}
    lifecycle: {ignore_changes: [seed]}
  b: {model: "${job.a.fine_tuned_model}", training: '${dataset.more["fr"].id}', depends_on: [job.a]}
deployments:
  c:
    model: ${job.b.fine_tuned_model}
    sku: {capacity: 1}
outputs:
  o: {value: "x ${deployment.c.name}", sensitive: true}
policy:
  - {deny: {models: {allow: [gpt-4o]}}, overridable: true, environments: [default], message: x}
  - {warn: {data: {sources: {deny: ["https://*"]}}}, name: d}
overrides: [{rule: models, reason: y, until: 2026-12-31}]
"""
PIECES = [
    "",
    " ",
    "  ",
    "\n",
    ":",
    ": ",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "- ",
    "${",
    "${x}",
    "$${",
    "#",
    "&a ",
    "*a",
]
PIECES += [
    "!!x ",
    "<<: ",
    "\t",
    "|\n",
    "null",
    "0",
    "[]",
    "{}",
    "\x00",
    "é",
    "? ",
    "---\n",
    "%",
    "true",
    "*t",
]
WORDS = sorted(set(TEXT.replace("{", " ").replace("}", " ").split()))


@st.composite
def broken(draw: st.DrawFn) -> str:
    """The text with some pieces cut out, put in or exchanged."""
    text = TEXT
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 12))
        text = text[:start] + draw(st.sampled_from(PIECES + WORDS)) + text[end:]
    return text


@given(broken())
@example(TEXT)
@example("a: &a {<<: *a}\n")
@example("datasets: {train: &a {path: x, for_each: [*a]}}\n")
@example("? \n")
@example("jobs: !!map\n  a: {}\n")
@example("\ufeff\ufeffdatasets: {}\n")
@example("variables: {n: {default: " + "9" * 5000 + "}}\ndatasets: {a: {path: '${var.n}'}}\n")
def test_findings_and_no_traceback(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ftops.yaml"
        file.write_text(text, "utf-8", newline="")
        try:
            load(file, environ={})
        except SpecError as refused:
            assert refused.diagnostics
            for finding in refused.diagnostics:
                assert finding.summary
                assert finding.place is not None
                assert finding.place.column <= len(finding.place.text) + 1
