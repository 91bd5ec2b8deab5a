"""Evaluation reports as files: one HTML page that needs nothing else, and JUnit XML for CI."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from xml.etree import ElementTree as ET

from ftops.core.plurals import plural
from ftops.evaluation.answers import Answer, Failure
from ftops.evaluation.comparison import Row
from ftops.evaluation.evaluation import Comparison, Evaluation, ModelResult
from ftops.evaluation.graders import Grade
from ftops.evaluation.metrics import Metrics
from ftops.evaluation.prompts import Prompt
from ftops.views.evaluation import (
    answer_text,
    expected_text,
    notes,
    rows_to_show,
    table_rows,
    usage_notes,
    usage_rows,
)
from ftops.views.paint import clean
from ftops.views.xml import xml_document, xml_text


def to_junit(evaluation: Evaluation) -> str:
    """A suite for each deployment and slice, a case for each prompt. What has no grade is an error, what is
    wrong a failure."""
    root = ET.Element("testsuites", name="ftops eval")
    main = evaluation.inputs.graders[0].name
    for result in evaluation.results:
        suites: dict[str, ET.Element] = {}
        for prompt, answers, grades in _rows(evaluation, result, main):
            name = " / ".join(filter(None, (result.deployment, prompt.slice)))
            if name not in suites:
                suites[name] = ET.SubElement(root, "testsuite", name=xml_text(name))
                _add_properties(suites[name], result.metrics)
            case = ET.SubElement(
                suites[name], "testcase", name=xml_text(prompt.text), classname=xml_text(name)
            )
            _add_outcome(case, prompt, answers, grades)
        for suite in suites.values():
            for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
                suite.set(key, str(sum(1 for _ in suite.iter(tag))))
    return xml_document(root)


def _add_properties(suite: ET.Element, metrics: Metrics) -> None:
    """Of all answers of the deployment, also if the suite is one of its slices."""
    known = {
        "input_tokens": metrics.input if metrics.counted else None,
        "output_tokens": metrics.output if metrics.counted else None,
        "cost_per_1000": metrics.cost_per_1000,
    }
    properties = ET.SubElement(suite, "properties")
    for name, value in known.items():
        if value is not None:
            ET.SubElement(properties, "property", name=name, value=f"{value:g}")


def _rows(
    evaluation: Evaluation, result: ModelResult, grader: str
) -> Iterator[tuple[Prompt, tuple[Answer | Failure, ...], tuple[Grade, ...]]]:
    return zip(evaluation.inputs.prompts, result.answers, result.grades[grader], strict=True)


def _add_outcome(
    case: ET.Element, prompt: Prompt, answers: tuple[Answer | Failure, ...], grades: tuple[Grade, ...]
) -> None:
    bad = next((i for i, grade in enumerate(grades) if not grade.passed), None)
    if bad is None:
        return
    miss = grades[bad].miss
    kind, detail = (miss.kind, miss.detail) if miss else ("", "")
    tag = "error" if grades[bad].score is None else "failure"
    found = ET.SubElement(case, tag, type=xml_text(kind), message=xml_text(detail or kind))
    text = f"expected {expected_text(prompt)}\ngot {answer_text(answers[bad])}"
    found.text = xml_text(text, lines=True)


# HTML

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --dim: #59636e; --good: #1a7f37;
  --bad: #b42318; --text: #1f2328; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #151b23; --dim: #9198a1;
  --good: #3fb950; --bad: #ff7b72; --text: #e6edf3; --page: #0d1117; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 88rem; padding: 0 1rem; font: 14px/1.5 system-ui, sans-serif;
  color: var(--text); background: var(--page); }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: pre; }
th { color: var(--dim); font-weight: 600; }
th, td:last-child { white-space: normal; } th:first-child, td:first-child { text-align: left; }
#answers th, #answers td { text-align: left; vertical-align: top; white-space: normal; min-width: 9rem; }
code { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .dim { color: var(--dim); }
.tag { display: inline-block; border: 1px solid currentColor; border-radius: 1em; padding: 0 .5em;
  font-size: 12px; }
form { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: .75rem; background: var(--soft);
  border: 1px solid var(--line); border-radius: 6px; align-items: center; }
input, select { font: inherit; padding: .2rem .4rem; }
"""
_SCRIPT = """
const form = document.querySelector("form"), rows = [...document.querySelectorAll("#answers tbody tr")];
const count = document.querySelector("#count");
function show() {
  const want = new FormData(form), word = String(want.get("word")).toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const is = (!want.get("slice") || row.dataset.slice === want.get("slice"))
      && (!want.get("class") || row.dataset.classes.split(" ").includes(want.get("class")))
      && (!want.get("regressed") || row.dataset.regressed === "yes")
      && (!word || row.textContent.toLowerCase().includes(word));
    row.hidden = !is;
    shown += is;
  }
  count.textContent = shown + " of " + rows.length;
}
form.addEventListener("input", show);
form.addEventListener("submit", event => event.preventDefault());
show();
"""


