"""ftops data report, clean, show and rows of examples: what they print and write, and how they refuse."""

from __future__ import annotations

import csv
import json
import os
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.functional.test_cli_data import ROUTED, calling, chat, lines
from tests.golden.cli import Folder, golden

KEY = "AKIA" + "Q7" * 8
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)> </style></details> \x1b[31m\u202e"
VOID = {"meta", "img", "br", "wbr", "hr", "link", "input"}


def messages(*pairs: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in pairs], **more}


def mixed() -> str:
    """A file with something of everything that the commands look at."""
    rows: list[Any] = [
        chat(f"Where is my order number {n}, please?", "sales" if n % 3 else "help") for n in range(12)
    ]
    rows += [rows[2], calling("Route me", "sales")]
    rows.append(messages(("user", f"My key is {KEY}"), ("assistant", "Keep it secret.")))
    rows.append(messages(("user", EVIL), ("assistant", "One."), ("assistant", "Two.")))
    rows.append(messages(("user", ""), ("user", "Hello?"), ("assistant", "Hi.")))
    return lines(*rows) + '{"messages": [}\n'


def pair(number: int) -> dict[str, Any]:
    return {
        "input": {"messages": [{"role": "user", "content": f"How do I reset device {number}?"}]},
        "preferred_output": [
            {"role": "assistant", "content": "Hold the button for ten seconds, then let go."}
        ],
        "non_preferred_output": [{"role": "assistant", "content": "No idea."}],
    }


def task(number: int) -> dict[str, Any]:
    return messages(("user", f"What is {number} times 7?"), answer=number * 7, level="easy")


def image(number: int) -> dict[str, Any]:
    url = f"https://example.com/{number}.png"
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    answer = ("cat", "dog")[number % 2]
    return {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path, "")
    made.write("mixed.jsonl", mixed())
    return made


