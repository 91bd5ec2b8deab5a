"""JSON of a report; docs/json-output.md describes it."""

from __future__ import annotations

from msgspec.structs import asdict

from ftops.config.sweeps import choice_to_json
from ftops.core.address import Json, encode
from ftops.core.timestamps import iso_timestamp
from ftops.session.report.values import (
    Report,
    ReportedData,
    ReportedDeployment,
    ReportedEvaluation,
    ReportedJob,
    ReportedObject,
)
from ftops.state.backends.audit_log import Run
from ftops.state.state import ResourceState
from ftops.views import deadlines
from ftops.views.audit import runs_to_json
from ftops.views.jobs import training_to_json
from ftops.views.state import output_to_json
from ftops.views.sweep import sweep_to_json
from ftops.views.values import as_meant


def report_to_json(report: Report) -> dict[str, Json]:
    """All facts of a report."""
    shown = deadlines.Shown("", report.at.date(), report.deadlines)
    return {
        "spec": report.spec,
        "environment": report.environment,
        "at": iso_timestamp(report.at),
        "ftops": report.version,
        "serial": report.serial,
        "lineage": report.lineage,
        "checkout": dict(asdict(report.checkout)) if report.checkout else None,
        "expires_at": report.expires_at or None,
        "is_offline": report.is_offline,
        "is_rehearsal": report.is_rehearsal,
        "restricted_to": [str(address) for address in report.restricted],
        "warnings": list(report.warnings),
        "objects": [_object(one) for one in report.objects],
        "old_objects": [{"address": str(one.address), "remote_id": one.remote_id} for one in report.old],
        "deployments": [_deployment(one) for one in report.deployments],
        "jobs": [_job(one) for one in report.jobs],
        "sweeps": [sweep_to_json(one) for one in report.sweeps],
        "choices": [choice_to_json(one) for one in report.choices],
        "evaluations": [_evaluation(one) for one in report.evaluations],
        "data": [_data(one) for one in report.data],
        "deadlines": deadlines.to_json(shown)["deadlines"],
        "costs": {
            "currency": "USD",
            "training": round(report.costs.training, 6),
            "training_unknown": [str(address) for address in report.costs.unpriced],
            "hosted": round(report.costs.hosted, 4),
            "hosting_per_hour": round(report.costs.per_hour, 4),
            "hosting_per_month": round(report.costs.per_month, 2),
            "hosting_unknown": [str(address) for address in report.costs.unpriced_hosting],
        },
        "outputs": {name: output_to_json(value) for name, value in report.outputs.items()},
        "runs": runs_to_json(report.runs, report.spec, report.environment)["runs"],
        "older_runs": report.older_runs,
    }


def _object(one: ReportedObject) -> dict[str, Json]:
    record = one.record
    return {
        "address": str(one.address),
        "kind": one.address.kind,
        "status": one.status,
        "is_declared": one.is_declared,
        "needs": [str(address) for address in one.needs],
        "remote_id": record.remote_id if record else None,
        "provider": record.provider if record else None,
        "account": record.account if record else None,
        "created_at": (record.created_at or None) if record else None,
        "message": record.said_message if record else "",
        "run": _run(one.run),
    }


def _run(run: Run | None) -> dict[str, Json] | None:
    """Who has created something, and by which run."""
    if run is None:
        return None
    begun = run.begun
    named = {name: getattr(begun, name) or None for name in ("commit", "pull_request", "run_url")}
    return {"run": begun.run, "at": begun.at, "who": begun.who, **named}


def _inputs(record: ResourceState) -> Json:
    return encode(dict(as_meant(record.inputs, record.identities)))


def _deployment(one: ReportedDeployment) -> dict[str, Json]:
    record, cost = one.record, one.cost
    return {
        "address": str(record.address),
        "endpoint": record.outputs.get("endpoint"),
        "name": record.outputs.get("name"),
        "model": record.outputs.get("model") or encode(record.inputs.get("model")),
        "trained_by": one.trained_by or None,
        "sku": encode(record.inputs.get("sku")),
        "is_off": record.is_off,
        "hours": one.hours or None,
        "until": one.until or None,
        "per_hour": cost.per_hour if cost else None,
        "per_month": cost.per_month if cost else None,
        "hosted": one.hosted,
        "pin": {"model": one.pin.model, "at": one.pin.at, "who": one.pin.who, "reason": one.pin.reason}
        if one.pin
        else None,
    }


def _job(job: ReportedJob) -> dict[str, Json]:
    return {
        **training_to_json(job.training),
        "inputs": _inputs(job.record),
        "base_model": job.base,
        "continued": job.continued or None,
        "model": job.record.outputs.get("fine_tuned_model"),
        "hyperparameters": job.record.outputs.get("hyperparameters"),
        "data": [
            {
                "role": use.role,
                "digest": use.digest,
                "address": str(use.address) if use.address else None,
                "examples": use.examples,
            }
            for use in job.data
        ],
        "curves": [
            {"column": curve.column, "points": [list(point) for point in curve.points]}
            for curve in job.curves
        ],
        "verdict": dict(asdict(job.verdict)) if job.verdict else None,
        "final_metrics": dict(job.metrics),
        "best_checkpoint": {"step": job.step, "model": job.checkpoint} if job.step is not None else None,
        "trained_tokens": job.record.outputs.get("trained_tokens"),
        "dollars": job.dollars,
        "dollars_at_most": job.is_at_most,
        "note": job.note,
        "run": _run(job.run),
    }


def _evaluation(one: ReportedEvaluation) -> dict[str, Json]:
    return {
        "address": str(one.record.address),
        "inputs": _inputs(one.record),
        "outputs": dict(one.record.outputs),
        "score_interval": list(one.interval) if one.interval else None,
        "gates": [
            {
                "deployment": str(gate.deployment),
                "require": gate.require,
                "passed": not gate.reasons,
                "reasons": list(gate.reasons),
                "override": gate.override or None,
            }
            for gate in one.gates
        ],
    }


def _data(one: ReportedData) -> dict[str, Json]:
    record, found, change = one.record, one.statistics, one.change
    sums = found.sums if found else None
    return {
        "address": str(record.address),
        "path": one.path or None,
        "digest": record.identities.get("content") or encode(record.inputs.get("content")),
        "examples": sums.examples if sums else record.outputs.get("examples"),
        "bytes": record.outputs.get("bytes"),
        "tokens": sums.tokens if sums else None,
        "trained_tokens": sums.trained if sums else None,
        "length": dict(found.length._asdict()) if found else None,
        "duplicates": found.duplicates if found else None,
        "note": one.note,
        "change": {
            "until": one.until,
            **{
                name: getattr(change, name)
                for name in ("added", "removed", "edited", "tokens", "reordered", "note")
            },
        }
        if change
        else None,
    }
