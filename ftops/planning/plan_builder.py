"""Plan builder: asks the services what exists, and makes a plan, which is reviewed then.

Reads only: nothing is recorded, and no object is created or changed.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from ftops.config.accounts import accounts_of, placeholders_left
from ftops.config.config import Config, Import, Refactorings
from ftops.config.graph import Graph
from ftops.config.graph import build as build_graph
from ftops.config.schema.field_types import one_of
from ftops.core.address import Address, Secret
from ftops.core.dag_executor import Clock, RealTime
from ftops.core.drift_classes import DRIFT_CLASSES, IGNORE
from ftops.core.errors import Blocked, FtopsError, ProviderError
from ftops.core.snippets import command
from ftops.core.suggestions import did_you_mean, nearest
from ftops.core.timestamps import iso_timestamp
from ftops.planning.desired import Resolver
from ftops.planning.hosting import switches
from ftops.planning.imports import arrived, check_imports, left_out, to_read
from ftops.planning.moves import Replacement, apply_moves, located, not_there, nothing_to_go_by
from ftops.planning.other_environments import OtherEnvironments
from ftops.planning.pins import asked_by_spec, kept_at_addresses, kept_for_rollback, pins_in_effect, with_pins
from ftops.planning.places import places_of
from ftops.planning.plan import MAKING, NORMAL, Mode, Options, Plan
from ftops.planning.plan_review import PlanReviewer
from ftops.planning.planner import plan
from ftops.planning.promotion import Origin, sources_of, to_promote
from ftops.planning.reconcile import reconcile
from ftops.planning.refresh import Reader, missing, refresh
from ftops.planning.saved.plan_digest import destination_of
from ftops.providers import Providers
from ftops.providers.base import Discovers, Provider
from ftops.state.live_state import fold
from ftops.state.state import (
    Observed,
    Operation,
    Pin,
    RemoteObject,
    ResourceState,
    State,
    Status,
)

if TYPE_CHECKING:
    from ftops.evaluation.kept_answers import KeptAnswers


class PlanBuilder(Struct, frozen=True):
    """For one spec in one environment and its recorded state."""

    config: Config
    graph: Graph
    state: State
    providers: Providers
    retry_base: float
    """Seconds before the second try of a read that failed temporarily."""
    parallelism: int = 10
    clock: Clock = field(default_factory=RealTime)
    offline: bool = False
    """Whether no service is asked."""
    is_read_only: bool = False
    """Whether another identity applies the plan, so that it doesn't matter what this one may change."""
    is_priced: bool = True
    """Whether costs are estimated, for which data files are read."""
    kept_answers: Callable[[str], KeptAnswers] | None = None
    """The kept answers of a model, by its identity."""
    digest_key: str = ""
    """Keys the digests of secrets; see `secret_digests`."""
    today: date = field(default_factory=lambda: datetime.now(UTC).date())
    """The day for which the dates of models are judged."""
    state_of: Callable[[str], State] | None = None
    """The recorded state of another environment of the spec; None: no other is read."""
    who: Callable[[], str] = str
    """Who plans, for pins."""
    pins: Mapping[Address, Pin] = field(default_factory=dict)
    """Those in effect, whose models the config has."""
    moment: datetime | None = None
    """The time for which hosting hours are judged. None: they don't count."""

    def build(
        self, options: Options, refresh: bool, preflight: bool, on_progress: Callable[[int, int], None]
    ) -> Plan:
        """What applying would do; see `Session.plan`."""
        now, who = iso_timestamp(datetime.now(UTC)), self.who() if options.pins else ""
        moved = self._moved
        found = pins_in_effect(moved, self.config, options, now, who)
        made = self._pinned(found.pins)._build(options, refresh, preflight, on_progress)
        recorded = {a: pin for a, pin in found.pins.items() if a not in options.pins}
        is_normal = options.mode is Mode.NORMAL
        pinned = recorded if is_normal else {}
        for address in asked_by_spec(made, self.state, self.config, pinned, self.graph.sweeps):
            found = found.without(address, "declared")
        if len(found.pins) < len(made.pins):
            made = self._pinned(found.pins)._build(options, refresh, preflight, on_progress)
        entries = (*made.entries, *found.entries)
        if self.state.pins:
            entries = (*entries, *kept_at_addresses(self.state, entries, found.pins))
        return replace(
            made, entries=entries, pinning=tuple(sorted(found.changes, key=lambda c: str(c.address)))
        )

    @property
    def _moved(self) -> State:
        """The recorded state after the spec's moves."""
        return apply_moves(located(self.state, self.config)[0], self.config.refactorings.moves)[0]

    def _pinned(self, pins: Mapping[Address, Pin]) -> PlanBuilder:
        """For the spec with these models in it."""
        if not pins:
            return replace(self, pins={})
        config = with_pins(self.config, pins)
        return replace(self, config=config, graph=build_graph(config), pins=pins)

    def _build(
        self, options: Options, refresh: bool, preflight: bool, on_progress: Callable[[int, int], None]
    ) -> Plan:
        self._check_addresses(options)
        config, warnings = self.config, []
        if self.offline:
            config = replace(config, refactorings=replace(config.refactorings, imports=()))
            observed, warnings = Observed(False), self._unseen()
        else:
            observed = self._observe(refresh or options.mode is Mode.REFRESH_ONLY, options, on_progress)
            warnings = left_out(config, self._moved) if options.mode is Mode.NORMAL else []
        if config.unselected and options.mode is Mode.NORMAL:
            warnings.append(_none_selected(config))
        if options.mode is Mode.NORMAL:
            kept = kept_for_rollback(self._moved, self.config, self.pins)
            observed = replace(observed, kept=dict.fromkeys(kept, ""))
        observed = replace(observed, moment=self.moment)
        made = plan(config, self.graph, self.state, observed, options, self._secret_digests)
        seen = observed
        if options.adopt and refresh and not self.offline and not config.ttl:
            seen, warning = self._with_adoptable(made, seen, options)
            warnings += [warning] if warning else []
        seen, warning = self._with_promotable(made, seen, options)
        warnings += [warning] if warning else []
        made = made if seen is observed else self._again(config, seen, options)
        if used := self._others.using_models_deleted_by(made):
            made = self._again(config, replace(seen, kept={**seen.kept, **used}), options)
        made = self.reviewer.review(made, options, is_priced=self.is_priced, preflight=preflight)
        return replace(
            made,
            warnings=(*made.warnings, *warnings),
            destination=destination_of(self.config, made),
            reads=self.config.reads,
            places=places_of(made, self.graph.resources),
            pins=tuple(self.pins[address] for address in sorted(self.pins, key=lambda a: a.sort_key)),
        )

    def _unseen(self) -> list[str]:
        """Warnings about what a plan from the spec and the state alone can't show."""
        imports = self.config.refactorings.imports
        warnings = ["planned offline: from the recorded state alone; changes made outside ftops don't show"]
        if imports:
            blocks = "1 `import` block was" if len(imports) == 1 else f"{len(imports)} `import` blocks were"
            warnings.append(f"{blocks} left out: those resources are shown as if they had to be created")
        if self.state.pending:
            names = ", ".join(str(address) for address in list(self.state.pending)[:3])
            warnings.append(f"the results of interrupted operations weren't looked for ({names})")
        return warnings

    def observe(self, resource: ResourceState) -> RemoteObject | None:
        """A recorded object as it is now; None if it doesn't exist. Raises ProviderError."""
        state = State("", resources={resource.address: resource})
        return refresh(state, self._reader).objects.get(resource.address)

    def observe_all(self, resources: Sequence[ResourceState]) -> dict[str, Status]:
        """See `Session.observe_all`."""
        records = {(resource.address, str(n)): resource for n, resource in enumerate(resources)}
        seen = refresh(State("", deposed=records), self._reader).deposed.values()
        return {remote.remote_id: remote.status for remote in seen if remote is not None}

    def ask_all(
        self, resources: Iterable[ResourceState], ask: Callable[[Provider, ResourceState], object]
    ) -> dict[Address, Any]:
        """What the providers of recorded objects say, by address. Temporary failures are retried. Raises
        ProviderError."""
        return self._reader.gather(
            {r.address: (r.provider, partial(ask, self.providers(r.provider), r)) for r in resources}
        )

    def read_import(self, address: Address, remote_id: str) -> ResourceState:
        """The record of an object of the service under a declared address. Raises FtopsError where the spec
        declares no such address, or it or the object is recorded already."""
        if address in self.state.resources or address in self.state.pending:
            raise FtopsError(
                f"{address} is recorded already",
                "its recorded object would be forgotten.",
                f"see {command('ftops', 'state', 'show', address)}; `ftops state rm` makes ftops forget it",
            )
        resource = self.graph.resources.get(address)
        if resource is None:
            hint = did_you_mean(str(address), map(str, self.graph.resources), nothing="declare it first")
            raise FtopsError(f"the spec doesn't declare {address}", "the next apply would delete it.", hint)
        one = Import(address, remote_id)
        wanted = to_read(self._importing(one), self.graph, self.state)
        seen = refresh(State(""), self._reader, imports=wanted)
        check_imports((one,), self.state.resources, self.state.deposed, seen)
        remote = seen.imported[address]
        assert remote is not None  # noqa: S101 - check_imports has refused it
        account = accounts_of(self.config)[resource.provider]
        graph = self.graph
        resolver = Resolver.of_records(self.state.resources, graph.facts, self._secret_digests, graph.sweeps)
        desired = {a: resolver.resolve(self.graph.resources[a]) for a in self.graph.order}[address]
        return arrived(resource, desired, remote, self.graph.dependencies[address], account)

    def plan_switches(self, addresses: Collection[Address]) -> Plan:
        """What the hosting hours of these recorded deployments switch. Nothing else is read; drift is left to
        other plans. Raises ProviderError."""
        state, rehomed = located(self.state, self.config)
        creating = (o for o in state.pending.values() if o.operation is Operation.CREATE)
        part = replace(
            state,
            resources={address: state.resources[address] for address in addresses},
            deposed={},
            pending={
                operation.address: operation for operation in creating if operation.address in addresses
            },
        )
        observed = replace(refresh(part, self._reader), moment=self.moment)
        found = reconcile(part, observed, dict.fromkeys(DRIFT_CLASSES, IGNORE))
        there = (record for address, record in found.resources.items() if address not in found.away)
        return Plan(
            self.config.name,
            self.config.environment,
            state.lineage,
            state.serial,
            changes=tuple(switches(there, self.moment)),
            entries=(*rehomed, *found.entries),
        )

    def plan_imports(self, wanted: Mapping[Address, str], digests: Mapping[str, str]) -> Plan:
        """What a plan says where objects of the service are imported under declared addresses, all at once.
        `digests` are those of files whose content is known, by id."""
        config = self._importing(*(Import(address, remote_id) for address, remote_id in wanted.items()))
        imports = to_read(config, self.graph, self.state)
        seen = refresh(State(""), self._reader, imports=imports, digests=digests)
        return plan(config, self.graph, self.state, seen, NORMAL, self._secret_digests)

    def check_home(self, wanted: Replacement) -> None:
        """Raises Blocked where objects aren't in the account in which they are to be recorded, or nothing
        tells that it is theirs; FtopsError where it can't be asked."""
        try:
            gone = missing(wanted.sought, self._reader)
        except ProviderError as error:
            raise FtopsError(
                f"can't check whether the objects are in {wanted.home.account}: {error.summary}",
                error.detail,
                f"{error.hint}; " * bool(error.hint) + "--force records it without checking",
            ) from error
        if gone:
            raise Blocked([not_there(wanted, gone)])
        if wanted.intents and not wanted.sought:
            raise Blocked([nothing_to_go_by(wanted)])

    def _importing(self, *imports: Import) -> Config:
        """The spec as if it had these `import` blocks, and no other refactorings."""
        return replace(self.config, refactorings=Refactorings(imports=imports))

    def _check_addresses(self, options: Options) -> None:
        known = {*self.graph.resources, *self.state.resources, *self.state.pending}
        known |= {Address(a.kind, a.name) for a in known}
        for address in (*options.targets, *options.excludes, *options.replaces):
            if address not in known:
                near = nearest(str(address), map(str, known))
                hint = f"did you mean {quote(near)}?" if near else "see `ftops state list` and the spec"
                detail = "neither in the spec nor in the state."
                raise FtopsError(f"there is no resource {address}", detail, hint)

    def _observe(self, look: bool, options: Options, on_progress: Callable[[int, int], None]) -> Observed:
        state = self._moved
        has_imports = options.mode is Mode.NORMAL and not self.config.ttl  # what expires is its own
        imports = to_read(self.config, self.graph, state) if has_imports else ()
        observed = refresh(state, self._reader, everything=look, imports=imports, on_progress=on_progress)
        gone = [a for a, remote in observed.objects.items() if remote is None and a not in observed.causes]
        if not gone:
            return observed
        from ftops.planning.preflight.retirement import retired

        causes = dict.fromkeys(retired(gone, state, self.config, os.environ, self.today), "retired")
        return replace(observed, causes={**observed.causes, **causes})

    def _again(self, config: Config, observed: Observed, options: Options) -> Plan:
        return plan(config, self.graph, self.state, observed, options, self._secret_digests)

    def _with_adoptable(self, made: Plan, observed: Observed, options: Options) -> tuple[Observed, str]:
        """With what the account has already of what the plan would create; and a warning."""
        providers = self.config.providers
        asked = [name for name in made.providers_of(MAKING) if not placeholders_left(providers[name])]
        if not any(isinstance(self.providers(name), Discovers) for name in asked):
            return observed, ""
        from ftops.planning.adoption import find_adoptable

        changes = [change for change in made.changes if change.provider in asked]
        recorded = fold(self.state, made.entries)
        promoted = sources_of(self.config, self.graph, options)
        left_alone = (*options.replaces, *observed.imported, *promoted)  # their objects are asked for
        found, warning = find_adoptable(changes, self._reader, recorded, left_alone)
        return replace(observed, adoptable=found) if found else observed, warning

    def _with_promotable(self, made: Plan, observed: Observed, options: Options) -> tuple[Observed, str]:
        """With what another environment has of what the plan would train or evaluate; and a warning. Raises
        Blocked if something can't be promoted."""
        sources = sources_of(self.config, self.graph, options)
        changes = to_promote(made.changes, sources)
        if not changes:
            return observed, ""
        names = ", ".join(sorted({sources[change.address] for change in changes}))
        if self.state_of is None:
            warning = f"the state of {names} isn't read here: what is promoted is shown as if it were made"
            return observed, warning
        states = {name: self.state_of(name) for name in sorted({sources[c.address] for c in changes})}
        origin = Origin(
            self.config.environment,
            sources,
            states,
            accounts_of(self.config),
            self.config.promotion,
            datetime.now(UTC),
        )
        found = origin.find(changes, self._reader, look=not self.offline)
        return replace(observed, promotable=found), ""

    @property
    def reviewer(self) -> PlanReviewer:
        """What judges a plan, as this spec, these accounts and this day have it."""
        return PlanReviewer(
            self.config,
            self.graph.resources,
            self.state,
            self.providers,
            self.kept_answers,
            self.today,
            self._others.owner_of,
            offline=self.offline,
            is_read_only=self.is_read_only,
        )

    @property
    def _others(self) -> OtherEnvironments:
        return OtherEnvironments(self.config, self.state_of)

    @property
    def _reader(self) -> Reader:
        return Reader(self.providers, self.parallelism, self.clock, self.retry_base, self.config.secrets)

    @property
    def _secret_digests(self) -> dict[Secret, str]:
        return secret_digests(self.config, self.digest_key)


def _none_selected(config: Config) -> str:
    """A warning that `default` is used although other environments are declared."""
    names = one_of(config.unselected, "and")
    chosen = command("--env", config.unselected[0])
    return (
        f"no environment is selected, so this is `{config.environment}`, with a state of its own; the spec "
        f"declares {names}: {chosen}. If you mean it, declare it under `environments`: "
        f"`{config.environment}: {{}}`"
    )


def secret_digests(config: Config, digest_key: str) -> dict[Secret, str]:
    """Short: enough to see a change. Without a `digest_key`, they are keyed by the names of spec and
    environment: whoever knows these can confirm a guess of a short secret."""
    key = (digest_key or f"{config.name}/{config.environment}").encode()
    withheld = config.withheld or ()
    return {
        secret: "withheld"
        if secret.scope == "env" and secret.name in withheld
        else hmac.new(key, str(value).encode(), "sha256").hexdigest()[:8]
        for secret, value in config.secrets.items()
    }
