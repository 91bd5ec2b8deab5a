"""Both parsers of PyYAML, the one in C and the one in Python, give the same data and the same findings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ftops.core.errors import SpecError
from ftops.yaml import document
from ftops.yaml.document import Given, Plain

FOLDER = Path(__file__).parents[2] / "bad_specs"
PURE = """
import json, sys, yaml
yaml.__with_libyaml__ = False
from pathlib import Path
from ftops.yaml import document as reader
found = {}
for file in sorted(Path(sys.argv[1]).glob("*.yaml")):
    findings = []
    try:
        document = reader.parse(reader.decode(file.read_bytes(), file.name), file.name)
        if document.root is not None:
            reader.data(document, document.root, findings)
    except reader.SpecError as exc:
        findings = exc.diagnostics
    found[file.name] = [f.summary for f in findings]
print(json.dumps([reader._Composer.__mro__[2].__module__, found]))
"""


def test_the_parser_in_python_says_the_same() -> None:
    command = [sys.executable, "-c", PURE, str(FOLDER)]
    pure = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    fast = json.loads(
        subprocess.run(
            [sys.executable, "-c", PURE.replace("__with_libyaml__ = False", "x = 0"), str(FOLDER)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )
    assert pure[0] == "yaml.reader"
    assert fast[0] == "yaml._yaml"
    assert pure[1] == fast[1]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("-17", -17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("1_000", "1_000"),
        ("010", 10),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("2024-10-21", "2024-10-21"),
        ("1:30", "1:30"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars_by_the_core_schema(written: str, value: object) -> None:
    found = document.resolve(Plain(written))
    assert found == value
    assert type(found) is type(value)


def test_what_is_quoted_or_given_stays_text() -> None:
    assert document.resolve({"a": ["1", Given("1"), Plain("1")]}) == {"a": ["1", "1", 1]}


def test_deep_nesting_ends_before_the_stack_does() -> None:
    with pytest.raises(SpecError) as caught:
        document.parse("a: " + "[" * 100_000 + "]" * 100_000, "a.yaml")
    assert [d.summary for d in caught.value.diagnostics] == ["values are nested too deeply"]
