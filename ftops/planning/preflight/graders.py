"""Grader checks: what the service says of the graders of new jobs, where it can be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from ftops.core.address import Address, Secret, Secrets, fill, references
from ftops.core.errors import Diagnostic, ProviderError
from ftops.planning.plan import CREATING, Change
from ftops.planning.preflight.context import Situation
from ftops.providers.base import Provider, ValidatesGraders
from ftops.providers.redaction import redaction

Replies = Mapping[Address, Future[str]]


def ask_about_graders(
    changes: Sequence[Change], providers: Mapping[str, Provider], secrets: Secrets, pool: Executor
) -> Replies:
    """By job. A grader that refers to what doesn't exist yet isn't checked."""
    replies: dict[Address, Future[str]] = {}
    for change in changes:
        provider = providers.get(change.provider)
        if change.action not in CREATING or not isinstance(provider, ValidatesGraders):
            continue
        if (grader := _filled(change.after.get("grader"), secrets)) is not None:
            replies[change.address] = pool.submit(provider.validate_grader, grader)
    return replies


def _filled(grader: Any, secrets: Secrets) -> Mapping[str, Any] | None:
    if not isinstance(grader, Mapping):
        return None
    filled: Any = fill(
        dict(grader), lambda part: secrets.get(part, part) if isinstance(part, Secret) else part
    )
    return None if any(references(filled)) else filled


def refused_graders(situation: Situation, replies: Replies, secrets: Secrets) -> Iterator[Diagnostic]:
    """An error for each grader that the service refuses; a note for each that it says nothing of."""
    clean = redaction(secrets)
    for address, reply in replies.items():
        try:
            refusal = reply.result()
        except ProviderError as error:
            summary, detail = (
                "its grader couldn't be checked by the service",
                f"{error.summary}. {error.detail}",
            )
            yield situation.finding(address, summary, clean.text(detail), "", "note")
            continue
        if refusal:
            hint = "correct `grader`; nothing has been uploaded or trained yet"
            yield situation.finding(
                address, "the service refuses its grader", clean.text(refusal), hint, at="grader"
            )
