"""Runs of evals: their rows are read, put to a deployment if the run says so, and graded.

A row whose answer or grade fails is an error, and neither passed nor failed. What is computed is shown from a
time of the virtual clock on. A server that was stopped computes an unfinished run again when it starts.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ftops.emulator.account.cloud import JSON, Cloud, EvalRun, StoredEval, derived_hex
from ftops.emulator.data_plane import eval_request, files, response_request
from ftops.emulator.data_plane.answering import Answered
from ftops.emulator.data_plane.eval_request import ASKING, LABEL
from ftops.emulator.data_plane.graders import Graders
from ftops.emulator.grading.judge import filled_messages
from ftops.emulator.grading.outcome import Case, Grade, Ungraded, Usage, output
from ftops.emulator.http.errors import ServiceError

Ask = Callable[[str, Mapping[str, Any]], Answered]
"""The answer of a deployment to the body of a chat completion. Raises ServiceError."""
_AT_ONCE = 2
_SEED = 42  # of answers, if a run has none, as documented
_RANGE = (0.0, 1.0)


class Runs:
    """Of one server."""

    def __init__(self, cloud: Cloud, graders: Graders, ask: Ask) -> None:
        self._cloud, self._graders, self._ask = cloud, graders, ask
        self._places = threading.Semaphore(_AT_ONCE)
        self._running: dict[str, threading.Event] = {}

    def resume(self) -> None:
        """Compute the runs that a stopped server left unfinished."""
        for run in self._cloud.eval_runs.all():
            if run.outcome is None and not run.canceled:
                self.start(run)

    def start(self, run: EvalRun) -> None:
        stopped = self._running[run.id] = threading.Event()
        threading.Thread(target=self._compute, args=(run, stopped), daemon=True).start()

    def stop(self, run: str) -> None:
        """Stop computing, if it is."""
        if stopped := self._running.pop(run, None):
            stopped.set()

    def stop_all(self) -> None:
        for run in list(self._running):
            self.stop(run)

    def _compute(self, run: EvalRun, stopped: threading.Event) -> None:
        with self._places:
            found = self._cloud.evals.get(run.eval)
            if found is None or stopped.is_set():
                return
            try:
                outcome, items = self._evaluated(found, run, stopped)
            except ServiceError as error:
                outcome, items = {"error": {"code": error.code, "message": error.message}}, []
        with self._cloud.lock:
            now = self._cloud.eval_runs.get(run.id)
            if stopped.is_set() or now is None:
                return
            lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            self._cloud.eval_items(run.id).write_text("".join(lines), "utf-8")
            self._cloud.eval_runs.put(replace(now, outcome=outcome))
            self._running.pop(run.id, None)

    def _evaluated(
        self, found: StoredEval, run: EvalRun, stopped: threading.Event
    ) -> tuple[JSON, Sequence[JSON]]:
        rows = [
            self._answered(run, row) for row in _rows(self._cloud, found, run.source) if not stopped.is_set()
        ]
        cases = [Case(row.item, row.sample) for row in rows if not row.error]
        grades = {criterion["id"]: self._grades(criterion, cases, stopped) for criterion in found.criteria}
        usage = [row.usage for row in rows if row.usage]
        usage += [used for column in grades.values() for grade in column for used in grade.usage]
        items, graded = [], iter(range(len(cases)))
        for number, row in enumerate(rows):
            position = None if row.error else next(graded)
            results = [
                _result(self._cloud, criterion, grades[criterion["id"]][position])
                for criterion in found.criteria
                if position is not None
            ]
            items.append(_item(run, number, row, results))
        return {**_counted(found, items), "per_model_usage": _usage(usage)}, items

    def _grades(self, criterion: JSON, cases: Sequence[Case], stopped: threading.Event) -> list[Grade]:
        if criterion["type"] == LABEL:
            return self._graders.label(criterion, cases)
        return self._graders.grade(criterion, cases, stopped)

    def _answered(self, run: EvalRun, row: _Row) -> _Row:
        """The row with the answer of the deployment, if the run asks one."""
        if run.source["type"] not in ASKING:
            return row
        try:
            body = _question(run.source, row)
            found = self._ask(run.source["model"], body)
        except ServiceError as error:
            return row._replace(error={"code": error.code, "message": error.message})
        except Ungraded as exc:
            return row._replace(error={"code": exc.flag, "message": exc.details})
        message, usage = found.answers[0].message, found.usage
        sample = {
            **output(str(message.get("content") or "")),
            "output_tools": message.get("tool_calls") or [],
            "model": found.model,
            "choices": [{"index": 0, "message": message, "finish_reason": found.answers[0].reason}],
        }
        used = Usage(found.model, usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
        return row._replace(sample=sample, asked=body, usage=used)


# Rows


class _Row(NamedTuple):
    item: JSON
    sample: JSON
    asked: JSON | None = None  # the body of the chat completion
    usage: Usage | None = None
    error: JSON | None = None


def _rows(cloud: Cloud, found: StoredEval, source: JSON) -> Iterator[_Row]:
    """Raises ServiceError if the data of a run can't be used."""
    validator = eval_request.row_validator(found.config)
    rows = source["source"]
    for number, row in enumerate(rows["content"] if "content" in rows else _lines(cloud, rows["id"]), 1):
        item = row.get("item") if isinstance(row, dict) else None
        if not isinstance(item, dict):
            raise _unusable(f"Row {number} has no 'item'.")
        error = next(validator.iter_errors(item), None)
        if error is not None:
            reason = error.message.partition("\n")[0]
            raise _unusable(f"Row {number} doesn't fit the item_schema: {reason}")
        yield _Row(item, _given_sample(row.get("sample")))


