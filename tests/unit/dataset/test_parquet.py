"""Parquet files: rows of every kind become the values that people mean; broken files say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from ftops.core.errors import FtopsError
from ftops.dataset import inspect
from ftops.dataset.transforms import tabular
from ftops.dataset.transforms.sources import Reader, is_foreign

U, A = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
CALLING = {"role": "assistant", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "5"}
KINDS = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": KINDS}}]
OTHER = [
    {
        "type": "function",
        "function": {"name": "g", "parameters": {"type": "object", "properties": {"y": KINDS}}},
    }
]
ROWS: Mapping[str, tuple[list[dict[str, Any]], list[dict[str, Any]] | None]] = {
    "messages": ([{"messages": [U, A], "id": 3}] * 2, [{"messages": [U, A]}] * 2),
    "functions that differ": (
        [
            {"messages": [U, CALLING, RESULT, A], "tools": TOOLS},
            {"messages": [U, A], "tools": OTHER},
            {"messages": [U, A]},
        ],
        [
            {"tools": TOOLS, "messages": [U, CALLING, RESULT, A]},
            {"tools": OTHER, "messages": [U, A]},
            {"messages": [U, A]},
        ],
    ),
    "arguments that are columns": (
        [
            {
                "messages": [
                    U,
                    {
                        "role": "assistant",
                        "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {"x": 1}}}],
                    },
                ]
            }
        ],
        [{"messages": [U, CALLING]}],
    ),
    "json text": (
        [{"messages": json.dumps([U, CALLING, RESULT, A]), "tools": json.dumps(TOOLS)}],
        [{"tools": TOOLS, "messages": [U, CALLING, RESULT, A]}],
    ),
    "sharegpt": (
        [
            {
                "conversations": [{"from": "human", "value": "Where?"}, {"from": "gpt", "value": "There."}],
                "id": "x",
            }
        ],
        [{"messages": [U, A]}],
    ),
    "conversations": ([{"conversations": [U, A]}], [{"messages": [U, A]}]),
    "alpaca with nulls": (
        [
            {"instruction": "Where?", "input": None, "output": "There."},
            {"instruction": "Add", "input": "1", "output": "2"},
        ],
        None,
    ),
    "pairs": (
        [{"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [CALLING]}],
        [{"input": {"messages": [U]}, "preferred_output": [A], "non_preferred_output": [CALLING]}],
    ),
    "pairs of answers": (
        [{"prompt": "Where?", "chosen": [U, A], "rejected": [U, {**A, "content": "No."}]}],
        [
            {
                "input": {"messages": [U]},
                "preferred_output": [A],
                "non_preferred_output": [{**A, "content": "No."}],
            }
        ],
    ),
    "tasks": (
        [
            {
                "messages": [U],
                "answer": Decimal("1.50"),
                "day": date(2026, 1, 2),
                "raw": b"abc",
                "n": float("nan"),
                "tags": ["a"],
            }
        ],
        [{"messages": [U], "answer": "1.50", "day": "2026-01-02", "raw": "abc", "tags": ["a"]}],
    ),
}


def write(path: Path, table: arrow.Table, **options: Any) -> Path:
    parquet.write_table(table, path, **options)
    return path


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("suffix", [".parquet", ".data"])
def test_rows_become_examples(tmp_path: Path, name: str, suffix: str) -> None:
    rows, wanted = ROWS[name]
    path = write(tmp_path / f"a{suffix}", arrow.Table.from_pylist(rows))
    assert inspect(path).counts == {"file/table": 1}
    assert is_foreign(path)
    found = [example for _, example in Reader().read(path, "a")]
    assert found == (wanted or found)
    assert len(found) == len(rows)


NUMBERS = arrow.map_(arrow.string(), arrow.int64())
CELLS: Mapping[str, tuple[Any, list[str]]] = {
    "date": ([date(2026, 1, 2), None], ["2026-01-02", ""]),
    "time": ([time(1, 2), time(3)], ["01:02:00", "03:00:00"]),
    "timestamp": ([datetime(2026, 1, 2), datetime(2026, 1, 2, 3, 4)], ["2026-01-02", "2026-01-02 03:04:00"]),
    "zoned": (
        arrow.array([datetime(2026, 1, 2, 3, tzinfo=UTC)] * 2, arrow.timestamp("us", "UTC")),
        ["2026-01-02 03:00:00+00:00"] * 2,
    ),
    "nanoseconds": (arrow.array([1, 10**9], arrow.timestamp("ns")), ["1970-01-01", "1970-01-01 00:00:01"]),
    "duration": ([timedelta(seconds=90), None], ["0:01:30", ""]),
    "bytes": (["ä".encode(), b"\xff\xfe"], ["ä", "//4="]),
    "float": ([float("nan"), 1.5], ["", "1.5"]),
    "infinite": ([float("inf"), -0.5], ["", "-0.5"]),
    "single": (arrow.array([0.1, 3], arrow.float32()), ["0.1", "3.0"]),
    "dictionary": (arrow.array(["x", None]).dictionary_encode(), ["x", ""]),
    "decimal": ([Decimal("1.50"), None], ["1.50", ""]),
    "structs": ([[{"a": 1, "b": date(2026, 1, 2)}], []], ['[{"a": 1, "b": "2026-01-02"}]', "[]"]),
    "map": (arrow.array([[("k", 1)], [("é", 2)]], NUMBERS), ['{"k": 1}', '{"é": 2}']),
    "large": (arrow.array(["u", "v"], arrow.large_string()), ["u", "v"]),
    "view": (arrow.array(["u", "v"], arrow.string_view()), ["u", "v"]),
    "numbers": (arrow.array([[1, None], []], arrow.list_(arrow.int8())), ["[1, null]", "[]"]),
    "list of nan": ([[float("nan")], [1.0]], ["[null]", "[1.0]"]),
    "null": (arrow.nulls(2), ["", ""]),
    "boolean": ([True, False], ["true", "false"]),
    "big": (arrow.array([2**64 - 1, 0], arrow.uint64()), ["18446744073709551615", "0"]),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_are_written_as_people_mean_them(tmp_path: Path, name: str) -> None:
    values, texts = CELLS[name]
    path = write(tmp_path / "a.parquet", arrow.table({"q": ["x", "y"], "cell": values}))
    templates = (tabular.Template("user", "{q}"), tabular.Template("assistant", "({cell})"))
    found = [
        example["messages"][1]["content"] for example in tabular.chats(path, tabular.table(path), templates)
    ]
    assert found == [f"({text})" for text in texts]


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "brotli", "lz4", "none"])
def test_every_compression_is_read(tmp_path: Path, compression: str) -> None:
    rows = arrow.Table.from_pylist(
        [{"prompt": f"Where is {n}?", "completion": "There."} for n in range(2500)]
    )
    path = write(tmp_path / "a.parquet", rows, compression=compression, row_group_size=999)
    assert len(list(Reader().read(path, "a"))) == 2500


def no_text() -> arrow.Array:
    """A column of text whose second value isn't UTF-8."""
    return arrow.Array.from_buffers(arrow.string(), 2, arrow.array([b"fine", b"\xff\xfe"]).buffers())


