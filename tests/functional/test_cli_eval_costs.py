"""`ftops eval`: tokens, costs, latencies and budgets, over HTTP to the emulator."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.support.command import ROOT, ftops, in_process
from tests.support.emulator_admin import Admin

SPEC = """\
providers: {local: {type: emulator, settings: {answer_seconds: 0.04}}}
deployments:
  mini: {model: gpt-4o-mini-2024-07-18, sku: {name: GlobalStandard, capacity: 5}}
  nano: {model: gpt-4.1-nano-2025-04-14, sku: {name: Standard, capacity: 5}}
  replay: {model: replay}
"""
UNKNOWN = "models: {gpt-4.1-nano-2025-04-14: {prices: {inference_per_million: {Standard: }}}}\n"
OFFER = ("--prompts", "prompts.json", "--tools", "functions.json", "--system", "system.txt")
BOTH = ("--deployment", "mini", "--against", "nano", *OFFER, "-y")
CALLS = "/chat/completions"


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("costs")
    (folder / "ftops.yaml").write_text(SPEC)
    for name in ("prompts.json", "functions.json", "system.txt"):
        shutil.copy(ROOT / "specs" / "quickstart" / name, folder)
    done = in_process(folder, "apply", "-y")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(applied: Path) -> Iterator[Path]:
    """Without answers and with the usual prices."""
    yield applied
    shutil.rmtree(applied / ".ftops" / "answers", ignore_errors=True)
    (applied / "ftops.catalog.yaml").unlink(missing_ok=True)
    Admin.of(applied).delete("log")


def evaluate(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    done = ftops(folder, "eval", *words, code=code)
    return done.stdout, done.stderr


def metrics(folder: Path, *words: str, code: int = 0) -> list[dict[str, Any]]:
    found = json.loads(evaluate(folder, *words, "-o", "json", code=code)[0])
    return [model["metrics"] for model in found["models"]]


def test_costs_are_by_the_prices_of_model_and_sku(folder: Path) -> None:
    mini, nano = metrics(folder, *BOTH)
    for found, (price, cached, output) in ((mini, (0.15, 0.075, 0.60)), (nano, (0.11, 0.028, 0.44))):
        tokens = [found[f"{kind}_tokens"] for kind in ("input", "cached", "output")]
        assert tokens[0] > 1800 and tokens[1] > 1000 and tokens[2] > 3
        spent = (tokens[0] - tokens[1]) * price + tokens[1] * cached + tokens[2] * output
        assert found["cost_per_1000"] == pytest.approx(spent / 1000)
        assert found["prices_as_of"] == "2026-08-11"


def test_latencies_are_those_of_new_answers_only(folder: Path) -> None:
    mini = metrics(folder, *BOTH)[0]["latency"]
    assert (mini["answers"], mini["p95"]) == (20, None)
    low, high = mini["median"]["interval"]
    assert 0 < low <= mini["median"]["milliseconds"] <= high
    assert [found["latency"] for found in metrics(folder, *BOTH)] == [None, None]
    more = metrics(folder, *BOTH, "--samples", "3")[0]["latency"]
    assert more["answers"] == 40
    assert more["p95"]["milliseconds"] >= more["median"]["milliseconds"]
    kept = [row for row in map(json.loads, kept_lines(folder)) if "key" in row]
    assert {row["sku"] for row in kept} == {"GlobalStandard", "Standard"}
    assert all(row["answer"]["milliseconds"] > 0 and row["at"] for row in kept)


def kept_lines(folder: Path) -> Iterator[str]:
    for file in (folder / ".ftops" / "answers").rglob("*.jsonl"):
        yield from file.read_text(encoding="utf-8").splitlines()


def kept_keys(folder: Path) -> list[str]:
    return [row["key"] for row in map(json.loads, kept_lines(folder)) if "key" in row]


def test_every_report_has_tokens_and_costs(folder: Path) -> None:
    outs = [word for name in ("r.html", "r.md", "r.xml", "r.json") for word in ("--out", name)]
    shown, _ = evaluate(folder, *BOTH, *outs)
    (row,) = re.findall(r"^mini .*$", shown, re.M)
    cells = re.split(r"\s{2,}", row)
    assert re.fullmatch(r"[\d,]+ ms \[[\d,]+, [\d,]+\]", cells[5])
    assert cells[6] == "n/a"
    assert "Prices as of 2026-08-11." in shown
    assert "Latencies of 20 and 20 new answers; p95 needs 40." in shown
    assert row in (folder / "r.md").read_text(encoding="utf-8")
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert "".join(f"<td>{cell}</td>" for cell in cells) in page
    suite = ElementTree.fromstring((folder / "r.xml").read_text(encoding="utf-8"))[0]
    found = {p.get("name"): float(p.get("value", "")) for p in suite.iter("property")}
    model = json.loads((folder / "r.json").read_text(encoding="utf-8"))["models"][0]["metrics"]
    assert found["cost_per_1000"] == pytest.approx(model["cost_per_1000"], rel=1e-4)
    assert cells[4] == f"{model['cost_per_1000']:.4f}"
    again, _ = evaluate(folder, *BOTH)
    assert "Cached answers have no latency (--fresh)." in again


def test_35_an_unknown_price_is_not_zero(folder: Path) -> None:
    (folder / "ftops.catalog.yaml").write_text(UNKNOWN)
    shown, _ = evaluate(folder, *BOTH)
    assert re.search(r"^nano +[\d,]+ +[\d,]+ +[\d,]+ +n/a ", shown, re.M)
    assert "A price isn't known: add it to ftops.catalog.yaml." in shown
    mini, nano = metrics(folder, *BOTH)
    assert mini["cost_per_1000"] > 0
    assert (nano["cost_per_1000"], nano["prices_as_of"]) == (None, None)


def test_the_expected_cost_is_said_before_anything_is_sent(folder: Path) -> None:
    words = ("--deployment", "mini", *OFFER)
    before = Admin.of(folder).count(CALLS)
    done = in_process(folder, "eval", *words)  # nobody approves
    assert done.returncode == 1
    assert Admin.of(folder).count(CALLS) == before
    assert "The emulator is free; the service would charge:" in done.stderr
    (tokens, spent) = re.findall(
        r"  mini: about ([\d,]+) tokens in: (\$[\d.]+), and \$0.6 per mill", done.stderr
    )[0]
    assert spent == f"${int(tokens.replace(',', '')) * 0.15 / 1e6:.4f}"
    limited = ("--setting", "max_tokens=50")
    assert re.search(r"mini: about [\d,]+ tokens in, at most 1,000 out: at most about \$0\.00\d\d\n",
                     in_process(folder, "eval", *words, *limited).stderr)  # fmt: skip
    evaluate(folder, *words, "-y")
    assert "mini" not in in_process(folder, "eval", *words).stderr, "nothing is sent"
    more = in_process(folder, "eval", *words, "--samples", "2")
    assert re.search(r"mini: about [\d,]+ tokens in, about [\d,]+ out: about \$0\.00\d\d\n", more.stderr)


def test_answers_that_reach_their_limit_are_a_class_of_their_own(folder: Path) -> None:
    words = (
        "--deployment",
        "mini",
        *OFFER,
        "-y",
        "--setting",
        "max_tokens=2",
        "--setting",
        "tool_choice=required",
    )
    found = json.loads(evaluate(folder, *words, "-o", "json")[0])["models"][0]
    assert {row["class"] for row in found["wrong"]} == {"truncated"}
    assert found["metrics"]["output_tokens"] <= 2


def test_the_rate_limits_of_deployments_are_kept(folder: Path) -> None:
    """Five requests in ten seconds of virtual time each, none of which is lost."""
    admin = Admin.of(folder)
    admin.patch("settings", {"requests_per_unit": 1})
    admin.post("clock", {"rate": 60})
    found = json.loads(evaluate(folder, *BOTH, "-o", "json")[0])
    admin.patch("settings", {"requests_per_unit": 0})
    admin.post("clock", {"rate": 1})
    assert found["is_complete"]
    statuses = [row["status"] for row in admin.get("log")["requests"] if CALLS in row["path"]]
    assert statuses.count(200) == 40
    assert 429 in statuses


def test_a_budget_stops_and_another_run_continues(folder: Path) -> None:
    admin = Admin.of(folder)
    _, told = evaluate(folder, *BOTH, "--max-cost", "0.003", code=1)
    sent = admin.count(CALLS)
    assert 5 < sent < 35
    spent = float(re.findall(r"requests weren't sent: of \$0.003, about \$(0\.\d+) are spent", told)[0])
    assert spent <= 0.003 + 0.0006, (
        "only the first answer of each model, whose length nobody knows, exceeds it"
    )
    found = json.loads(evaluate(folder, *BOTH, "--max-cost", "0.000001", "-o", "json", code=1)[0])
    assert not found["is_complete"]
    assert found["verdicts"] == {"mini": "incomplete"}
    assert admin.count(CALLS) == sent + 1, "the first answer of a model may have any length"
    _, told = evaluate(folder, *BOTH, "--max-cost", "1")
    assert f"{40 - sent - 1} requests to send, {sent + 1} answers cached" in told
    assert admin.count(CALLS) == 40


def test_a_budget_needs_prices(folder: Path) -> None:
    (folder / "ftops.catalog.yaml").write_text(UNKNOWN)
    _, told = evaluate(folder, *BOTH, "--max-cost", "1", code=1)
    assert "--max-cost can't be kept: the price of deployment nano isn't known" in told
    assert "no price of gpt-4.1-nano-2025-04-14 with the SKU Standard" in told
    assert Admin.of(folder).count(CALLS) == 0
    _, told = evaluate(folder, *BOTH)
    assert re.search(r"nano: about [\d,]+ tokens in: the price isn't known", told)


def test_a_gate_can_limit_the_cost_of_a_model(folder: Path, tmp_path: Path) -> None:
    files = "prompts: prompts.json, tools: functions.json, system: system.txt"
    spec = f"""\