def _lines(cloud: Cloud, name: str) -> Iterator[Any]:
    file = files.find(cloud, name)
    if file is None:
        raise _unusable(f"The file '{name}' does not exist.")
    text = cloud.content(name).read_text("utf-8-sig", errors="replace")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise _unusable(f"Line {number} of the file '{name}' is not JSON.") from exc


def _unusable(message: str) -> ServiceError:
    return ServiceError(400, "UserError", message)


def _given_sample(sample: Any) -> JSON:
    """The sample of a row; of a chat completion, also its text."""
    if not isinstance(sample, dict):
        return {}
    choices = sample.get("choices")
    if "output_text" in sample or not isinstance(choices, list) or not choices:
        return sample
    message = choices[0].get("message") if isinstance(choices[0], dict) else None
    text = message.get("content") if isinstance(message, dict) else None
    return {**output(text), **sample} if isinstance(text, str) else sample


def _question(source: JSON, row: _Row) -> JSON:
    """The body of a chat completion. Raises Ungraded or ServiceError."""
    given, case = source["input_messages"], Case(row.item, {})
    if given["type"] == "template":
        messages: Any = filled_messages(given["template"], case)
    else:
        messages = row.item
        for step in given["item_reference"].removeprefix("item.").split("."):
            messages = messages.get(step) if isinstance(messages, dict) else None
    params = dict(source.get("sampling_params") or {})
    if source["type"] == "responses":
        text, tools = params.pop("text", None), params.pop("tools", None)
        params |= response_request.chat_parameters(text, tools)
    if longest := params.pop("max_completions_tokens", None):  # the service spells it so
        params["max_completion_tokens"] = longest
    given_params = {key: value for key, value in params.items() if value is not None}
    return {"seed": _SEED, **given_params, "messages": messages}


# Results


def _result(cloud: Cloud, criterion: JSON, grade: Grade) -> JSON:
    """Without a score, it is an error."""
    named = {"name": criterion["id"], "type": criterion["type"]}
    if grade.reward is None:
        error = {"code": grade.error, "message": grade.details}
        return {**named, "score": None, "passed": False, "status": "error", "sample": {"error": error}}
    low, high = criterion.get("range", _RANGE)
    usual = (
        1.0 if criterion["type"] == "string_check" else low + cloud.settings.eval_pass_share * (high - low)
    )
    threshold = criterion.get("pass_threshold")
    return {
        **named,
        "score": grade.reward,
        "passed": grade.reward >= (usual if threshold is None else threshold),
    }


def _item(run: EvalRun, number: int, row: _Row, results: Sequence[JSON]) -> JSON:
    is_error = row.error is not None or any(result.get("status") == "error" for result in results)
    status = "error" if is_error else "pass" if all(result["passed"] for result in results) else "fail"
    return {
        "id": f"outputitem_{derived_hex(run.id, number)}",
        "object": "eval.run.output_item",
        "created_at": int(run.created),
        "run_id": run.id,
        "eval_id": run.eval,
        "status": status,
        "datasource_item_id": number,
        "datasource_item": row.item,
        "results": list(results),
        "sample": _shown_sample(row),
    }


def _shown_sample(row: _Row) -> JSON:
    asked, choices = row.asked or {}, row.sample.get("choices") or []
    used = row.usage or Usage("", 0, 0)
    messages = [choice["message"] for choice in choices if isinstance(choice, dict) and "message" in choice]
    if not messages and "output_text" in row.sample:
        messages = [{"role": "assistant", "content": row.sample["output_text"]}]
    return {
        "input": asked.get("messages", []),
        "output": messages,
        "finish_reason": choices[0].get("finish_reason") if choices else None,
        "model": row.sample.get("model"),
        "usage": {
            "total_tokens": used.prompt + used.completion,
            "completion_tokens": used.completion,
            "prompt_tokens": used.prompt,
            "cached_tokens": 0,
        },
        "error": row.error,
        "temperature": asked.get("temperature", 1.0),
        "max_completion_tokens": asked.get("max_completion_tokens"),
        "top_p": asked.get("top_p", 1.0),
        "seed": asked.get("seed"),
    }


def _counted(found: StoredEval, items: Sequence[JSON]) -> JSON:
    statuses = Counter(item["status"] for item in items)
    results = [result for item in items for result in item["results"] if result.get("status") != "error"]
    passed = Counter(result["name"] for result in results if result["passed"])
    failed = Counter(result["name"] for result in results if not result["passed"])
    return {
        "result_counts": {
            "total": len(items),
            "errored": statuses["error"],
            "failed": statuses["fail"],
            "passed": statuses["pass"],
        },
        "per_testing_criteria_results": [
            {"testing_criteria": row["id"], "passed": passed[row["id"]], "failed": failed[row["id"]]}
            for row in found.criteria
        ],
    }


def _usage(used: Iterable[Usage]) -> list[JSON]:
    """Tokens and requests of each model. The service's own requests are never answered from the cache."""
    found: dict[str, JSON] = {}
    for one in used:
        row = found.setdefault(
            one.model,
            {
                "model_name": one.model,
                "invocation_count": 0,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "total_tokens": 0,
                "cached_tokens": 0,
            },
        )
        row["invocation_count"] += 1
        row["prompt_tokens"] += one.prompt
        row["completion_tokens"] += one.completion
        row["total_tokens"] += one.prompt + one.completion
    return list(found.values())
