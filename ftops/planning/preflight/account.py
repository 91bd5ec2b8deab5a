"""Account rules: it can be reached, the identity has the roles that are needed, and names are free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ftops.config.accounts import is_exclusive
from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Value
from ftops.core.api_versions import V1
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import kind_of
from ftops.core.serving import Serving, deployment_name, serving_of
from ftops.core.snippets import command, import_block
from ftops.core.suggestions import did_you_mean, some
from ftops.planning.plan import CREATING, MAKING, Action, Change
from ftops.planning.preflight.context import Situation, Wanted, text
from ftops.planning.preflight.shortage import Order
from ftops.providers.account_facts import Access, AccountFacts, Reach

_SEVERITY: Mapping[Reach, str] = {
    Reach.REFUSED: "error",
    Reach.UNREACHABLE: "error",
    Reach.BUSY: "warning",
}
"""Other results need no finding."""
_ALWAYS_SENT = ("trainingType", "metadata")
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
    "Cognitive Services OpenAI Contributor or Foundry User",
    "the data action Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write",
)
_DEPLOYS = _Need(
    lambda kind: kind.by_control_plane,
    lambda facts: facts.deploying,
    lambda facts: facts.may_deploy,
    "deploy",
    "Cognitive Services Contributor or Foundry Owner",
    "the action Microsoft.CognitiveServices/accounts/deployments/write",
)


def reachable(situation: Situation) -> Iterator[Diagnostic]:
    """The endpoint answers, and accepts the key or the identity."""
    signed_out = {n: need.access(facts) for n, facts, need, _ in _needs(situation)}
    yield from (
        Diagnostic(a.summary, a.detail, a.hint) for a in signed_out.values() if a.reach is Reach.SIGNED_OUT
    )
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


def described(situation: Situation) -> Iterator[Diagnostic]:
    """The description of the API version has every field that jobs are sent with."""
    for provider, facts in situation.accounts.items():
        jobs = situation.made(lambda kind: kind.trains, provider)
        sent = {*_ALWAYS_SENT, *situation.sent(lambda kind: kind.trains, provider)}
        lacking = [name for name in facts.undescribed if name in sent]
        if jobs and lacking:
            yield situation.about_provider(
                provider,
                f"the description of api_version {facts.api_version} has no {' and no '.join(lacking)}",
                f"They are sent all the same with {some(jobs)}. The service "
                "may ignore them, or refuse the job.",
                f"set `api_version: {V1}`, or remove it",
                severity="warning",
            )


def _needs(situation: Situation) -> Iterator[tuple[str, AccountFacts, _Need, Sequence[Address]]]:
    for provider, facts in situation.accounts.items():
        for need in (_TRAINS, _DEPLOYS):
            if users := situation.addresses(need.is_wanted, provider):
                yield provider, facts, need, users


def taken(situation: Situation) -> Iterator[Diagnostic]:
    """No deployment of that name exists, unless the plan deletes it first."""
    order: Order | None = None
    for change in situation.concerned(lambda kind: kind.serves):
        if serving_of(change.after) is not Serving.SERVERLESS:
            continue
        model = change.after.get("model")
        model = situation.known.get(str(model), model) if isinstance(model, Reference) else model
        name = _name({**change.after, "model": model})
        existing = situation.accounts[change.provider].deployments
        if not name or existing is None or name not in existing:
            continue
        order = order or situation.order()
        if not _goes_before(situation, order, change.step, change.provider, name):
            detail = "The service would change that deployment instead of creating another one."
            hint = f"import it ({import_block(change.address, name)}), or choose another `name`"
            home = situation.homes.get(change.provider, change.provider)
            if owner := situation.owner_of(home, name):
                detail = f"It belongs to the environment {owner} of this spec, which has it in its state."
                hint = (
                    "give it another `name` here, such as from a variable that the environments set; or "
                    f"delete it there first: {command('ftops', 'destroy', '--env', owner)}"
                )
            yield situation.finding(
                change.address,
                f"account {situation.accounts[change.provider].name} already has a deployment `{name}`",
                detail,
                hint,
            )


def long_enough(situation: Situation) -> Iterator[Diagnostic]:
    """The name is as long as the service requires. The loader checks the other rules of names."""
    for change in situation.concerned(lambda kind: kind.serves):
        name = _name(change.after)
        shortest = PROVIDER_TYPES[situation.accounts[change.provider].service].shortest_name
        if 0 < len(name) < shortest:
            yield situation.finding(
                change.address,
                f"`{name}` is too short for the name of a deployment",
                f"The service takes {shortest} to 64 characters.",
                "give it a longer `name`",
                at="name",
            )


def shared(situation: Situation) -> Iterator[Diagnostic]:
    """Two providers for one account don't use a name twice. Within one provider, the loader refuses it."""
    declared: dict[tuple[str, str], list[Resource]] = {}
    for resource in situation.declared(lambda kind: kind.serves):
        home = situation.homes.get(resource.provider, resource.provider)
        name = _name(resource.inputs) if is_exclusive(home, resource.address.kind) else ""
        if name:
            declared.setdefault((home, name), []).append(resource)
    changed = {change.address for change in situation.concerned(lambda kind: kind.serves)}
    for (_, name), resources in declared.items():
        addresses = [resource.address for resource in resources]
        if len({resource.provider for resource in resources}) > 1 and changed & {*addresses}:
            yield situation.finding(
                addresses[-1],
                f"several deployments of the account have the name `{name}`",
                f"They are {some(addresses)}: their providers use the same account, and one would overwrite "
                "the other.",
                "give each a `name` of its own",
            )


def spills_over(situation: Situation) -> Iterator[Diagnostic]:
    """What a deployment spills over to is declared, or in the account and not deleted by the plan."""
    for change in situation.concerned(lambda kind: kind.serves, MAKING):
        wanted, facts = text(change.after, "spillover").lower(), situation.accounts[change.provider]
        is_new = change.action in CREATING or any(a.path == "spillover" for a in change.attributes)
        if not (wanted and is_new) or facts.deployments is None:
            continue
        home = situation.homes.get(change.provider)
        others = [
            r
            for r in situation.declared(lambda kind: kind.serves)
            if r.provider == change.provider or home == situation.homes.get(r.provider, r.provider)
        ]
        deleted = {_deleted(c) for c in situation.changes if c.provider == change.provider}
        known = {_name(r.inputs) for r in others} | facts.deployments.keys() - deleted
        if wanted in known:
            continue
        meant = [r.address for r in others if wanted in (r.address.name, text(r.inputs, "name").lower())]
        yield situation.finding(
            change.address,
            f"its `spillover` {text(change.after, 'spillover')} doesn't exist",
            f"Neither the spec nor account {facts.name} has a deployment with this name.",
            f"write `${{{meant[0]}.name}}`"
            if meant
            else did_you_mean(wanted, known - {"", _name(change.after)}, nothing="declare it"),
            at="spillover",
        )


def _name(inputs: Mapping[str, Value]) -> str:
    """The name at the service in lower case; empty if it depends on a model that has yet to be trained."""
    name = text(inputs, "name")
    return deployment_name(name, inputs).lower() if name else ""


def _goes_before(situation: Situation, order: Order, step: str, provider: str, name: str) -> bool:
    return any(
        other.provider == provider and _deleted(other) == name and not order.waits(other.step, step)
        for other in situation.changes
    )


def _deleted(change: Change) -> str:
    """The name of the deployment that a change deletes, in lower case; empty if it deletes none."""
    is_one = change.action is Action.DELETE and kind_of(change.address).serves
    return change.remote_id.rstrip("/").rpartition("/")[2].lower() if is_one else ""
