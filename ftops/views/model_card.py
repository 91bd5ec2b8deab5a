"""Model card in the form of Hugging Face: metadata in YAML, then Markdown. Text of specs is escaped. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ftops.core.nested import object_at
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.estimate import about, dollars
from ftops.providers.training_results import checkpoint_word
from ftops.session.report.card import ModelCard
from ftops.session.report.values import ReportedEvaluation
from ftops.session.sweep import scores_of
from ftops.views.markdown_text import block, cell, code, table
from ftops.views.paint import clean
from ftops.views.values import duration, show

_METHODS = {"supervised": "sft", "dpo": "dpo", "reinforcement": "rft"}
_METRIC_IDS = {"exact": "exact_match", "string_check": "exact_match"}
"""Types of graders → ids of metrics at Hugging Face; others keep their name."""
_MOST_STEPS, _MOST_CURVES = 8, 5
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#!|~&$]|^[-+])")


_WITH_KEY = """from openai import OpenAI

client = OpenAI()  # reads OPENAI_BASE_URL and OPENAI_API_KEY
"""
_SIGNED_IN = """from azure.identity import DefaultAzureCredential, get_bearer_token_provider
from openai import AzureOpenAI

scope = "https://cognitiveservices.azure.com/.default"
token = get_bearer_token_provider(DefaultAzureCredential(), scope)
client = AzureOpenAI(azure_ad_token_provider=token)  # reads AZURE_OPENAI_ENDPOINT and OPENAI_API_VERSION
"""


def model_card(card: ModelCard) -> str:
    """The whole document."""
    import yaml  # only for a card

    meta = yaml.safe_dump(metadata(card), sort_keys=False, allow_unicode=True)
    sections = {
        f"Model card of {code(card.model)}": _description(card),
        "Intended use": _said(card, "intended_use"),
        "Training data": _data(card),
        "Training procedure": _procedure(card),
        "Evaluation": _evaluation(card),
        "Costs": _costs(card),
        "Lineage": _lineage(card),
        "How to call it": _call(card),
        "Limits": _limits(card),
    }
    parts = [
        f"{'##' if n else '#'} {title}\n\n{''.join(text)}" for n, (title, text) in enumerate(sections.items())
    ]
    return f"---\n{meta}---\n\n" + "\n".join(parts)


def metadata(card: ModelCard) -> dict[str, Any]:
    """Of the model at Hugging Face. A license and languages only if the job's metadata declares them."""
    words, job = card.words, card.job
    method = str(job.record.inputs.get("method") or "supervised")
    found: dict[str, Any] = {
        "language": _listed(words.get("language", "")),
        **{name: words.get(name) for name in ("license", "license_name", "license_link")},
        "base_model": job.base,
        "pipeline_tag": "text-generation",
        "tags": ["ftops", "fine-tuned", _METHODS.get(method, method), *_listed(words.get("tags", ""))],
        "datasets": _listed(words.get("datasets", "")) or _datasets(card),
    }
    results = [result for one in card.report.evaluations for result in _results(card, one)]
    if results:
        found["model-index"] = [{"name": card.model, "results": results}]
    return {name: _in_lines(value) for name, value in found.items() if value}


