"""Diagnostics in the formats of CI systems: GitHub's annotations, SARIF, GitLab's code quality, JUnit, lines.

Paths are relative to the root of the repository. Source lines aren't quoted: others keep these reports.
Sources: GitHub's workflow commands; SARIF 2.1.0 (OASIS); GitLab's code quality report format; JUnit XML.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import quote
from xml.etree import ElementTree as ET

from ftops import __version__
from ftops.config.policy import RULE_GROUP
from ftops.core.address import Json
from ftops.core.errors import Diagnostic
from ftops.core.plurals import plural
from ftops.dataset.rules.catalogue import RULES
from ftops.views.paint import clean
from ftops.views.xml import xml_document, xml_text

_SPEC = "spec"
"""The rule of findings that have none: they are about a spec, not about data."""
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
_MOST_TITLE, _MOST_MESSAGE, _MOST_SUMMARY = 255, 16_000, 60_000
"""Characters that GitHub takes, with room for those that are several bytes."""
_GITLAB = {"error": "major", "warning": "minor", "note": "info"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def github(found: Sequence[Diagnostic], folder: str) -> str:
    """A workflow command for each finding. GitHub shows ten errors and ten warnings of each step."""
    return "".join(f"::{_GITHUB[d.severity]} {_properties(d, folder)}::{_data(_message(d))}\n" for d in found)


def check_annotations(found: Sequence[Diagnostic], folder: str) -> list[dict[str, Json]]:
    """The annotations of a check run of GitHub, of the findings that have a place."""
    return [_check_annotation(d, folder) for d in found if d.place is not None]


def check_summary(found: Sequence[Diagnostic]) -> str:
    """How many findings there are, and those without a place; Markdown."""
    counts = Counter(d.severity for d in found)
    parts = [plural(counts[name], name) for name in _GITHUB if counts[name]]
    rest = [f"    {d.severity}: {line}" for d in found if d.place is None for line in _message(d).split("\n")]
    return "\n".join([f"{', '.join(parts) or 'No findings'}.", "", *rest])[:_MOST_SUMMARY]


def sarif(found: Sequence[Diagnostic], folder: str) -> str:
    """A SARIF log with one run."""
    used = sorted({_rule(d) for d in found})
    driver: dict[str, Json] = {
        "name": "ftops",
        "semanticVersion": __version__,
        "rules": [_sarif_rule(rule) for rule in used],
    }
    run: dict[str, Json] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(d, used, mark, folder) for d, mark in _marked(found, folder)],
    }
    return _json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def gitlab(found: Sequence[Diagnostic], folder: str) -> str:
    """A code quality report. Findings without a place are at the first line of the folder."""
    return _json(
        [
            {
                "description": _message(d),
                "check_name": _rule(d),
                "fingerprint": mark,
                "severity": _GITLAB[d.severity],
                "location": {
                    "path": _path(d, folder) or ".",
                    "lines": {"begin": d.place.line if d.place else 1},
                },
            }
            for d, mark in _marked(found, folder)
        ]
    )


def junit(found: Sequence[Diagnostic], folder: str) -> str:
    """A suite for each file, and a case for each rule that found something there. Errors are failures."""
    root = ET.Element("testsuites", name="ftops")
    files = sorted({_path(d, folder) for d in found})
    for file in files:
        mine = [d for d in found if _path(d, folder) == file]
        suite = ET.SubElement(root, "testsuite", name=xml_text(file or "ftops"))
        for rule in dict.fromkeys(map(_rule, mine)):
            _add_case(suite, file, rule, [d for d in mine if _rule(d) == rule])
        _count(suite)
    if not files:
        suite = ET.SubElement(root, "testsuite", name="ftops")
        ET.SubElement(suite, "testcase", name="nothing found", classname="ftops")
        _count(suite)
    return xml_document(root)


def concise(found: Sequence[Diagnostic], folder: str) -> str:
    """A line for each finding, as compilers print them, for editors and `grep`. Paths start at the working
    directory."""
    return "".join(f"{_at(d)}{d.severity}[{_rule(d)}] {clean(d.summary)}\n" for d in found)


REPORTS: Mapping[str, Callable[[Sequence[Diagnostic], str], str]] = {
    "github": github,
    "gitlab": gitlab,
    "sarif": sarif,
    "junit": junit,
    "concise": concise,
}
"""Format → the report of some diagnostics. Their paths are relative to a folder, and that is relative to the
root of the repository."""


def _at(found: Diagnostic) -> str:
    place = found.place
    return f"{clean(place.file)}:{place.line}:{place.column}: " if place else ""


def _check_annotation(found: Diagnostic, folder: str) -> dict[str, Json]:
    line = max(1, found.place.line if found.place else 1)
    levels = {**_GITHUB, "error": "failure"}
    return {
        "path": _path(found, folder),
        "start_line": line,
        "end_line": line,
        "annotation_level": levels[found.severity],
        "title": f"ftops {_rule(found)}"[:_MOST_TITLE],
        "message": _message(found)[:_MOST_MESSAGE],
    }


def _add_case(suite: ET.Element, file: str, rule: str, found: Sequence[Diagnostic]) -> None:
    shown = xml_text(file)
    case = ET.SubElement(suite, "testcase", name=xml_text(rule), classname=shown or "ftops", file=shown)
    text = "\n\n".join(f"{d.place or file}: {d.severity}: {_message(d)}" for d in found)
    errors = sum(d.severity == "error" for d in found)
    if errors:
        failure = ET.SubElement(case, "failure", message=plural(errors, "error"))
        failure.text = xml_text(text, lines=True)
    else:
        ET.SubElement(case, "system-out").text = xml_text(text, lines=True)


def _count(suite: ET.Element) -> None:
    for key, tag in (("tests", "testcase"), ("failures", "failure")):
        suite.set(key, str(sum(1 for _ in suite.iter(tag))))
    suite.set("errors", "0")


def _sarif_rule(rule: str) -> Json:
    known = RULES.get(rule)
    if known is None:
        of_policy = rule.startswith(RULE_GROUP)
        text = "The policy permits the plan." if of_policy else "The spec is valid and can be applied."
        return {"id": rule, "shortDescription": {"text": text}}
    help = " ".join(filter(None, (known.why, known.fix)))
    return {"id": rule, "shortDescription": {"text": known.what}, "help": {"text": help or known.what}}


def _sarif_result(found: Diagnostic, rules: Sequence[str], mark: str, folder: str) -> Json:
    result: dict[str, Json] = {
        "ruleId": _rule(found),
        "ruleIndex": rules.index(_rule(found)),
        "level": found.severity,
        "message": {"text": _message(found)},
        "partialFingerprints": {"ftops/v1": mark},
    }
    if found.place is not None:
        place = found.place
        region: dict[str, Json] = {"startLine": place.line, "startColumn": place.column}
        if place.width:
            region["endColumn"] = place.column + place.width
        artifact: dict[str, Json] = {"uri": quote(_path(found, folder)), "uriBaseId": "%SRCROOT%"}
        result["locations"] = [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]
    return result


def _marked(found: Iterable[Diagnostic], folder: str) -> Iterable[tuple[Diagnostic, str]]:
    """Each finding with a fingerprint that is unique in the report and doesn't depend on its line."""
    seen: Counter[str] = Counter()
    for one in found:
        basis = "\0".join((_path(one, folder), _rule(one), one.path, one.summary))
        seen[basis] += 1
        yield one, sha256(f"{basis}\0{seen[basis]}".encode()).hexdigest()


def _rule(found: Diagnostic) -> str:
    return found.rule or _SPEC


def _path(found: Diagnostic, folder: str) -> str:
    """The file of a finding, seen from the root of the repository; empty if it has none."""
    if found.place is None:
        return ""
    parts: list[str] = []
    for part in (PurePosixPath(folder) / found.place.file).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts))


def _message(found: Diagnostic) -> str:
    parts = (found.summary, found.detail, f"hint: {found.hint}" if found.hint else "")
    return "\n".join(clean(line) for part in parts for line in part.splitlines())


def _properties(found: Diagnostic, folder: str) -> str:
    fields = {"title": f"ftops {_rule(found)}"}
    if found.place is not None:
        place = found.place
        fields = {"file": _path(found, folder), "line": str(place.line), "col": str(place.column)} | fields
    return ",".join(f"{key}={_property(value)}" for key, value in fields.items())


def _data(text: str) -> str:
    """Text of a workflow command: it can't begin another one."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(clean(text)).replace(":", "%3A").replace(",", "%2C")


def _json(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
