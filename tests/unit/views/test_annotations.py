"""Reports of findings for CI: whatever their texts are, each format stays what it is."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.cli.output_options import REPORTS as OFFERED
from ftops.core.errors import Diagnostic, Place
from ftops.views.annotations import REPORTS, concise, github, gitlab, junit, sarif
from ftops.views.paint import clean

TEXTS = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    [
        "::error::x",
        "a\n::set-output name=x::y",
        "%0A::x",
        "a,b:c",
        "</failure>",
        "]]>",
        "\x00\ufffe",
        "# @team",
    ]
)
FILES = st.sampled_from(
    ["ftops.yaml", "data/a b.jsonl", "../shared/x.jsonl", "a:b,c.yaml", "ö.yaml", "e\x1b\uffff.jsonl"]
)
PLACES = st.none() | st.builds(Place, FILES, st.integers(1, 99), st.integers(1, 99), TEXTS, st.integers(0, 9))
RULES = st.sampled_from(["", "chat/no-assistant", "secret/jwt"])
SEVERITIES = st.sampled_from(["error", "warning", "note"])
FOUND = st.lists(
    st.builds(
        Diagnostic, TEXTS, TEXTS, TEXTS, PLACES, SEVERITIES, RULES, st.sampled_from(["", "messages[0]"])
    ),
    max_size=6,
)
FOLDERS = st.sampled_from(["", "models", "models/drone"])
_COMMAND = re.compile(r"::(error|warning|notice) ([a-z]+=[^:,]*)(,[a-z]+=[^:,]*)*::[^\n]*")


def test_every_format_is_offered() -> None:
    assert set(OFFERED) == set(REPORTS)


@given(FOUND, FOLDERS)
def test_github_gets_one_command_for_each_finding(found: list[Diagnostic], folder: str) -> None:
    *lines, last = github(found, folder).split("\n")
    assert not last
    assert len(lines) == len(found)
    assert all(_COMMAND.fullmatch(line) for line in lines), lines
    assert all(line == clean(line) for line in lines)


@given(FOUND, FOLDERS)
def test_fingerprints_are_unique(found: list[Diagnostic], folder: str) -> None:
    issues = json.loads(gitlab(found, folder))
    results = json.loads(sarif(found, folder))["runs"][0]["results"]
    marks = [issue["fingerprint"] for issue in issues]
    assert len(set(marks)) == len(found) == len(results)
    assert marks == [result["partialFingerprints"]["ftops/v1"] for result in results]


@given(FOUND, FOLDERS)
def test_every_result_of_sarif_has_its_rule(found: list[Diagnostic], folder: str) -> None:
    run = json.loads(sarif(found, folder))["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for one, result in zip(found, run["results"], strict=True):
        assert rules[result["ruleIndex"]] == result["ruleId"] == (one.rule or "spec")
        assert ("locations" in result) == (one.place is not None)


@given(FOUND, FOLDERS)
def test_errors_are_failures_of_junit(found: list[Diagnostic], folder: str) -> None:
    root = ET.fromstring(junit(found, folder))
    failures = {
        (c.get("classname"), c.get("name")) for c in root.iter("testcase") if c.find("failure") is not None
    }
    assert bool(failures) == any(d.severity == "error" for d in found)
    assert list(root.iter("testcase"))
    for suite in root.iter("testsuite"):
        assert suite.get("tests") == str(len(suite.findall("testcase")))


@pytest.mark.parametrize(
    ("folder", "file", "path"),
    [
        ("", "ftops.yaml", "ftops.yaml"),
        ("models/drone", "data/a.jsonl", "models/drone/data/a.jsonl"),
        ("models/drone", "../shared/a.jsonl", "models/shared/a.jsonl"),
        ("", "../a.jsonl", "../a.jsonl"),
        ("models", "/data/a.jsonl", "/data/a.jsonl"),
    ],
)
def test_paths_start_at_the_root_of_the_repository(folder: str, file: str, path: str) -> None:
    (issue,) = json.loads(gitlab([Diagnostic("wrong", place=Place(file))], folder))
    assert issue["location"]["path"] == path


def test_no_line_of_a_file_is_quoted() -> None:
    found = [Diagnostic("a secret", place=Place("a.jsonl", 1, 1, "sk-very-secret"), rule="secret/jwt")]
    assert all("sk-very-secret" not in report(found, "") for report in REPORTS.values())


@given(FOUND, FOLDERS)
def test_a_finding_is_one_concise_line(found: list[Diagnostic], folder: str) -> None:
    *lines, last = concise(found, folder).split("\n")
    assert not last
    assert len(lines) == len(found)
    assert all(
        re.fullmatch(r"(.+:\d+:\d+: )?(error|warning|note)\[[a-z-]+(/[a-z-]+)?\] .*", s) for s in lines
    )
