"""Rule about training types: a word that the catalogue doesn't have for the model is probably misspelled."""

from __future__ import annotations

from collections.abc import Iterator

from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean
from ftops.planning.preflight.context import Situation, text


def listed(situation: Situation) -> Iterator[Diagnostic]:
    """The catalogue has the training type for the model. If not, the service decides."""
    for change in situation.concerned(lambda kind: kind.trains):
        model = situation.named(change.after.get("model"))
        known = situation.listed(change.provider, model) if model else None
        asked = text(change.after, "training_type") or "standard"
        if model is None or known is None or not known.training or asked in known.training:
            continue
        yield situation.warning(
            change.address,
            f"the catalogue has no training type {asked} for {model.base}",
            f"It is sent to the service as it is ({known.source}).",
            did_you_mean(asked, known.training),
        )
