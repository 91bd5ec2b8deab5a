"""Inspection of data files: each file of tests/bad_data is named after its one defect, and the `.txt`
beside it is what is said about it. FTOPS_UPDATE_GOLDEN=1 rewrites those texts.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tracemalloc
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftops.core.errors import Diagnostic
from ftops.dataset import FORMATS, Inspection, inspect
from ftops.dataset.checks import checker
from ftops.dataset.files import file_identity, jsonl_io
from ftops.dataset.files.jsonl_io import DataError
from ftops.dataset.formats.jsonl import parse, span
from ftops.dataset.profile.facts import checked_lines
from ftops.dataset.rules.findings import EXCERPT, LEAD, MAX_SHOWN, Finding, place
from ftops.dataset.transforms.clean import clean

BAD = Path(__file__).parents[2] / "bad_data"
BAD_FILES = sorted(BAD.glob("*.jsonl"))
UPDATE = bool(os.environ.get("FTOPS_UPDATE_GOLDEN"))


def example(question: str = "1 + 1?", answer: object = "2", **more: object) -> str:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]
    return json.dumps({"messages": messages})


def write(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes("".join(f"{line}{end}" for line in lines).encode())
    return path


QUIET = {"file/byte-order-mark": "off", "file/few-examples": "off", "data/duplicate": "off"}
"""What is said of nearly every file of these tests."""


def said_of(inspection: Inspection) -> list[Diagnostic]:
    return list(inspection.diagnostics("data.jsonl", QUIET))


def draw(diagnostics: list[Diagnostic]) -> str:
    return "\n".join(_draw(d) for d in diagnostics)


def _draw(diagnostic: Diagnostic) -> str:
    at = diagnostic.place
    assert at is not None
    path = f" at {diagnostic.path}" if diagnostic.path else ""
    lines = [f"{at}: {diagnostic.severity}[{diagnostic.rule}]{path}: {diagnostic.summary}"]
    if at.text:
        cut = len(at.text) >= EXCERPT // 2 and at.text.startswith("…")
        lines += [f"  | {at.text}", "  | " + " " * (LEAD if cut else at.column - 1) + "^" * at.width]
    lines += [f"  {text}" for text in (diagnostic.detail, diagnostic.hint) if text]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", BAD_FILES, ids=lambda p: p.stem)
def test_what_is_said_about_a_bad_file(path: Path) -> None:
    quiet = {rule: "off" for rule in ("file/byte-order-mark", "file/few-examples") if rule[5:] != path.stem}
    said = draw(list(inspect(path).diagnostics(path.name, quiet)))
    golden = path.with_suffix(".txt")
    if UPDATE:
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


def test_every_golden_text_has_its_file() -> None:
    assert {p.stem for p in BAD.glob("*.txt")} == {p.stem for p in BAD_FILES}


@pytest.mark.parametrize(
    "line",
    [
        example(),
        example(answer=[{"type": "text", "text": "2"}]),
        ' \t{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]} ',
    ],
)
def test_good_examples(tmp_path: Path, line: str) -> None:
    assert said_of(inspect(write(tmp_path / "good.jsonl", *[line] * 10))) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_digest_and_counts_are_of_the_bytes(tmp_path: Path, start: bytes, end: str) -> None:
    path = write(tmp_path / "good.jsonl", *[example()] * 12, end=end)
    content = start + path.read_bytes()
    path.write_bytes(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    inspection = inspect(path)
    assert (inspection.digest, inspection.bytes, inspection.examples) == (digest, len(content), 12)


def test_a_last_line_needs_no_end(tmp_path: Path) -> None:
    path = tmp_path / "good.jsonl"
    path.write_text("\n".join([example()] * 10))
    assert inspect(path).examples == 10


def test_what_is_not_a_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    said = {
        name: said_of(inspect(tmp_path / name))[0].summary
        for name in (".", "missing", "pipe", "loop", "nul\0", "long" * 100)
    }
    assert said["."] == "the data is a folder, not a file"
    assert said["missing"] == "the file does not exist"
    assert said["pipe"] == "the data is not a regular file"
    for name in ("loop", "nul\0", "long" * 100):
        assert said[name].startswith("the file can't be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write(tmp_path / "secret.jsonl", example())
    path.chmod(0)
    assert said_of(inspect(path))[0].summary == "the file can't be read: Permission denied"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    path.touch()
    os.truncate(path, file_identity.MAX_BYTES)
    inspection = inspect(path)
    assert inspection.digest == ""
    assert said_of(inspection)[0].summary == "the file has 512 MB; it must be smaller than 512 MB"


def test_a_line_that_is_too_long_is_hashed_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "MAX_LINE", 256)
    monkeypatch.setattr(checker, "CHUNK", 64)
    path = write(tmp_path / "long.jsonl", *[example()] * 5, "{" + " " * 1000, *[example()] * 5)
    inspection = inspect(path)
    assert inspection.digest == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert inspection.examples == 11
    assert [(d.rule, d.place and d.place.line) for d in said_of(inspection)] == [("file/long-line", 6)]


@pytest.mark.parametrize("end", ["", "\n"], ids=["open", "ended"])
@pytest.mark.parametrize("size", [64, 100, 256])
def test_no_block_has_a_line_that_is_too_long(monkeypatch: pytest.MonkeyPatch, size: int, end: str) -> None:
    monkeypatch.setattr(jsonl_io, "MAX_LINE", 256)
    lines = ["{}", "6" * 256, "7" * 257, "{}", "9" * 1000, "8" * 9000, "{}", "7" * 300]
    content = ("\n".join(lines) + end).encode()
    updated: list[bytes] = []
    found = b"".join(jsonl_io.blocks(io.BytesIO(content), size, updated.append)).decode()
    too_long = jsonl_io.TOO_LONG.decode()
    assert found == "\n".join(line if len(line) <= 256 else too_long for line in lines) + end
    assert b"".join(updated) == content


def test_a_line_that_is_too_long_is_passed_over_with_the_finding_of_the_check(tmp_path: Path) -> None:
    path = write(tmp_path / "long.jsonl", example(), f'{{"x": "{"y" * jsonl_io.MAX_LINE}"}}', example("last"))
    rules = {line.number: line.rules for line in checked_lines(path, inspect(path))}
    assert rules[2] == ("file/long-line",)
    assert [line.number for line in jsonl_io.read(path) if line.example is None] == [2]
    with pytest.raises(DataError, match="can't be cleaned"):
        list(clean(path))


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5_000])
def test_what_python_cannot_hold_is_a_finding(tmp_path: Path, value: str) -> None:
    line = example()[:-1] + f', "x": {value}}}'
    path = write(tmp_path / "odd.jsonl", *[example()] * 9, line)
    (diagnostic,) = said_of(inspect(path))
    assert diagnostic.place is not None
    assert diagnostic.place.line == 10
    assert "nested" in diagnostic.summary or "digits" in diagnostic.summary


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    lines = [example(f"{n} {'x' * 2000}") for n in range(14_000)]
    path = write(tmp_path / "large.jsonl", *lines, *["{}"] * 1_000)
    del lines
    inspect(write(tmp_path / "small.jsonl", example("first")))  # what is imported counts for nothing
    import_module("numpy")
    tracemalloc.start()
    inspection = inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert inspection.counts["chat/no-messages"] == 1_000
    assert len([d for d in said_of(inspection) if d.rule == "chat/no-messages"]) == MAX_SHOWN + 1
    assert peak < path.stat().st_size / 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "messages": JSON
        | st.lists(
            JSON
            | st.fixed_dictionaries(
                {},
                optional={
                    "role": st.sampled_from(["user", "assistant"]) | JSON,
                    "content": JSON,
                    "tool_calls": JSON,
                },
            )
        ),
        "mesages": JSON,
    },
)
LINES = st.lists(
    st.binary()
    | MESSAGES.map(lambda e: json.dumps(e).encode())
    | JSON.map(lambda v: repr(v).encode(errors="replace"))
)


@settings(deadline=None)
@given(content=st.binary() | LINES.map(b"\n".join), format=st.sampled_from(["", *FORMATS]))
def test_any_bytes_are_inspected_without_raising(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, format: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(content)
    inspection = inspect(path, format=format)
    assert inspection.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert inspection.bytes == len(content)
    for diagnostic in inspection.diagnostics("any.jsonl"):
        at = diagnostic.place
        assert at is not None
        assert len(at.text) <= EXCERPT
        assert at.text.isprintable()
        assert diagnostic.summary.isprintable()
        assert diagnostic.hint.isprintable()


@given(value=JSON, data=st.data())
def test_a_span_is_the_text_of_the_value(value: object, data: st.DataObject) -> None:
    separators = data.draw(st.sampled_from([(",", ":"), (" , ", " : ")]))
    line = " " + json.dumps({"a": 1, "b": [0, {"c": value, "d": 2}]}, separators=separators)
    start, width = span(line, ("b", 1, "c"))
    assert line[start : start + width] == json.dumps(value, separators=separators)


@given(line=st.text(min_size=1, max_size=400), data=st.data())
def test_an_excerpt_shows_the_column(line: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(line) - 1))
    at = place("f", 1, line, start, 1000)
    cut = len(line) > EXCERPT and start > LEAD
    shown = at.text[LEAD if cut else start]
    assert shown in (line[start], " ", "…")
    assert (LEAD if cut else start) + at.width <= len(at.text)


def test_the_second_of_two_members_of_one_name_is_found() -> None:
    line = '{"messages": [{"a": 1, "b": {"a": 2}}, {"a": 3, "a": 4}]}'
    found = parse(line)
    assert isinstance(found, Finding)
    assert (found.rule, found.at) == ("json/duplicate-key", line.index('"a": 4'))