deployments:
  mini: {{model: gpt-4o-mini-2024-07-18, sku: {{name: GlobalStandard, capacity: 5}}}}
  nano:
    model: gpt-4.1-nano-2025-04-14
    gate: {{evaluation: cost, require: {{cost_per_1000: {{at_most: LIMIT}}}}}}
evaluations:
  cost: {{model: gpt-4.1-nano-2025-04-14, baseline: gpt-4o-mini-2024-07-18, {files}}}
outputs: {{cost: "${{evaluation.cost.metrics.cost_per_1000}}"}}
"""
    for name in ("prompts.json", "functions.json", "system.txt"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "ftops.yaml").write_text(spec.replace("LIMIT", "0.01"))
    done = in_process(tmp_path, "apply", "-y")
    assert done.returncode == 5, done.stderr
    held = re.search(r"cost_per_1000 is ([\d.]+), at most 0\.01 is required", done.stdout + done.stderr)
    assert held is not None
    shown = float(in_process(tmp_path, "output", "cost", "--raw").stdout)
    assert shown == pytest.approx(float(held[1]), rel=1e-3)
    (tmp_path / "ftops.yaml").write_text(spec.replace("LIMIT", f"{shown + 0.01}"))
    assert in_process(tmp_path, "apply", "-y").returncode == 0
    kept = [json.loads(line) for line in kept_lines(tmp_path)]
    assert {row["sku"] for row in kept if "key" in row} == {"GlobalStandard", "Standard"}


def test_the_budget_of_an_evaluation_is_for_each_run(folder: Path, tmp_path: Path) -> None:
    spec = """\
