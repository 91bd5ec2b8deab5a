"""Promotion as declared: the environment that another one takes its models from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ftops.config.config import Promotion
from ftops.config.loader.source import Entry, Source
from ftops.config.schema.field_types import Unknown
from ftops.core.durations import seconds_of
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean


def check_promotion(
    block: Any,
    entry: Entry,
    environments: Mapping[str, Entry],
    known: Collection[str],
    findings: list[Diagnostic],
) -> None:
    """Findings about an environment that takes its models from one that isn't `known`, or from itself."""
    wanted = block.promote
    if wanted is None and block.promote_max_age is not None:
        summary = "`promote_max_age` has no effect without `promote`"
        entry.report(findings, ("promote_max_age",), summary, "", "Add `promote: …`.", key=True)
    if wanted is None or isinstance(wanted, Unknown):
        return
    if wanted not in known:
        hint = did_you_mean(wanted, known)
        entry.report(findings, ("promote",), f"there is no environment `{wanted}`", "", hint)
    elif entry.name in (chain := _chain(wanted, environments)):
        summary = f"`{entry.name}` takes its models from itself"
        ring = chain[: chain.index(entry.name) + 1]
        detail = f"{' → '.join([entry.name, *ring])}: no environment would train them."
        entry.report(findings, ("promote",), summary, detail, "Let one of them train: remove its `promote`.")


def read_promotion(environment: Entry | None) -> Promotion | None:
    """Where the environment takes its models from; None if it trains them itself."""
    wanted = environment.value("promote") if environment else None
    if environment is None or not isinstance(wanted, str):
        return None
    max_age = environment.value("promote_max_age")
    seconds = seconds_of(str(max_age)) if max_age is not None else None
    return Promotion(str(wanted), seconds, environment.place(("promote",)))


def trainer_of(source: Source, environment: Entry | None) -> Entry | None:
    """The environment that trains the models of this one: itself, if it promotes none."""
    if environment is None or read_promotion(environment) is None:
        return environment
    environments = source["environments"]
    return environments.get(_chain(environment.name, environments)[-1])


def _chain(name: str, environments: Mapping[str, Entry]) -> list[str]:
    """An environment, the one that it takes its models from, and so on."""
    chain = [name]
    while (entry := environments.get(chain[-1])) and isinstance(following := entry.value("promote"), str):
        chain.append(str(following))
        if chain[-1] in chain[:-1]:
            break
    return chain