def test_a_value_that_has_no_meaning_names_its_row_and_column(tmp_path: Path) -> None:
    far = arrow.array([0, 2**62], arrow.timestamp("us"))
    for column in (no_text(), far):
        path = write(
            tmp_path / "a.parquet", arrow.table({"prompt": ["x", "y"], "completion": ["x", "y"], "z": column})
        )
        with pytest.raises(FtopsError, match="the value of `z` can't be read") as caught:
            list(Reader().read(path, "a"))
        [diagnostic] = caught.value.diagnostics
        assert diagnostic.place is not None and diagnostic.place.line == 2


def test_broken_files_say_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", arrow.Table.from_pylist([{"prompt": "x", "completion": "y"}] * 9))
    whole = path.read_bytes()
    for content in (whole[:-9], b"", b"hello", whole[:8] + bytes(40) + whole[48:], whole[:4]):
        path.write_bytes(content)
        with pytest.raises(FtopsError, match="isn't a Parquet file that can be read"):
            list(Reader().read(path, "a"))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [arrow.array(["a"]), arrow.array(["b"])]
    path = write(tmp_path / "a.parquet", arrow.Table.from_arrays(columns, names=["prompt", "prompt"]))
    with pytest.raises(FtopsError, match="two columns `prompt`"):
        list(Reader().read(path, "a"))