deployments:
  nano: {model: gpt-4.1-nano-2025-04-14, sku: {name: Standard, capacity: 5}}
evaluations:
  cost:
    model: gpt-4.1-nano-2025-04-14
    baseline: none
    prompts: prompts.json
    tools: functions.json
    budget: 0.001
"""
    for name in ("prompts.json", "functions.json"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "ftops.yaml").write_text(spec)
    (tmp_path / "ftops.catalog.yaml").write_text(UNKNOWN)
    done = in_process(tmp_path, "apply", "-y")
    assert done.returncode == 1
    assert "its budget can't be kept: the price of gpt-4.1-nano-2025-04-14 isn't known" in done.stderr
    (tmp_path / "ftops.catalog.yaml").unlink()
    assert not kept_keys(tmp_path)
    done = in_process(tmp_path, "apply", "-y")
    assert done.returncode == 1
    assert (
        "of 20 answers are missing: the rest of the budget of $0.001 isn't enough"
        in done.stdout + done.stderr
    )
    assert 2 < len(kept_keys(tmp_path)) < 20
    for _ in range(5):
        done = in_process(tmp_path, "apply", "-y")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(kept_keys(tmp_path)) == len(set(kept_keys(tmp_path))) == 20


@pytest.mark.parametrize("amount", ["nan", "inf", "0", "-1"])
def test_a_limit_of_costs_is_an_amount(tmp_path: Path, amount: str) -> None:
    done = in_process(tmp_path, "eval", "--deployment", "a", "--prompts", "p.json", "--max-cost", amount)
    assert done.returncode == 1
    assert "invalid value for '--max-cost'" in done.stderr