class Page(HTMLParser):
    """The elements of a page that must not be there, its headings, and whether its tags match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.headings: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def page_of(folder: Folder, *arguments: str) -> tuple[str, Page]:
    folder.ok("data", "report", *arguments, "--force")
    text = (folder.path / "data-report.html").read_text(encoding="utf-8")
    return text, Page(text)


# report


def test_a_page_runs_and_loads_nothing(folder: Folder) -> None:
    text, page = page_of(folder, "mixed.jsonl", "--model", "gpt-4.1-2025-04-14")
    assert not page.open, "every element is closed"
    assert not {"script", "img", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("style", "src")]
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "default-src 'none'; style-src 'sha256-" in text
    assert "url(" not in text
    assert "alert(1)" in text, "the text of the example is there, as text"
    assert KEY not in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202a-\u202e]", text)


def test_a_page_begins_with_the_verdict_and_what_to_do(folder: Folder) -> None:
    text, page = page_of(folder, "mixed.jsonl")
    assert "Not ready to train: 2 problems to fix first." in text
    todo = re.findall(r'class="tag (?:error|warning)">([^<]*)<', text)
    assert todo == [
        "error chat/role-order",
        "error json/syntax",
        "warning chat/empty-message",
        "warning data/duplicate",
        "warning secret/aws-key",
    ]
    assert "<code>ftops data clean mixed.jsonl clean.jsonl</code>" in text
    assert "<code>ftops data clean mixed.jsonl clean.jsonl --merge-assistants</code>" in text
    assert page.headings == [
        "Size and length",
        "Turns and roles",
        "Functions and answers",
        "Repetition and overlap",
        "Secrets and personal data",
        "Cost by epochs",
        "Examples",
    ]


def test_the_verdict_on_standard_output(folder: Folder) -> None:
    folder.write(
        "good.jsonl", lines(*(chat(f"What is {n} plus {n * n}?", f"It is {n + n * n}.") for n in range(12)))
    )
    out = folder.ok("data", "report", "good.jsonl")
    assert out.splitlines()[0] == "good.jsonl: Ready to train: no errors, no warnings."
    told = folder.run("data", "report", "mixed.jsonl", "-o", "json").json  # in place of the page before
    assert "named.html: " in folder.ok("data", "report", "good.jsonl", "-o", "named.html")
    assert folder.run("data", "report", "good.jsonl", "-o", "a.html", "--out", "b.html").code == 1
    assert told["page"] == "data-report.html"
    assert [(row["file"], row["verdict"]) for row in told["files"]] == [("mixed.jsonl", "error")]
    graded = folder.ok("data", "report", "good.jsonl", "--force", "--severity", "file/few-examples=error")
    assert "Not ready to train: 1 problem to fix first." in graded


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (pair, "The preferred output is longer in 100% of the pairs"),
        (task, "Only prompts: the model answers them itself"),
        (image, "in 12 examples"),
    ],
)
def test_pages_of_other_formats(folder: Folder, make: Any, told: str) -> None:
    folder.write("other.jsonl", lines(*map(make, range(12))))
    text, page = page_of(folder, "other.jsonl", "--model", "gpt-4.1-2025-04-14")
    assert told in text
    assert not page.open
    if make is task:
        assert "billed by the hour" in text
        assert '<th scope="row">level</th><td>12</td><td>1</td><td>easy (12)</td>' in text


def test_two_versions_side_by_side(folder: Folder) -> None:
    folder.write(
        "new.jsonl", lines(*ROUTED[:6], chat("Where is the shop?", "sales"), calling("Call 1", "help"))
    )
    folder.write("old.jsonl", lines(*ROUTED))
    text, page = page_of(folder, "old.jsonl", "new.jsonl")
    assert "2 added, 6 removed, 0 edited, 6 the same" in text
    assert page.headings[:3] == ["old.jsonl", "new.jsonl", "What changed"]
    assert "Where is the shop? → sales" in text


def test_what_is_also_in_the_validation_file(folder: Folder) -> None:
    folder.write("valid.jsonl", lines(ROUTED[1], chat("Something else", "help")))
    folder.write("train.jsonl", lines(*ROUTED))
    text, _ = page_of(folder, "train.jsonl", "--valid", "valid.jsonl")
    assert "Also in valid.jsonl" in text
    assert "1 example the same" in text
    assert "1 example also in valid.jsonl, or nearly" in text
    assert "line 2 here is line 1 there" in text and "Ready to train" not in text


def test_a_page_depends_only_on_the_data(folder: Folder) -> None:
    first, _ = page_of(folder, "mixed.jsonl")
    assert page_of(folder, "mixed.jsonl")[0] == first
    assert page_of(folder, "mixed.jsonl", "--seed", "2")[0] != first


BAD = {
    "no file": ("report nowhere.jsonl", "the file does not exist"),
    "too many files": ("report mixed.jsonl mixed.jsonl mixed.jsonl", "3 files are too many"),
    "page exists": ("report mixed.jsonl --out here.html", "here.html exists"),
    "no such folder": ("report mixed.jsonl --out no/such/a.html", "There is no folder"),
    "page is a pipe": ("report mixed.jsonl --out pipe --force", "not a regular file"),
    "page is the data": ("report mixed.jsonl --out mixed.jsonl --force", "is the input file"),
    "page is a folder": ("report mixed.jsonl --out data", "directory"),
    "report: no such model": ("report mixed.jsonl --model lama", "no encoding of the model lama"),
    "report: no such rule": ("report mixed.jsonl --severity chat/rol=off", "there is no rule chat/rol"),
    "clean: nowhere": ("clean nowhere.jsonl a.jsonl", "can't read nowhere.jsonl"),
    "clean: no target": ("clean mixed.jsonl", "no file to write to"),
    "clean: target exists": ("clean mixed.jsonl here.html", "here.html exists"),
    "clean: onto itself": ("clean mixed.jsonl mixed.jsonl", "is the input file"),
    "clean: both ways": ("clean mixed.jsonl a.jsonl --merge-assistants --keep-last", "can't be combined"),
    "show: no such rule": ("show mixed.jsonl --rule chat/rol", "Did you mean"),
    "show: nothing found": ("show mixed.jsonl --rule vision/url", "vision/url found nothing"),
    "show: of the whole file": ("show mixed.jsonl --rule file/few-examples", "is about the whole file"),
    "show: no such function": ("show mixed.jsonl --function rout", "Did you mean `route`?"),
    "show: number and rule": ("show mixed.jsonl 1 --rule chat/role", "give one example, or say which"),
    "show: seed alone": ("show mixed.jsonl --seed 1", "--seed needs --random"),
    "show: nothing in it": ("show empty.jsonl --random 1", "empty.jsonl has no examples"),
    "stats: out alone": ("stats mixed.jsonl --out a.csv", "--out needs -o csv or -o parquet"),
    "stats: parquet to the terminal": ("stats mixed.jsonl -o parquet", "Give a file to write"),
    "stats: out exists": ("stats mixed.jsonl -o csv --out here.html", "here.html exists"),
    "stats: out is the data": ("stats mixed.jsonl -o csv --out mixed.jsonl --force", "is the input file"),
    "stats: nowhere": ("stats nowhere.jsonl -o csv", "can't read nowhere.jsonl"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_and_nothing_is_written(folder: Folder, name: str) -> None:
    folder.write("here.html", "here before")
    folder.write("empty.jsonl", "")
    os.mkfifo(folder.path / "pipe")
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    command, told = BAD[name]
    done = folder.run("data", *command.split())
    assert done.code == 1, done
    assert told in done.err
    assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before


# clean


def test_a_clean_file_and_what_was_done(folder: Folder) -> None:
    golden("data-clean", folder.ok("data", "clean", "mixed.jsonl", "new.jsonl", "--merge-assistants"))
    assert "nothing to clean" in folder.ok("data", "clean", "new.jsonl", "newer.jsonl", "--merge-assistants")
    assert (folder.path / "newer.jsonl").read_bytes() == (folder.path / "new.jsonl").read_bytes()
    counts = folder.run("data", "check", "new.jsonl", "-o", "json").json["files"][0]["counts"]
    assert not {"data/duplicate", "chat/role-order", "chat/empty-message"} & counts.keys()
    assert counts["json/syntax"] == 1, "what needs a decision stays"


def test_a_check_names_the_command_that_mends(folder: Folder) -> None:
    done = folder.run("data", "check", "mixed.jsonl")
    *_, told = done.out.splitlines()
    words, _, rules = told.partition(" mends ")
    assert rules == "chat/empty-message, chat/role-order, data/duplicate"
    folder.ok(*words.strip("`").split()[1:])
    left = folder.run("data", "check", "clean.jsonl")
    assert "mends" not in left.out


def test_a_dry_run_writes_nothing(folder: Folder) -> None:
    before = sorted(folder.path.rglob("*"))
    told = folder.run("data", "clean", "mixed.jsonl", "--dry-run", "-o", "json").json
    assert [(c["line"], c["kind"]) for c in told["changes"]] == [(13, "duplicate"), (17, "empty-message")]
    assert (told["new"], told["kept"], told["removed"], told["changes"][0]["other"]) == (None, 17, 1, 3)
    assert sorted(folder.path.rglob("*")) == before


# show


def test_examples_that_a_rule_is_about(folder: Folder) -> None:
    golden("data-show-rule", folder.ok("data", "show", "mixed.jsonl", "--rule", "chat/role-order"))
    for rule, line in (("secret/*", 15), ("data/duplicate", 13), ("json/syntax", 18)):
        told = folder.run("data", "show", "mixed.jsonl", "--rule", rule, "-o", "json")
        assert [example["line"] for example in told.json["examples"]] == [line]
        assert told.json["examples"][0]["findings"]
        assert KEY not in told.out


def test_random_examples_are_the_same_again(folder: Folder) -> None:
    def chosen(*more: str) -> list[int]:
        told = folder.run("data", "show", "mixed.jsonl", "--random", "4", "-o", "json", *more).json
        assert told["matching"] == 17
        return [example["line"] for example in told["examples"]]

    assert chosen() == chosen() == sorted(chosen())
    assert chosen("--seed", "5") == chosen("--seed", "5") != chosen()
    assert "at random (seed 1)" in folder.ok("data", "show", "mixed.jsonl", "--random", "2")


def test_examples_that_call_a_function(folder: Folder) -> None:
    told = folder.ok("data", "show", "mixed.jsonl", "--function", "route")
    assert 'route({"desk": "sales"})' in told
    assert told.endswith("1 of 1 example calling route\n")


# a row for each example


def test_rows_as_csv(folder: Folder) -> None:
    out = folder.ok("data", "stats", "mixed.jsonl", "-o", "csv")
    rows = list(csv.DictReader(StringIO(out)))
    assert len(rows) == 18
    found = {int(row["line"]): row["findings"] for row in rows if row["findings"]}
    assert found == {
        13: "data/duplicate",
        14: "data/system-differs",
        15: "secret/aws-key",
        16: "chat/role-order",
        17: "chat/empty-message",
        18: "json/syntax",
    }
    counted = folder.run("data", "stats", "mixed.jsonl", "-o", "json").json["files"][0]
    assert sum(int(row["tokens"] or 0) for row in rows) == counted["tokens"]
    assert sum(int(row["trained"] or 0) for row in rows) == counted["tokens_trained"]
    assert [row["functions"] for row in rows if row["calls"] != "0"] == ["route"]
    folder.ok("data", "stats", "mixed.jsonl", "-o", "csv", "--out", "rows.csv")
    assert (folder.path / "rows.csv").read_text(encoding="utf-8") == out


def test_a_cell_is_no_formula(folder: Folder) -> None:
    call = {"name": "=HYPERLINK(1)", "arguments": json.dumps({})}
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "function_call": call}]}
    folder.write("evil.jsonl", lines(row))
    (found,) = csv.DictReader(StringIO(folder.ok("data", "stats", "evil.jsonl", "-o", "csv")))
    assert found["functions"] == "'=HYPERLINK(1)"


def test_rows_as_parquet(folder: Folder) -> None:
    from pyarrow import parquet

    folder.ok("data", "stats", "mixed.jsonl", "-o", "parquet", "--out", "rows.parquet")
    rows = parquet.read_table(folder.path / "rows.parquet").to_pylist()
    assert [row["line"] for row in rows] == list(range(1, 19))
    assert rows[17]["findings"] == ["json/syntax"]
    assert rows[17]["tokens"] is None


def test_parquet_needs_a_package(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)  # as if it weren't installed
    done = folder.run("data", "stats", "mixed.jsonl", "-o", "parquet", "--out", "rows.parquet")
    assert done.code == 1
    assert "needs the package pyarrow" in done.err
    assert not (folder.path / "rows.parquet").exists()