def _in_lines(value: Any) -> Any:
    """The same, each text in one line without control and direction characters."""
    if isinstance(value, Mapping):
        return {name: _in_lines(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_lines(one) for one in value]
    return clean(" ".join(value.split())) if isinstance(value, str) else value


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _datasets(card: ModelCard) -> list[str]:
    """Names within the spec: they aren't at Hugging Face."""
    return [f"{card.report.spec}/{use.address.name}" for use in card.job.data if use.address]


def _results(card: ModelCard, one: ReportedEvaluation) -> Iterator[dict[str, Any]]:
    """A result for each evaluation of the final model, or of its best checkpoint that was asked."""
    for address, score in scores_of(card.job.record, [one.record]):
        if not math.isfinite(score):
            continue
        prompts = str(one.record.inputs.get("prompts") or "")
        graders = object_at(one.record.inputs, "graders")
        deciding = next(iter(graders), "")
        kind = str(object_at(graders, deciding).get("type") or deciding or "accuracy")
        metrics = [{"type": _METRIC_IDS.get(kind, kind), "name": deciding or "score", "value": score}]
        if one.record.outputs.get("best") == card.model:
            for name, value in object_at(one.record.outputs, "metrics", "graders").items():
                if name != deciding and isinstance(value, int | float) and math.isfinite(value):
                    other = str(object_at(graders, name).get("type") or name)
                    metrics.append({"type": _METRIC_IDS.get(other, other), "name": name, "value": value})
        yield {
            "task": {"type": "text-generation", "name": address},
            "dataset": {"type": prompts or address, "name": prompts or address},
            "metrics": metrics,
        }


def _description(card: ModelCard) -> Iterator[str]:
    job, run = card.job, card.job.training.run
    method = str(job.record.inputs.get("method") or "supervised")
    yield f"{code(job.base)}, fine-tuned by the method {code(method)}.\n\n"
    if "description" in card.words:
        yield from _said(card, "description")
        yield "\n"
    rows = {
        "model": code(card.model),
        "base model": code(job.base),
        "started from": code(job.continued),
        "method": code(method),
        "trained at": code(card.provider_type),
        "finished": code(run.finished_at[:16].replace("T", " ")),
        "language": prose(card.words.get("language", "")) or _to_fill(card, "language"),
        "license": prose(card.words.get("license", "")) or _to_fill(card, "license"),
    }
    yield _facts(rows)
    if _is_rehearsal(card):
        yield "\nIt was trained in the emulator, which is no language model: its answers and figures say "
        yield "nothing of the service's.\n"


def _said(card: ModelCard, name: str) -> Iterator[str]:
    yield f"{prose(card.words[name])}\n" if card.words.get(name) else f"{_to_fill(card, name)}\n"


def _to_fill(card: ModelCard, name: str) -> str:
    return f"*To be filled in by you: {code(f'metadata: {{{name}: …}}')} of {code(str(card.job.address))}*"


def _data(card: ModelCard) -> Iterator[str]:
    reported = {one.record.address: one for one in card.report.data}
    rows = []
    for use in card.job.data:
        one = reported.get(use.address) if use.address else None
        sums = one.statistics.sums if one and one.statistics else None
        tokens = f"{sums.tokens:,}" if sums and sums.tokens else ""
        name = cell(str(use.address)) if use.address else "not recorded"
        rows.append(
            [
                use.role,
                name,
                f"{use.examples:,}" if use.examples is not None else "",
                tokens,
                cell(use.digest),
            ]
        )
    yield table(["role", "dataset", "examples", "tokens", "digest of the examples"], rows)
    for address, found in card.findings.items():
        lines = [f"- {code(one.rule)}: {prose(one.summary)}\n" for one in found]
        yield f"\nErrors and warnings in {code(str(address))}:{'' if lines else ' none.'}\n"
        yield from ["\n", *lines] if lines else ()


def _procedure(card: ModelCard) -> Iterator[str]:
    job, record = card.job, card.job.record
    chosen = {**object_at(record.inputs, "hyperparameters"), **object_at(record.outputs, "hyperparameters")}
    seed = record.outputs.get("seed", record.inputs.get("seed"))
    others = {
        name: record.inputs[name]
        for name in ("beta", "l2_multiplier", "training_type")
        if name in record.inputs
    }
    settings = {**chosen, **others, **({"seed": seed} if seed is not None else {})}
    yield table(["setting", "value"], [[cell(n), cell(show(v))] for n, v in sorted(settings.items())])
    if job.curves:
        yield f"\n{_curves(card)}"
    elif job.note:
        yield f"\nNo curves: {prose(job.note)}.\n"
    if job.verdict:
        yield f"\n**Verdict:** {prose(job.verdict.text)}. {prose(job.verdict.rule)}\n"
    if job.step is not None:
        word = checkpoint_word(job.metrics).capitalize()
        yield f"\n{word} checkpoint: step {job.step:,}, {code(job.checkpoint)}\n"


def _curves(card: ModelCard) -> str:
    """A few steps of the first curves, with that of the best checkpoint and the last one."""
    curves = card.job.curves[:_MOST_CURVES]
    sparse = [dict(curve.points) for curve in curves if curve.data == "full_valid"]
    steps = sorted({step for points in sparse or [dict(c.points) for c in curves] for step in points})
    every = -(-len(steps) // _MOST_STEPS)
    word = checkpoint_word(card.job.metrics)
    best = {card.job.step} if card.job.step is not None else set()
    kept = sorted({*steps[::every], steps[-1], *best})
    values = [dict(curve.points) for curve in curves]
    rows = [
        [
            f"{step:,}{f' ({word})' if step in best else ''}",
            *(f"{v[step]:.4f}" if step in v else "" for v in values),
        ]
        for step in kept
    ]
    return table(["step", *(cell(curve.column) for curve in curves)], rows)


def _evaluation(card: ModelCard) -> Iterator[str]:
    rows = []
    for one in card.report.evaluations:
        outputs: Any = one.record.outputs
        for address, score in scores_of(card.job.record, [one.record]):
            baseline = outputs.get("baseline_score")
            rows.append(
                [
                    cell(address),
                    f"{score:.4g}",
                    f"{baseline:.4g} ({cell(str(outputs.get('baseline') or ''))})"
                    if baseline is not None
                    else "",
                    cell(str(outputs.get("verdict") or "")),
                    f"{outputs['prompts']:,}" if isinstance(outputs.get("prompts"), int) else "",
                    ", ".join("passed" if not gate.reasons else "not passed" for gate in one.gates),
                ]
            )
    if rows:
        yield table(["evaluation", "score", "baseline", "verdict", "prompts", "gates"], rows)
    else:
        yield "No evaluation of this model is recorded.\n"


def _costs(card: ModelCard) -> Iterator[str]:
    job = card.job
    tokens = job.record.outputs.get("trained_tokens")
    trained = job.training.trained if job.training.trained is not None else job.training.elapsed
    cost = (
        "nothing: the emulator is free"
        if _is_rehearsal(card)
        else dollars(job.dollars)
        if job.dollars is not None
        else ""
    )
    hosting = [
        f"{code(str(one.record.address))} {about(one.cost.per_month)} a month"
        for one in card.report.deployments
        if one.cost and one.cost.per_month and not _is_rehearsal(card)
    ]
    yield _facts(
        {
            "billed tokens": f"{tokens:,}" if isinstance(tokens, int) else "",
            "training": cost or "not known",
            "time": duration(trained) if trained is not None else "",
            "hosting": ", ".join(hosting),
        }
    )


def _lineage(card: ModelCard) -> Iterator[str]:
    job, report, run = card.job, card.report, card.job.run
    data = ", ".join(f"{use.role} {use.digest.rpartition(':')[2][:12]}" for use in job.data)
    yield _facts(
        {
            "job": f"{code(str(job.address))}, {code(job.record.remote_id)}",
            "spec": f"{code(report.spec)}, environment {code(report.environment)}",
            "data": code(data),
            "applied by": code(run.begun.who) if run else "",
            "commit": code((run.begun.commit if run else "") or ""),
            "run of CI": code(run.begun.run_url) if run else "",
            "state": f"serial {report.serial}, lineage {code(report.lineage)}",
            "card": f"ftops {report.version}, {report.at:%Y-%m-%d %H:%M} UTC",
        }
    )


def _call(card: ModelCard) -> Iterator[str]:
    names = [
        (
            str(one.record.outputs.get("name") or one.record.address.name),
            str(one.record.outputs.get("endpoint") or ""),
        )
        for one in card.report.deployments
        if not one.record.is_off
    ]
    for name, endpoint in names:
        is_lasting = endpoint and not _is_rehearsal(card)
        yield f"It is deployed as {code(name)}{f' at {code(endpoint)}' if is_lasting else ''}.\n"
    if not names:
        yield "No deployment of it is recorded. On the OpenAI platform, a model is called by its name; in "
        yield "Azure, add a deployment with this model to the spec, and apply it.\n"
        return
    source = (
        f"{_WITH_KEY if card.has_key else _SIGNED_IN}"
        "answer = client.chat.completions.create(\n"
        f"    model={json.dumps(clean(names[0][0]))},\n"
        '    messages=[{"role": "user", "content": "Hello"}],\n'
        ")\nprint(answer.choices[0].message.content)"
    )
    yield f"\n{block(source, 'python')}\n"
    given = "the endpoint and the key" if card.has_key else "the endpoint; it signs in to Azure as you"
    yield f"Save it as `call.py` beside the spec. `ftops exec -- call.py` runs it there with {given}.\n"


def _limits(card: ModelCard) -> Iterator[str]:
    yield from _said(card, "limitations")
    known = []
    if card.job.verdict and card.job.verdict.kind in ("overfitting", "worse"):
        known.append(prose(card.job.verdict.text))
    for one in card.report.deadlines:
        if one.address is None:
            continue  # the age of the catalogue, which isn't about the model
        known.append(f"end of {prose(one.what)}, {one.day or prose(one.when)}: {prose(one.then)}")
    failed = [gate for one in card.report.evaluations for gate in one.gates if gate.reasons]
    known += [
        f"a gate of {code(str(gate.deployment))} isn't passed: {prose('; '.join(gate.reasons))}"
        for gate in failed
    ]
    yield from (f"\n- {text}" for text in dict.fromkeys(known))
    yield "\n" * bool(known)


def prose(text: str) -> str:
    """Text of others in a line, in which nothing is Markdown or HTML. A bare URL stays: it shows where it
    leads. So does `@name`: a file notifies nobody."""
    return _SPECIAL.sub(r"\\\1", clean(" ".join(text.split())))


def _facts(rows: Mapping[str, str]) -> str:
    return "".join(f"- **{name}:** {text}\n" for name, text in rows.items() if text)


def _is_rehearsal(card: ModelCard) -> bool:
    row = PROVIDER_TYPES.get(card.provider_type)
    return row is not None and row.is_rehearsal
