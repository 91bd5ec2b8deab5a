"""ftops data: what its commands print and write, and how they refuse."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cli import Folder, golden

SYSTEM = "You route calls. Answer with one word."
ROUTE = {
    "name": "route",
    "description": "Send the call on.",
    "parameters": {
        "type": "object",
        "properties": {"desk": {"type": "string", "enum": ["sales", "help"], "description": "Where to."}},
    },
}


def chat(question: str, answer: str, **more: Any) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer, **more},
        ]
    }


def calling(question: str, desk: str) -> dict[str, Any]:
    call = {"name": "route", "arguments": json.dumps({"desk": desk})}
    messages = [{"role": "user", "content": question}, {"role": "assistant", "function_call": call}]
    return {"messages": messages, "functions": [ROUTE]}


def lines(*examples: object) -> str:
    return "".join(json.dumps(example) + "\n" for example in examples)


ROUTED = [chat(f"I want to {what} number {n}", desk) for n in range(4) for what, desk in (
    ("buy the large lamp with the green shade", "sales"),
    ("return lamp", "help"),
    ("hear what became of the order that I placed last month, because nobody calls me back", "help"),
)]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder.make(tmp_path)
    made.write("chat.jsonl", lines(*ROUTED, ROUTED[0]))
    made.write("calls.jsonl", lines(*(calling(f"Call {n}", ("sales", "help")[n % 2]) for n in range(12))))
    return made


# stats


def test_statistics(folder: Folder) -> None:
    golden("data-stats", folder.ok("data", "stats", "chat.jsonl", "calls.jsonl"))


def test_statistics_with_the_cost_of_a_model(folder: Folder) -> None:
    folder.write(
        "ftops.catalog.yaml",
        "models: {tiny-1: {encoding: cl100k_base, example_tokens: 40, "
        "prices: {training_per_million: {developer: 4}}}}",
    )
    arguments = ("data", "stats", "chat.jsonl", "--model", "tiny-1", "--training-type", "developer")
    golden("data-stats-cost", folder.ok(*arguments, "--epochs", "2"))
    cost = folder.run(*arguments, "-o", "json").json["files"][0]
    assert cost["truncation"]["examples"] > 0
    assert cost["cost"]["epochs"] == 100 // 13
    assert cost["cost"]["epochs_estimated"]
    assert cost["cost"]["dollars"] == pytest.approx(cost["tokens_billed_per_epoch"] * 7 * 4 / 1e6, abs=1e-4)
    assert cost["tokens"] - cost["truncation"]["tokens"] == cost["tokens_billed_per_epoch"]


def test_statistics_of_lines_that_are_no_examples(folder: Folder) -> None:
    folder.write("odd.jsonl", '{"messages": [}\n\n[1]\n{"a": 1}\n' + lines(ROUTED[0]))
    found = folder.run("data", "stats", "odd.jsonl", "-o", "json").json["files"][0]
    assert (found["unreadable_lines"], found["examples"]) == (2, 2)
    folder.write("empty.jsonl", "")
    assert "0 examples" in folder.ok("data", "stats", "empty.jsonl")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nowhere.jsonl",), "can't read nowhere.jsonl"),
        (("data",), "can't read data"),
        (("chat.jsonl", "--model", "gpt-4o-mini-2024-07-81"), None),
        (("chat.jsonl", "--model", "lama"), "no encoding of the model lama is known"),
        (("chat.jsonl", "--encoding", "p50k_base"), "p50k_base"),
    ],
)
def test_statistics_refuse(folder: Folder, arguments: tuple[str, ...], told: str | None) -> None:
    done = folder.run("data", "stats", *arguments)
    assert done.code == (1 if told else 0)
    assert (told or "") in done.err


# show


def test_an_example(folder: Folder) -> None:
    masked = chat("First\nwith two lines", "Hm.", weight=0)
    masked["messages"] += calling("Then the desk", "sales")["messages"]
    masked["metadata"] = {"customer": "Acme"}
    folder.write("mixed.jsonl", "\n" + lines(ROUTED[0]) + "\n\n" + lines({**masked, "functions": [ROUTE]}))
    golden("data-show", folder.ok("data", "show", "mixed.jsonl", "2"))
    assert folder.ok("data", "show", "mixed.jsonl", "--line", "5") == folder.ok(
        "data", "show", "mixed.jsonl", "2"
    )
    document = folder.run("data", "show", "mixed.jsonl", "2", "-o", "json").json
    assert [m["trained"] for m in document["messages"]] == [False, False, False, False, True]
    assert (document["line"], document["number"]) == (5, 2)


def test_a_preference_pair(folder: Folder) -> None:
    pair = {
        "input": {"messages": [{"role": "user", "content": "Hello?"}]},
        "preferred_output": [{"role": "assistant", "content": "Good morning."}],
        "non_preferred_output": [{"role": "assistant", "content": "\x1b[31mGo away\u202e!"}],
    }
    folder.write("pairs.jsonl", lines(pair))
    golden("data-show-pair", folder.ok("data", "show", "pairs.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("chat.jsonl", "14"), "chat.jsonl has no example 14"),
        (("chat.jsonl", "--line", "99"), "line 99 of chat.jsonl has no example"),
        (("chat.jsonl", "1", "--line", "1"), "either a number or a line"),
        (("nowhere.jsonl",), "can't read nowhere.jsonl"),
        (("odd.jsonl", "1"), "the line is not a JSON object"),
    ],
)
def test_show_refuses(folder: Folder, arguments: tuple[str, ...], told: str) -> None:
    folder.write("odd.jsonl", "[]\n")
    done = folder.run("data", "show", *arguments)
    assert (done.code, done.out) == (1, "")
    assert told in done.err


# diff


def test_a_difference(folder: Folder) -> None:
    changed = [*ROUTED[2:], ROUTED[5], chat("Where is the nearest shop of yours?", "sales")]
    changed[0] = chat(ROUTED[2]["messages"][1]["content"], "sales")
    changed[1] = chat(ROUTED[3]["messages"][1]["content"] + ", please", "sales")
    folder.write("new.jsonl", lines(*reversed(changed)))
    folder.write("valid.jsonl", lines(ROUTED[7]))
    golden("data-diff", folder.ok("data", "diff", "chat.jsonl", "new.jsonl", "--valid", "valid.jsonl"))
    document = folder.run("data", "diff", "chat.jsonl", "new.jsonl", "-o", "json").json
    assert (len(document["added"]), len(document["removed"]), len(document["edited"])) == (2, 3, 2)
    assert folder.run("data", "diff", "chat.jsonl", "new.jsonl", "--detailed-exitcode").code == 2


def test_files_that_only_look_different(folder: Folder) -> None:
    spread = "\ufeff" + "\r\n\r\n".join(
        json.dumps(e, indent=None, sort_keys=True) for e in [*ROUTED, ROUTED[0]]
    )
    folder.write("spread.jsonl", spread)
    out = folder.run("data", "diff", "chat.jsonl", "spread.jsonl", "--detailed-exitcode")
    assert (out.code, out.out) == (0, "No differences: 13 examples the same.\n")


def test_a_difference_to_what_is_committed(folder: Folder) -> None:
    for arguments in (("init", "-q"), ("add", "chat.jsonl"), ("commit", "-qm", "one")):
        identity = ("-c", "user.name=Acme", "-c", "user.email=acme@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=folder.path, check=True, capture_output=True)
    folder.write("chat.jsonl", lines(*ROUTED[1:]))
    assert "0 added, 2 removed, 0 edited, 11 the same" in folder.ok(
        "data", "diff", "git:HEAD:chat.jsonl", "chat.jsonl"
    )
    for name, told in (
        ("git:HEAD", "isn't a valid version"),
        ("git:HEAD~9:chat.jsonl", "there is no chat.jsonl at"),
    ):
        done = folder.run("data", "diff", name, "chat.jsonl")
        assert (done.code, told in done.err) == (1, True)


# convert, split, slim


def test_functions_become_tools_and_come_back(folder: Folder) -> None:
    folder.ok("data", "convert", "calls.jsonl", "tools.jsonl", "--to", "tools", "--bom")
    written = (folder.path / "tools.jsonl").read_bytes()
    assert written.startswith(b"\xef\xbb\xbf")
    first = json.loads(written[3:].splitlines()[0])
    assert first["tools"] == [{"type": "function", "function": ROUTE}]
    assert first["messages"][1]["tool_calls"][0]["id"] == "call_1"
    folder.ok("data", "convert", "tools.jsonl", "back.jsonl", "--to", "functions")
    assert "No difference" in folder.ok("data", "diff", "calls.jsonl", "back.jsonl")
    assert (folder.path / "back.jsonl").read_bytes().startswith(b"\xef\xbb\xbf"), "a mark stays unless asked"


def test_a_table_becomes_conversations(folder: Folder) -> None:
    folder.write("table.csv", '\ufeffquestion;answer;note\n"Who; me?";"You\nyes";\nWhy?;Because.;so\n')
    arguments = ("--user", "{question} {{{note}}}", "--assistant", "{answer}", "--system", "Be brief.")
    folder.ok("data", "convert", "table.csv", "out.jsonl", *arguments)
    first, second = map(json.loads, (folder.path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert [m["content"] for m in first["messages"]] == ["Be brief.", "Who; me? {}", "You\nyes"]
    assert second["messages"][1]["content"] == "Why? {so}"
    folder.write(
        "map.yaml",
        'messages:\n  - {role: user, content: "{question}"}\n  - {role: assistant, content: "{answer}"}\n',
    )
    assert "2 examples" in folder.ok("data", "convert", "table.csv", "mapped.jsonl", "--map", "map.yaml")


def test_parquet_becomes_conversations(folder: Folder) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {
        "q": ["One?", "Two?"],
        "a": ["1", None],
        "when": [date(2026, 1, 2), None],
        "at": [datetime(2026, 1, 2, 3, 4), None],
        "n": [1.5, float("nan")],
        "raw": ["ä".encode(), None],
    }
    parquet.write_table(pyarrow.table(columns), folder.path / "t.parquet")
    arguments = ("--user", "{q} {when} {at} {n} {raw}", "--assistant", "{a}.")
    assert "2 examples" in folder.ok("data", "convert", "t.parquet", "out.jsonl", *arguments)
    first, second = map(json.loads, (folder.path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["messages"][0]["content"] == "One? 2026-01-02 2026-01-02 03:04:00 1.5 ä"
    assert second["messages"][0]["content"].strip() == "Two?"


def test_parquet_with_conversations_needs_no_templates(folder: Folder) -> None:
    import pyarrow
    from pyarrow import parquet

    call = calling("Call 1", "sales")
    table = pyarrow.Table.from_pylist([{**ROUTED[0], "id": 1}, {**call, "id": 2}])
    parquet.write_table(table, folder.path / "t.parquet")
    assert "2 examples" in folder.ok("data", "convert", "t.parquet", "out.jsonl")
    first, second = map(json.loads, (folder.path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert first["messages"] == ROUTED[0]["messages"]
    assert second["messages"] == call["messages"]


def test_a_split(folder: Folder) -> None:
    told = folder.run(
        "data", "split", "chat.jsonl", "--part", "train=0.5", "--part", "rest=0.5", "-o", "json"
    ).json
    assert [Path(f["file"]).name for f in told["files"]] == ["chat.train.jsonl", "chat.rest.jsonl"]
    parts = [(folder.path / f["file"]).read_text(encoding="utf-8").splitlines() for f in told["files"]]
    whole = (folder.path / "chat.jsonl").read_text(encoding="utf-8").splitlines()
    assert sorted([*parts[0], *parts[1]]) == sorted(whole)
    assert not {*parts[0]} & {*parts[1]}


def test_slimmer_functions(folder: Folder) -> None:
    before = folder.run("data", "stats", "calls.jsonl", "-o", "json").json["files"][0]["tokens"]
    sizes = [before]
    for drop in ("descriptions", "parameters", "functions"):
        folder.ok("data", "slim", "calls.jsonl", f"{drop}.jsonl", "--drop", drop)
        sizes.append(folder.run("data", "stats", f"{drop}.jsonl", "-o", "json").json["files"][0]["tokens"])
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    folder.ok("data", "slim", "calls.jsonl", "same.jsonl", "--function", "route")
    one = (folder.path / "same.jsonl").read_text(encoding="utf-8")
    assert one == (folder.path / "descriptions.jsonl").read_text(encoding="utf-8")


def test_rows_with_empty_cells_can_be_left_out(folder: Folder) -> None:
    folder.write("t.csv", "q,a,note\nOne?,1,\nTwo?,NaN,x\n,3,y\nFour?,4,\n")
    told = folder.run(
        "data",
        "convert",
        "t.csv",
        "o.jsonl",
        "--user",
        "{q}",
        "--assistant",
        "{a}",
        "--skip-empty",
        "-o",
        "json",
    ).json
    assert (told["files"][0]["examples"], told["skipped"]) == (2, 2)
    rows = [{"instruction": "One?", "output": "1"}, {"instruction": "Two?", "output": ""}]
    folder.write("alpaca.jsonl", lines(*rows))
    assert "--skip-empty" in folder.run("data", "convert", "alpaca.jsonl", "p.jsonl").err
    assert "left out 1 row" in folder.ok("data", "convert", "alpaca.jsonl", "p.jsonl", "--skip-empty")


def test_rows_that_lack_a_question_are_told(folder: Folder) -> None:
    folder.write("t.csv", "q,a\n,3\n")
    templates = ("--user", "{q}", "--assistant", "{a}")
    assert "no text for the user" in folder.run("data", "convert", "t.csv", "o.jsonl", *templates).err
    folder.write("t.csv", "q,a\n")
    assert "t.csv has no rows" in folder.run("data", "convert", "t.csv", "o.jsonl", *templates).err
    assert not (folder.path / "o.jsonl").exists()


def test_examples_without_messages_are_told(folder: Folder) -> None:
    rows = [{"question": f"Why {n}?", "answer": "So.", "tags": ["a"]} for n in range(12)]
    folder.write("rows.jsonl", lines(*rows))
    assert "no example has messages" in folder.run("data", "split", "rows.jsonl").err
    assert "no example of rows.jsonl has messages" in folder.run("data", "stats", "rows.jsonl").err
    assert "--user '{question}'" in folder.run("data", "check", "rows.jsonl").out
    folder.write("one.jsonl", lines(ROUTED[0]))
    assert "the part valid has no examples" in folder.run("data", "split", "one.jsonl", "--seed", "2").err
    assert "standard output" in folder.run("data", "clean", "one.jsonl", "-").err


def test_what_is_used_is_not_left_out(folder: Folder) -> None:
    row = {"system": "Be brief.", "messages": [{"role": "user", "content": "a"}, ROUTED[0]["messages"][-1]]}
    folder.write("a.jsonl", lines({**row, "id": 3}))
    assert "first message" in folder.run("data", "check", "a.jsonl").out
    assert folder.ok("data", "convert", "a.jsonl", "b.jsonl").endswith("doesn't have: id\n")
    assert '"system","content":"Be brief."' in (folder.path / "b.jsonl").read_text(encoding="utf-8")


def test_the_file_to_write_may_be_given_as_output(folder: Folder) -> None:
    folder.write("rows.jsonl", lines({"question": "Why?", "answer": "So."}))
    words = ("data", "convert", "rows.jsonl", "--user", "{question}", "--assistant", "{answer}")
    assert "1 example" in folder.ok(*words, "-o", "o.jsonl")
    assert "no file to write to" in folder.run(*words).err
    assert "are two files" in folder.run(*words, "-o", "o.jsonl", "p.jsonl").err
    assert "o2.jsonl" in folder.ok("data", "clean", "o.jsonl", "-o", "o2.jsonl")


def test_fields_for_the_grader_are_counted(folder: Folder) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Ask {n}"}], "answer": {"n": n % 3}, "hint": "x"}
        for n in range(12)
    ]
    del rows[0]["hint"]
    folder.write("tasks.jsonl", lines(*rows))
    told = folder.run("data", "stats", "tasks.jsonl", "-o", "json").json["files"][0]["grader_fields"]
    assert told == {"answer": {"examples": 12, "values": 3}, "hint": {"examples": 11, "values": 1}}
    out = folder.ok("data", "stats", "tasks.jsonl")
    assert "answer  12  3 different values\n    hint    11  1 different value" in out
    assert "trained on: 0" not in out


def test_what_is_left_out_of_a_document_is_listed(folder: Folder) -> None:
    folder.write("a.json", json.dumps([{**ROUTED[0], "id": 3}, {**ROUTED[1], "source": None}], indent=1))
    assert "`ftops data convert a.json a.chat.jsonl` converts it." in " ".join(
        folder.run("data", "check", "a.json").out.split()
    )
    told = folder.ok("data", "convert", "a.json", "a.chat.jsonl")
    assert "left out keys that the format doesn't have: id" in told
    assert "No diff" in folder.ok("data", "diff", "a.chat.jsonl", "a.chat.jsonl")
    assert len((folder.path / "a.chat.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_lines_that_are_not_compared_are_a_warning(folder: Folder) -> None:
    folder.write("table.csv", "question,answer\nWhy?,So.\n")
    done = folder.run("data", "diff", "table.csv", "table.csv")
    assert done.err.count("2 lines of table.csv can't be read") == 1
    assert "ftops data check table.csv" in done.err


def test_answers_that_occur_once_are_divided_too(folder: Folder) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Ask {n}"},
                {"role": "assistant", "content": f"It is {n}"},
            ]
        }
        for n in range(200)
    ]
    folder.write("once.jsonl", lines(*rows))
    told = folder.run("data", "split", "once.jsonl", "--stratify", "-o", "json").json
    assert all(
        abs(file["examples"] - share) < 25 for file, share in zip(told["files"], (180, 20), strict=True)
    )


def test_a_table_without_rows_or_known_columns_says_what_to_give(folder: Folder) -> None:
    folder.write("none.csv", "question,answer\n")
    assert "none.csv has no rows" in folder.run("data", "convert", "none.csv", "x.jsonl").err
    folder.write("some.csv", "id,question,the answer\n1,Why?,So.\n")
    told = folder.run("data", "convert", "some.csv", "x.jsonl").words
    assert "The columns are id, question, the answer." in told
    assert "`ftops data convert some.csv x.jsonl --user '{question}' --assistant '{the answer}'`" in told


@pytest.mark.parametrize("arguments", ["slim chat.jsonl", "convert chat.jsonl --to tools"])
def test_what_changes_nothing_is_a_warning(folder: Folder, arguments: str) -> None:
    command, source, *rest = arguments.split()
    done = folder.run("data", command, source, "same.jsonl", *rest)
    assert done.code == 0
    assert "warning: no example has function" in done.err
    told = folder.run("data", command, source, "json.jsonl", *rest, "-o", "json").json
    assert [d["severity"] for d in told["diagnostics"]] == ["warning"]


def test_other_keys_of_our_examples_are_left_out(folder: Folder) -> None:
    question, answer = {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x"}
    folder.write("ours.jsonl", lines({"messages": [{**question, "name": None}, answer], "source": "faq"}))
    told = folder.ok("data", "convert", "ours.jsonl", "plain.jsonl")
    assert "left out keys that the format doesn't have: source" in told
    assert json.loads((folder.path / "plain.jsonl").read_text()) == {"messages": [question, answer]}
    assert folder.run("data", "convert", "plain.jsonl", "again.jsonl").code == 1


BAD_COMMANDS = {
    "columns of one name": ("convert twice.csv out.jsonl --user {q} --assistant {a}", "two columns `a`"),
    "a document that isn't JSON": ("convert bad.json out.jsonl", "not JSON"),
    "a row of no known format": ("convert mixed.json out.jsonl", "mixed.json:2"),
    "target exists": ("convert calls.jsonl chat.jsonl --to tools", "chat.jsonl exists"),
    "target is a pipe": ("convert calls.jsonl pipe --to tools --force", "not a regular file"),
    "onto itself": ("slim calls.jsonl calls.jsonl", "is the input file"),
    "nothing to do": ("convert calls.jsonl out.jsonl", "nothing to convert"),
    "no source": ("convert nowhere.jsonl out.jsonl --to tools", "can't read nowhere.jsonl"),
    "several calls": ("convert many.jsonl out.jsonl --to functions", "2 calls"),
    "not an example": ("slim odd.jsonl out.jsonl", "the line is not a JSON object"),
    "table without messages": ("convert table.csv out.jsonl", "needs message templates"),
    "messages without table": ("convert chat.jsonl out.jsonl --user x --assistant y", "has conversations"),
    "templates without columns": ("convert table.csv out.jsonl --user x --assistant y", "has a column"),
    "no such function": ("slim calls.jsonl out.jsonl --function rout", "Did you mean"),
    "no such key to group by": ("split chat.jsonl --group-by no.such", "no example has `no.such`"),
    "brace not closed": ("convert table.csv o.jsonl --user {question --assistant x", "brace is not closed"),
    "brace not opened": ("convert table.csv o.jsonl --user question} --assistant x", "brace is not opened"),
    "empty braces": ("convert table.csv out.jsonl --user {} --assistant x", "`{}` has no column name"),
    "one side": ("convert table.csv out.jsonl --user {question}", "needs a user and an assistant"),
    "no such column": ("convert table.csv out.jsonl --user {qestion} --assistant x", "Did you mean"),
    "short row": ("convert short.csv out.jsonl --user {question} --assistant {answer}", "short.csv:3"),
    "empty answer": ("convert void.csv out.jsonl --user {question} --assistant {answer}", "no text for the"),
    "empty table": ("convert empty.csv out.jsonl --user {q} --assistant {a}", "empty.csv is empty"),
    "not UTF-8": ("convert latin.csv out.jsonl --user {question} --assistant {answer}", "not UTF-8"),
    "not a mapping": ("convert table.csv out.jsonl --map ftops.yaml", "isn't a mapping"),
    "bad YAML": ("convert table.csv out.jsonl --map calls.jsonl", "calls.jsonl"),
    "shares": ("split chat.jsonl --part a=0.5", "the shares add up to 0.5"),
    "no share": ("split chat.jsonl --part a", "`a` isn't a valid part"),
    "path as a part": ("split chat.jsonl --part ../a=1", "isn't a valid part"),
    "part exists": ("split chat.jsonl", "chat.train.jsonl exists"),
    "bad way": ("slim chat.jsonl out.jsonl --drop names", "names"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_COMMANDS)
def test_refused_and_nothing_is_written(folder: Folder, name: str) -> None:
    call = {"type": "function", "function": {"name": "route", "arguments": "{}"}}
    os.mkfifo(folder.path / "pipe")
    many = {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", **call}, {"id": "b", **call}]}]}
    for file, text in {
        "many.jsonl": lines(many),
        "odd.jsonl": lines(ROUTED[0]) + "5\n",
        "table.csv": "question,answer\nWho?,You.\n",
        "short.csv": "question,answer\nWho?,You.\nWhy?\n",
        "void.csv": "question,answer\nWho?,\n",
        "empty.csv": "",
        "twice.csv": "q,a,a\nx,y,z\n",
        "bad.json": '[\n{"prompt": "x", "completion": "y"},\n{"prompt": }]',
        "mixed.json": '[{"instruction": "x", "output": "y"},\n{"text": "z"}]',
        "chat.train.jsonl": "here before",
    }.items():
        folder.write(file, text)
    (folder.path / "latin.csv").write_bytes(b"question,answer\nWho?,\xe9\n")
    before = {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()}
    command, told = BAD_COMMANDS[name]
    done = folder.run("data", *command.split())
    assert done.code == 1, done
    assert told in done.err
    assert {p: p.read_bytes() for p in folder.path.rglob("*") if p.is_file()} == before


def test_the_file_that_is_read_can_be_replaced_when_asked(folder: Folder) -> None:
    folder.ok("data", "slim", "calls.jsonl", "calls.jsonl", "--drop", "functions", "--force")
    assert "functions" not in (folder.path / "calls.jsonl").read_text(encoding="utf-8")


# the quickstart


def test_the_statistics_of_the_quickstart(folder: Folder) -> None:
    data = Path(__file__).parents[2] / "specs" / "quickstart" / "data" / "train.generated"
    folder.write("train.jsonl", (data / "dataset.jsonl").read_text(encoding="utf-8"))
    model = ("--model", "gpt-4.1-2025-04-14", "--training-type", "global_standard")
    golden("data-stats-quickstart", folder.ok("data", "stats", "train.jsonl", *model))


def test_files_of_a_project_are_known_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Git's index: by size, times and inode. What belongs to no spec is in the user's cache."""
    monkeypatch.setattr("ftops.dataset.checks.inspection_cache.SETTLED", -(10**18))  # no file is too young
    folder = Folder.make(tmp_path, "")
    lines_of_chat = [chat(f"Where to, {n}?", "sales" if n % 2 else "help") for n in range(12)]
    folder.write("a.jsonl", lines(*lines_of_chat))
    (folder.path / ".git").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    first = folder.run("data", "check", "a.jsonl")
    assert not (folder.path / ".ftops").exists()
    kept = json.loads((tmp_path / "caches/ftops/.cache/datasets.json").read_text())
    assert list(kept["files"]) == [f":{folder.path / 'a.jsonl'}"]
    (folder.path / ".ftops").mkdir()
    second = folder.run("data", "check", "a.jsonl")
    kept = json.loads((folder.path / ".ftops/.cache/datasets.json").read_text())
    assert list(kept["files"]) == [f":{folder.path / 'a.jsonl'}"]
    assert first == second == folder.run("data", "check", "a.jsonl")
    times = (folder.path / "a.jsonl").stat()
    text = (folder.path / "a.jsonl").read_text(encoding="utf-8")
    folder.write("a.jsonl", text.replace('"assistant"', '"assistent"', 1))
    os.utime(folder.path / "a.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "assistent" in folder.run("data", "check", "a.jsonl").out


@pytest.mark.parametrize("environ", [{"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}])
def test_findings_of_every_grade_in_colours_and_without(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = Folder.make(tmp_path, "")
    folder.write("a.jsonl", lines(*(chat("Where to?", "sales") for _ in range(12)), {"messages": []}))
    done = folder.run("data", "check", "a.jsonl", environ=environ)
    assert done.code == 1 and "bug" not in done.err
    assert all(f"{grade}[" in done.out for grade in ("error", "warning", "note"))
    assert ("\x1b[" in done.out) == ("FORCE_COLOR" in environ)


def test_secrets_are_dots_wherever_examples_are_told(tmp_path: Path) -> None:
    """In differences, in what explains a plan, and among the answers that are counted."""
    canary = ["AKIA" + "Q7WERTYUIOPASDFG", "https://bob:hunter2secret@db.acme.io", "jo.doe@acme.com"]
    folder = Folder.make(tmp_path, "providers: {m: {type: memory}}\ndatasets: {d: {path: b.jsonl}}\n")
    before = [chat(f"Ask {n} about {canary[n % 3]}", canary[2] if n % 2 else "ok") for n in range(14)]
    after = [chat(f"Ask {n} about {canary[n % 3]}!", canary[2] if n % 3 else "no") for n in range(14)]
    folder.write("a.jsonl", lines(*before))
    folder.write("b.jsonl", lines(*before))
    folder.ok("apply", "-y")
    folder.write("b.jsonl", lines(*after))
    commands = [("data", "diff", "a.jsonl", "b.jsonl"), ("explain", "dataset.d"), ("plan",)]
    commands += [("data", "stats", "b.jsonl"), ("data", "check", "b.jsonl")]
    commands += [("data", "show", "b.jsonl", "--random", "9"), ("data", "clean", "b.jsonl", "--dry-run")]
    for command in commands:
        for form in ("text", "json"):
            done = folder.run(*command, "-o", form)
            assert not any(secret in done.out + done.err for secret in canary), (command, form)
    kept = b"".join(file.read_bytes() for file in (folder.path / ".ftops").rglob("*") if file.is_file())
    assert not any(secret.encode() in kept for secret in canary)


@pytest.mark.parametrize("group", ["data", "state"])
def test_a_group_without_a_command_shows_its_help(tmp_path: Path, group: str) -> None:
    done = Folder.make(tmp_path, "").run(group)
    assert done.code == 0 and f"Usage: ftops {group} " in done.out and "\\n" not in done.out
