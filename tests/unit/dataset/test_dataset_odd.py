"""Files that are odd: counted as far as they can be, in bounded memory, never a traceback."""

from __future__ import annotations

import json
import resource
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftops.core.errors import UsageError
from ftops.dataset.files import jsonl_io
from ftops.dataset.profile import profile_store
from ftops.dataset.profile.diff import difference
from ftops.dataset.profile.profiler import Measured, Measurement, measure, measure_block
from ftops.dataset.profile.statistics import statistics
from ftops.dataset.profile.tokens import counter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "role", "content", "tool_calls", "function", "name", "functions", "tools"]
            )
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(JSON | st.binary(max_size=12), max_size=6))
def test_any_lines_can_be_measured(values: list[object]) -> None:
    raws = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
    block = b"\n".join(raws)
    sums, rows, _ = measure_block(bytes(7) + b"\x01" + block, Measurement("o200k_base"))
    assert sums.examples + sums.unreadable <= block.count(b"\n") + 1
    assert len(rows) == 40 * sums.examples


@pytest.mark.parametrize(
    ("raw", "is_example"),
    [
        (b"[" * 100_000, False),
        (b'{"a":' * 100_000, False),
        (b'{"a":' * 900 + b"1" + b"}" * 900, None),
        (b'{"a": NaN}', True),
        (b'{"a": "\\ud800"}', True),
        (b'{"a": ' + b"9" * 400 + b"}", True),
        (b'{"a": "\xff"}', False),
        (b'{"a": 1, "a": 2}', True),
    ],
)
def test_lines(raw: bytes, is_example: bool | None) -> None:
    measured = Measured("", *measure_block(bytes(7) + b"\x01" + raw, Measurement("o200k_base")))
    sums = statistics(measured, limit=5).sums
    assert sums.examples + sums.unreadable == 1
    if is_example is not None:
        assert bool(sums.examples) == is_example


def test_texts_that_never_come_again_take_no_memory() -> None:
    count = counter("o200k_base").count
    tracemalloc.start()
    for number in range(1200):
        count(f"{number} " * 2500)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=st.integers(0, 400), junk=st.binary(max_size=5))
def test_a_summary_that_is_damaged_is_measured_anew(tmp_path: Path, damage: int, junk: bytes) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"messages": [{"role": "user", "content": "x"}]}\n' * 3, encoding="utf-8")
    whole = measure(file, "o200k_base")
    assert profile_store.summary(file, whole.digest, "o200k_base", tmp_path) == whole
    (kept,) = (tmp_path / ".ftops/data").glob("*.o200k_base")
    content = kept.read_bytes()
    kept.write_bytes(content[:damage] + junk + content[damage + len(junk) :])
    again = profile_store.summary(file, whole.digest, "o200k_base", tmp_path)
    assert again == whole
    assert difference(again, whole).is_empty


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("{}\n", encoding="utf-8")
    (tmp_path / ".ftops").write_text("no folder", encoding="utf-8")
    assert profile_store.summary(file, "sha256:0", "", tmp_path).sums.examples == 1


def test_a_file_that_is_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError), jsonl_io.Writer(target) as writer:
        writer.write(b"{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_half_a_surrogate_pair_in_big_files_is_measured_by_several_as_by_one(tmp_path: Path) -> None:
    """It can't be written as UTF-8, so what is counted of it is spelt otherwise."""
    answers = ["\\ud83d ok", "fine"] * 3000
    line = '{"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "%s"}]}\n'
    path = tmp_path / "a.jsonl"
    path.write_text("".join(line % (f"{n} {'word ' * 300}", a) for n, a in enumerate(answers)), "utf-8")
    one, two = (measure(path, "o200k_base", processes) for processes in (1, 2))
    assert one == two
    assert one.sums.labels == {"? ok": 3000, "fine": 3000}


def test_a_file_that_can_not_grow_leaves_nothing(tmp_path: Path) -> None:
    """As on a disk that is full."""
    path = tmp_path / "a.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"can't write .*a\.jsonl"), jsonl_io.Writer(path) as writer:
            writer.write(b"x" * 1_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [*tmp_path.iterdir()]