def to_html(evaluation: Evaluation) -> str:
    """One page, light and dark, with filters. Nothing is loaded from elsewhere, and only this script runs."""
    digest = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    names = " and ".join(result.deployment for result in evaluation.results)
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Evaluation: {_html(names)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_html(names)}</h1>",
        f'<p class="dim">{plural(len(evaluation.inputs.prompts), "prompt")}, '
        f"{plural(evaluation.inputs.samples, 'answer')} each</p>",
        *(_verdict(name, verdict) for name, verdict in evaluation.verdicts.items() if verdict),
        *(part for comparison in evaluation.comparisons for part in _table(evaluation, comparison)),
        *_usage(evaluation),
        *_answers(evaluation),
        f"<script>{_SCRIPT}</script></body></html>\n",
    ]
    return "\n".join(parts)


def _html(text: str) -> str:
    return escape(clean(text))


def _verdict(name: str, verdict: str) -> str:
    return f'<p><strong>{_html(name)}</strong>: <span class="tag {_tone(verdict)}">{verdict}</span></p>'


def _tone(verdict: str) -> str:
    return {"better": "good", "significantly worse": "bad", "incomplete": "bad"}.get(verdict, "dim")


def _table(evaluation: Evaluation, comparison: Comparison) -> Iterator[str]:
    shown = rows_to_show(comparison)
    heading, *rows = table_rows(evaluation, comparison, shown)
    yield f'<h2>Grader: {_html(comparison.grader)}</h2><div class="wide"><table><thead><tr>'
    yield "".join(f"<th>{_html(cell)}</th>" for cell in ["", *heading[1:]]) + "</tr></thead><tbody>"
    for row, cells in zip(shown, rows, strict=True):
        marked = (f"<td{_cell_class(row, i)}>{_html(cell)}</td>" for i, cell in enumerate(cells))
        yield f"<tr>{''.join(marked)}</tr>"
    yield f'</tbody></table></div><p class="dim">{"<br>".join(map(_html, notes(evaluation, comparison)))}</p>'


def _usage(evaluation: Evaluation) -> Iterator[str]:
    heading, *rows = usage_rows(evaluation)
    yield '<h2>Tokens, cost, latency</h2><div class="wide"><table><thead><tr>'
    yield "".join(f"<th>{_html(cell)}</th>" for cell in heading) + "</tr></thead><tbody>"
    for cells in rows:
        yield f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in cells)}</tr>"
    yield f'</tbody></table></div><p class="dim">{"<br>".join(map(_html, usage_notes(evaluation)))}</p>'


def _cell_class(row: Row, index: int) -> str:
    return f' class="{_tone(row.verdict)}"' if index == 8 and row.verdict else ""


def _answers(evaluation: Evaluation) -> Iterator[str]:
    main = evaluation.inputs.graders[0].name
    grades = [result.grades[main] for result in evaluation.results]
    classes = sorted({g.miss.kind for by in grades for samples in by for g in samples if g.miss})
    slices = sorted({prompt.slice for prompt in evaluation.inputs.prompts if prompt.slice})
    yield "<h2>Answers</h2><form>" + _select("slice", slices) + _select("class", classes)
    yield '<label><input type="checkbox" name="regressed"> regressed only</label>'
    yield '<label>contains <input name="word"></label><span class="dim" id="count"></span></form>'
    yield '<div class="wide"><table id="answers"><thead><tr><th>prompt</th><th>expected</th>'
    yield "".join(f"<th>{_html(r.deployment)}</th>" for r in evaluation.results) + "</tr></thead><tbody>"
    for i in range(len(evaluation.inputs.prompts)):
        yield _answer_row(evaluation, i)
    yield "</tbody></table></div>"


def _select(name: str, values: Sequence[str]) -> str:
    options = "".join(f'<option value="{_html(v)}">{_html(v)}</option>' for v in values)
    return f'<label>{name} <select name="{name}"><option value="">all</option>{options}</select></label>'


def _answer_row(evaluation: Evaluation, i: int) -> str:
    main, prompt = evaluation.inputs.graders[0].name, evaluation.inputs.prompts[i]
    grades = {result.deployment: result.grades[main][i] for result in evaluation.results}
    passed = {name: all(g.passed for g in samples) for name, samples in grades.items()}
    regressed = passed.get(evaluation.baseline, False) and not all(passed.values())
    kinds = {g.miss.kind for samples in grades.values() for g in samples if g.miss}
    cells = "".join(_answer_cell(result, grades[result.deployment], i) for result in evaluation.results)
    return (
        f'<tr data-slice="{_html(prompt.slice)}" data-classes="{" ".join(sorted(kinds))}" '
        f'data-regressed="{"yes" if regressed else "no"}"><td>{_html(prompt.text)}'
        f'<br><span class="dim">{_html(prompt.slice)}</span></td>'
        f"<td><code>{_html(expected_text(prompt))}</code></td>{cells}</tr>"
    )


def _answer_cell(result: ModelResult, grades: tuple[Grade, ...], i: int) -> str:
    parts = []
    for answer, grade in zip(result.answers[i], grades, strict=True):
        tone, word = (
            ("good", "right") if grade.passed else ("bad", grade.miss.kind if grade.miss else "wrong")
        )
        detail = f' title="{_html(grade.miss.detail)}"' if grade.miss else ""
        parts.append(
            f'<code>{_html(answer_text(answer))}</code><br><span class="tag {tone}"{detail}>{word}</span>'
        )
    return f"<td>{'<br>'.join(parts)}</td>"
