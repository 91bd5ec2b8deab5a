"""Access rules: the account can be reached, and the signed-in identity has the roles that the plan needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import some
from ftops.planning.preflight.context import Situation, Wanted
from ftops.providers.account_facts import Access, AccountFacts, Reach

_SEVERITY: Mapping[Reach, str] = {
    Reach.REFUSED: "error",
    Reach.UNREACHABLE: "error",
    Reach.BUSY: "warning",
}
"""Other results need no finding."""
_LATER = "try again in a while; --offline plans without asking"


class _Need(NamedTuple):
    """A right that some kinds of resources need."""

    is_wanted: Wanted
    access: Callable[[AccountFacts], Access]
    is_allowed: Callable[[AccountFacts], bool | None]
    verb: str
    role: str
    action: str


_TRAINS = _Need(
    lambda kind: not kind.by_control_plane,
    lambda facts: facts.training,
    lambda facts: facts.may_train,
    "train",
    "Cognitive Services OpenAI Contributor",
    "the data action Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write",
)
_DEPLOYS = _Need(
    lambda kind: kind.by_control_plane,
    lambda facts: facts.deploying,
    lambda facts: facts.may_deploy,
    "deploy",
    "Cognitive Services Contributor",
    "the action Microsoft.CognitiveServices/accounts/deployments/write",
)


def reachable(situation: Situation) -> Iterator[Diagnostic]:
    """The endpoint answers, and accepts the key or the identity."""
    for provider, facts, need, users in _needs(situation):
        access = need.access(facts)
        severity = _SEVERITY.get(access.reach)
        if severity is not None:
            detail = f"{access.detail} Needed to {need.verb}: {some(users)}.".strip()
            hint = access.hint or (_LATER if severity == "warning" else "")
            yield situation.about_provider(provider, access.summary, detail, hint, severity=severity)


def roles(situation: Situation) -> Iterator[Diagnostic]:
    """The roles of the signed-in identity are enough to train and to deploy."""
    for provider, facts, need, users in _needs(situation):
        if need.is_allowed(facts) is False and need.access(facts).reach is Reach.USABLE:
            yield situation.about_provider(
                provider,
                f"the signed-in identity isn't allowed to {need.verb} on account {facts.name}",
                f"It lacks {need.action}, which is needed for {some(users)}.",
                f"ask for the role {need.role} on the account",
            )


def settled(situation: Situation) -> Iterator[Diagnostic]:
    """The account itself is not being changed."""
    for provider, facts, need, users in _needs(situation):
        if need is _DEPLOYS and facts.state and facts.state.lower() != "succeeded":
            yield situation.about_provider(
                provider,
                f"account {facts.name} isn't ready: its state is {facts.state}",
                f"Until it is ready, the service refuses to deploy {some(users)}.",
                "wait until the account is ready, then plan again",
                severity="warning",
            )


def _needs(situation: Situation) -> Iterator[tuple[str, AccountFacts, _Need, Sequence[Address]]]:
    for provider, facts in situation.accounts.items():
        for need in (_TRAINS, _DEPLOYS):
            if users := situation.addresses(need.is_wanted, provider):
                yield provider, facts, need, users
