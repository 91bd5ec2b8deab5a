"""Tables and pointers given as data: each is recognised, and the command that helps is exact."""

from __future__ import annotations

import json
import shlex
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from ftops.dataset import inspect
from tests.golden.cli import Folder

CHAT = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]
CELL = json.dumps(CHAT).replace('"', '""')
TABLES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "a.csv": (b"question,answer\nWhy?,So.\n", ("--user", "{question}", "--assistant", "{answer}")),
    "quoted.csv": (b'q,a\n"Why,\n""now""?",So.\n', ("--user", "{q}", "--assistant", "{a}")),
    "semicolons.csv": (b"Text;Label\r\nWhy?;x\r\n", ("--user", "{Text}", "--assistant", "{Label}")),
    "marked.csv": (b"\xef\xbb\xbfQuery,Reply\nWhy?,x\n", ("--user", "{Query}", "--assistant", "{Reply}")),
    "tabs.tsv": (b"id\ttext\tthe class\n1\tWhy?\tx\n", ("--user", "{text}", "--assistant", "{the class}")),
    "named.jsonl": (
        b"id\tsystem\tuser\treply\n1\tBe.\tWhy?\tx\n",
        ("--system", "{system}", "--user", "{user}", "--assistant", "{reply}"),
    ),
    "cut.jsonl": (b"question|answer\nWhy?|So.\nWho", ("--user", "{question}", "--assistant", "{answer}")),
    "delimiter.csv": (b"sep=;\r\nq;a\r\nWhy?;So.\r\n", ("--user", "{q}", "--assistant", "{a}")),
    "comma-in-name.csv": (b'"why, then";a\nWhy?;x\n', ("--user", "{why, then}", "--assistant", "{a}")),
    "python.csv": (f"""messages\n"{CHAT!s}"\n""".encode(), ()),
    "alpaca.csv": (b"instruction,input,output\nAdd,,3\n", ()),
    "chat.csv": (f'messages,id\n"{CELL}",1\n'.encode(), ()),
    "unknown.csv": (b"alpha,beta\n1,2\n", ("--user", "{alpha}", "--assistant", "{beta}")),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_one_finding_whose_command_converts_it(tmp_path: Path, name: str) -> None:
    content, options = TABLES[name]
    (tmp_path / name).write_bytes(content)
    inspection = inspect(tmp_path / name)
    assert inspection.counts == {"file/table": 1}
    [found] = inspection.diagnostics(name)
    _, line, _ = found.hint.split("`")
    assert shlex.split(line)[5:] == list(options)
    if name != "cut.jsonl":
        assert "1 example" in Folder(tmp_path).ok(*shlex.split(line)[1:])


@pytest.mark.parametrize(
    "content",
    [
        b'{"messages": [\n{"a": 1}\n',
        b'sages": [{"role": "user", "content": "a, b"}]}\n{"messages": []}\n',
        b"only words\nin two lines\n",
        b'data: {"messages": [], "a": 1}\ndata: {"messages": [], "a": 2}\n',
        b"a,b\nc\n",
        b"a,a\n1,2\n",
        json.dumps({"messages": CHAT}).encode(),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    assert "file/table" not in inspect(tmp_path / "a.jsonl").counts


def test_json_lines_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{json.dumps({'messages': CHAT})}\n" * 12)
    assert "file/table" not in inspect(tmp_path / "a.csv").counts


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "question,answer,answer\nWhy?,So.,No.\n",
            'Rename one of the columns "answer", and check it again.',
        ),
        ("question,answer\nWhy?,Für.\n", "Save it as CSV in UTF-8, and check it again."),
        ("text\nWhy?\n", "Add a column: a conversation needs a question and an answer."),
    ],
)
def test_a_table_that_has_to_be_changed_first(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="latin-1")
    [found] = inspect(tmp_path / "a.csv").diagnostics("a.csv")
    assert found.hint == hint


def test_a_workbook_has_to_be_saved_as_csv(tmp_path: Path) -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    for content in (buffer.getvalue(), bytes.fromhex("d0cf11e0a1b11ae1") + bytes(512)):
        (tmp_path / "my table.xlsx").write_bytes(content)
        [found] = inspect(tmp_path / "my table.xlsx").diagnostics("my table.xlsx")
        assert found.rule == "file/table"
        assert "Save it as my table.csv" in found.hint
        assert "`ftops data convert 'my table.csv' 'my table.chat.jsonl' --user" in found.hint


@pytest.mark.parametrize(
    ("name", "content", "command"),
    [
        ("a.jsonl", "/annex/objects/MD5E-s3--abc.jsonl", "git annex get a.jsonl"),
        ("a b.jsonl", "/annex/objects/SHA256E-s1048576--abc.jsonl\n", "git annex get 'a b.jsonl'"),
        ("a.jsonl.dvc", "outs:\n- md5: abc\n  size: 3\n  path: a.jsonl\n", "dvc pull a.jsonl.dvc"),
        ("a.jsonl", "md5: abc\nframe: x\nouts:\n- hash: md5\n  path: a.jsonl\n", "dvc pull a.jsonl"),
    ],
)
def test_a_pointer_to_data(tmp_path: Path, name: str, content: str, command: str) -> None:
    (tmp_path / name).write_text(content)
    [found] = inspect(tmp_path / name).diagnostics(name)
    assert (found.rule, found.hint) == ("file/pointer", f"Run `{command}`.")


def test_a_pointer_beside_data_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    assert inspect(path).counts == {"file/missing": 1}
    (tmp_path / "a.jsonl.dvc").write_text("outs:\n- md5: abc\n  path: a.jsonl\n")
    [found] = inspect(path).diagnostics("a.jsonl")
    assert found.hint == "Run `dvc pull a.jsonl`."
    path.symlink_to(".git/annex/objects/aa/bb/MD5E-s3--abc/MD5E-s3--abc")
    [found] = inspect(path).diagnostics("a.jsonl")
    assert found.hint == "Run `git annex get a.jsonl`."
