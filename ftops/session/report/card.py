"""Model card: all that is known of one tuned model, as a value."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from ftops import dataset
from ftops.core.address import Address
from ftops.core.confined_files import opened
from ftops.core.errors import Diagnostic, FtopsError, UsageError
from ftops.core.measures import deciding
from ftops.core.nested import object_at
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.snippets import command
from ftops.core.suggestions import some
from ftops.session.report.gathering import gather
from ftops.session.report.values import Report, ReportedJob
from ftops.session.session import Session
from ftops.session.sweep import choices, scores_of
from ftops.session.training import jobs_of
from ftops.state.deployments import model_of
from ftops.state.state import ResourceState


class ModelCard(Struct, frozen=True):
    """`report` is of the job, its data, and what evaluates or serves its model. `words` are the entries of
    the job's metadata. `findings` are the errors and warnings of each dataset that is still what it was:
    the first of each rule and the number of others."""

    report: Report
    job: ReportedJob
    model: str
    provider_type: str
    words: Mapping[str, str] = {}
    findings: Mapping[Address, tuple[Diagnostic, ...]] = {}
    has_key: bool = True
    """Whether the provider is reached with a key; if not, a program has to sign in to Azure."""


def gather_card(session: Session, addresses: Sequence[Address], *, offline: bool = False) -> ModelCard:
    """The card of the model of one job; without an address, of the only job. Raises FtopsError."""
    found = [job for address in addresses for job in jobs_of(session, address)]
    record = _only(session, found or jobs_of(session, None))
    model = str(record.outputs.get("fine_tuned_model") or "")
    if not model:
        if record.stopped:
            again = command("ftops", "apply", "--replace", record.address)
            hint = f"choose another job, or train it: {again}"
            what = "wasn't started" if record.is_off else "was stopped early"
            reason = f"it {what}: {record.stopped.get('reason')}."
            raise FtopsError(f"{record.address} has no model", reason, hint)
        reason = f"it is {record.said_status}."
        raise FtopsError(f"{record.address} has no model yet", reason, "apply, and try again")
    report = _about(gather(session, [record.address, *_users(session, record)], offline=offline), record)
    job = next(one for one in report.jobs if one.address == record.address)
    declared = session.graph.resources.get(record.address)
    words = object_at((declared.inputs if declared else record.inputs), "metadata")
    provider = session.config.providers.get(record.provider)
    return ModelCard(
        report,
        job,
        model,
        provider.type if provider else "",
        {str(name): str(text) for name, text in words.items() if isinstance(text, str)},
        dict(_findings(session, report)),
        provider is None or "api_key" in provider.settings or PROVIDER_TYPES[provider.type].is_rehearsal,
    )


def _only(session: Session, jobs: Sequence[ResourceState]) -> ResourceState:
    trained = [job for job in jobs if job.outputs.get("fine_tuned_model")] or jobs
    if not trained:
        raise UsageError("no job is recorded", "a model card is about the model of a job.", "apply the spec")
    if len(trained) > 1:
        first, *others = _likeliest_first(session, trained)
        example = command("ftops", "report", first, "-o", "card.md")
        hint = f"name the job, as in {example}; there is also {some(shlex.quote(str(one)) for one in others)}"
        raise UsageError(f"a model card is about one model, and there are {len(trained)}", "", hint)
    return trained[0]


def _likeliest_first(session: Session, jobs: Sequence[ResourceState]) -> list[Address]:
    """Those of sweeps that the spec takes, then the one with the best recorded metric."""
    taken = {choice.ranked[0].address for choice in choices(session) if choice.ranked}
    metrics = {job.address: object_at(job.outputs, "metrics") for job in jobs}
    measure = deciding(list(metrics.values()))

    def order(address: Address) -> tuple[bool, float]:
        value = measure.value(metrics[address]) if measure else None
        return address not in taken, math.inf if measure is None or value is None else measure.rank(value)

    return sorted(metrics, key=order)


def _users(session: Session, job: ResourceState) -> Iterator[Address]:
    """Recorded evaluations and deployments of the model and its checkpoints."""
    for address, record in session.state.resources.items():
        kind = kind_of(address)
        if (kind.is_record and _is_scored(record, job)) or (kind.serves and _is_served(record, job)):
            yield address


def _about(report: Report, job: ResourceState) -> Report:
    """Without what is only needed by something in it, such as the deployment of a judge, and without other
    models: what depends on a job needn't use its model, since the best of a sweep depends on all of them."""
    deployments = tuple(one for one in report.deployments if _is_served(one.record, job))
    evaluations = tuple(one for one in report.evaluations if _is_scored(one.record, job))
    serving = {one.record.address for one in deployments}
    deadlines = tuple(
        one
        for one in report.deadlines
        if one.address is None or one.address in serving or not kind_of(one.address).serves
    )
    return replace(report, deployments=deployments, evaluations=evaluations, deadlines=deadlines)


def _is_served(deployment: ResourceState, job: ResourceState) -> bool:
    models = {job.outputs.get("fine_tuned_model"), *object_at(job.outputs, "checkpoint").values()}
    return model_of(deployment)[0] in models


def _is_scored(evaluation: ResourceState, job: ResourceState) -> bool:
    return any(True for _ in scores_of(job, [evaluation]))


def _findings(session: Session, report: Report) -> Iterator[tuple[Address, tuple[Diagnostic, ...]]]:
    config = session.config
    for one in report.data:
        path = str(one.record.inputs.get("file") or one.record.inputs.get("path") or "")
        with suppress(FtopsError, OSError), dataset.Cache.of(config.project) as cache:
            opened(config.folder / path, config.project).close()
            found = dataset.inspect(config.folder / path, cache=cache)
            if path and found.digest and found.digest == one.record.outputs.get("digest"):
                declared = session.graph.resources.get(one.record.address)
                severity = object_at((declared or one.record).inputs, "checks", "severity")
                shown = found.diagnostics(path, severity, shown=1)
                yield one.record.address, tuple(each for each in shown if each.severity != "note")
