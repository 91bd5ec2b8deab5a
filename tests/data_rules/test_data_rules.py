"""Every rule about data finds its example, and not its fix; and docs/data-rules.md shows both.

UPDATE_GOLDEN=1 writes the page anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ftops.dataset import inspect
from ftops.dataset.rules.catalogue import GRADES, OFF, RULES, grade_of, names
from tests.data_rules.examples import EXAMPLES, TOLD_OTHERWISE, Example

PAGE = Path(__file__).parents[2] / "docs" / "data-rules.md"
GROUPS = {
    "file": "Files",
    "json": "JSON",
    "chat": "Conversations",
    "tools": "Functions",
    "vision": "Images",
    "preference": "Preference pairs",
    "reinforcement": "Reinforcement",
    "data": "Across examples",
    "secret": "Secrets",
    "personal": "Personal data",
}


def write(path: Path, content: list[str] | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else "".join(f"{c}\n" for c in content).encode())
    return path


def found(path: Path, example: Example, content: list[str] | bytes) -> dict[str, int]:
    return dict(inspect(write(path, content), format=example.format).counts)


def test_every_rule_has_an_example() -> None:
    assert EXAMPLES.keys() | TOLD_OTHERWISE.keys() == RULES.keys()
    assert not EXAMPLES.keys() & TOLD_OTHERWISE.keys()


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_rule_finds_its_example_and_not_its_fix(tmp_path: Path, rule: str) -> None:
    example = EXAMPLES[rule]
    assert rule in found(tmp_path / "bad.jsonl", example, example.bad)
    assert rule not in found(tmp_path / "fixed.jsonl", example, example.fixed)


@pytest.mark.parametrize("rule", [r for r, e in EXAMPLES.items() if isinstance(e.bad, list)])
def test_a_fix_is_good(tmp_path: Path, rule: str) -> None:
    example = EXAMPLES[rule]
    left = found(tmp_path / "fixed.jsonl", example, example.fixed)
    assert not [r for r in left if RULES[r].grade == "error" and not r.startswith("file/")]


@pytest.mark.parametrize("rule", [r for r, e in EXAMPLES.items() if isinstance(e.bad, list)])
def test_a_finding_is_in_the_last_line(tmp_path: Path, rule: str) -> None:
    """Also far down in a file, and in any chunk of it."""
    example = EXAMPLES[rule]
    assert isinstance(example.bad, list)
    path = write(tmp_path / "bad.jsonl", example.bad)
    lines = [
        d.place.line
        for d in inspect(path, format=example.format).diagnostics("f")
        if d.rule == rule and d.place
    ]
    assert lines[-1] == len(example.bad)


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    for rule, example in EXAMPLES.items():
        if rule.startswith(("secret/", "personal/")) and isinstance(example.bad, list):
            path = write(tmp_path / "bad.jsonl", [*example.bad, example.bad[0][:-1] + ","])
            told = [*inspect(path).diagnostics("bad.jsonl")]
            shown = " ".join(f"{d.summary} {d.place and d.place.text}" for d in told)
            assert "•" in shown, rule
            for secret in (
                "Q3EG7RZ2",
                "aB3aB3",
                "Zx9",
                "a1B2",
                "Sy4Qz",
                "123456",
                "4eC39H",
                "pa55word",
                "jo.doe",
            ):
                assert secret not in shown, (rule, secret)


def test_severity_by_rule_and_by_group(tmp_path: Path) -> None:
    example = EXAMPLES["secret/jwt"]
    inspection = inspect(write(tmp_path / "bad.jsonl", example.bad))
    grades = {d.rule: d.severity for d in inspection.diagnostics("f", {"secret/*": "error", "file/*": OFF})}
    assert grades == {"secret/jwt": "error"}
    assert grade_of("secret/jwt", {"secret/*": "error", "secret/jwt": "note"}) == "note"
    assert not inspection.is_refused({"file/*": OFF})
    assert inspection.is_refused({"file/*": OFF, "secret/jwt": "error"})


def test_rules_are_well_formed() -> None:
    for id, rule in RULES.items():
        assert rule.grade in GRADES
        assert rule.what.endswith("."), id
        assert rule.fix, id
    assert "secret/*" in names()


def test_the_page_says_what_the_table_says() -> None:
    page = _page()
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page


HEAD = """\
# Rules about data

`ftops data check FILE…` checks every example of files, `ftops data check SPEC` those of a spec's datasets;
`ftops plan`, `apply` and `validate` check them too, and stop at an error before anything is uploaded. They
show errors and warnings; `data check` shows notes as well. Of each rule, the first five findings in a file
are listed; the others are only counted.

You can set the grade of a rule, or of all rules of a group: in the spec for a dataset,

```yaml
datasets:
  train:
    path: data/train.jsonl
    checks: {severity: {data/duplicate: error, personal/*: warning, file/byte-order-mark: "off"}}
```

for all datasets with `ftops: {checks: {severity: …}}`, which a dataset's own grades override; or on the
command line: `--severity data/duplicate=error`. Grades are `error`, `warning`, `note` and `off`.

A good file is UTF-8, with or without a byte order mark; lines end with a line feed, or carriage return and
line feed; blank lines are ignored. Secrets and personal data that are found are shown as dots.

Two examples are nearly the same if they share four fifths of their pairs of words. Such examples are found by
MinHash: in big files a few may be missed, but there are no false findings. The first 2,000,000 examples of a
file are compared, and 2,000 pairs of them at most.
"""


def _page() -> str:
    parts = [HEAD]
    for group, title in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(rule) for rule in RULES if rule.startswith(f"{group}/")]
    return "\n".join(parts)


def _section(id: str) -> str:
    rule = RULES[id]
    text = f"### `{id}` ({rule.grade})\n\n{' '.join(part for part in (rule.what, rule.why) if part)}\n\n"
    if id in TOLD_OTHERWISE:
        return f"{text}Found: {TOLD_OTHERWISE[id]}\n\nFix: {rule.fix}\n"
    return f"{text}{_block(EXAMPLES[id].bad)}\nFix: {rule.fix}\n\n{_block(EXAMPLES[id].fixed)}"


def _block(content: list[str] | bytes) -> str:
    if isinstance(content, bytes):
        lines = content.count(b"\n") + 1 if content else 0
        starts = f", which starts with the bytes {content[:3].hex(' ')}" if content else ""
        return f"A file of {lines} line{'s' * (lines != 1)}{starts}.\n"
    cut = [line if len(line) <= 600 else f"{line[:600]} …" for line in content]
    return "```jsonl\n" + "".join(f"{line}\n" for line in cut) + "```\n"
