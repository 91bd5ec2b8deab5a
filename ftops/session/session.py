"""Session: the use cases of one spec in one environment, with its state and its providers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from msgspec import field
from msgspec.structs import replace

from ftops.config.accounts import accounts_of
from ftops.config.config import Config
from ftops.config.graph import Graph, build
from ftops.config.outputs import OutputValue, evaluate
from ftops.config.policy import Policy
from ftops.config.sweeps import named_by
from ftops.core.address import Address, Reference, decode
from ftops.core.dag_executor import Clock, RealTime
from ftops.core.errors import UsageError
from ftops.core.resource_types import kind_of
from ftops.planning.desired import Resolver
from ftops.planning.estimate import TrainingCost
from ftops.planning.moves import Replacement, located, nothing_recorded, replace_provider
from ftops.planning.plan import NORMAL, Options, Plan
from ftops.planning.plan_builder import PlanBuilder
from ftops.providers import Providers
from ftops.providers.base import Controls, Provider
from ftops.session.environment_state import EnvironmentState
from ftops.state.backends.base import lock_info
from ftops.state.backends.factory import (
    open_store,
    state_keys,
)
from ftops.state.backends.local import LocalStore
from ftops.state.entries import Home, Recorded
from ftops.state.file_format import StateCodec
from ftops.state.state import RemoteObject, ResourceState, State, Status, observed_as

if TYPE_CHECKING:
    from ftops.evaluation.kept_answers import KeptAnswers
    from ftops.providers.training_results import Results


class Session(EnvironmentState, kw_only=True):
    """A spec in one environment with its state, and the services that it needs. A context manager: providers
    are closed at its end."""

    graph: Graph
    providers: Providers
    retry_base: float = 1.0
    """Seconds before the second try of a read that failed temporarily."""
    clock: Clock = field(default_factory=RealTime)
    wall_clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """By which hosting hours begin and end."""
    is_continuing: bool = False
    """Whether the config is the recorded one of a grant: outputs that were declared since stay recorded."""
    is_copy: bool = False
    """Whether the state is a copy, and no state is read."""

    @classmethod
    def open(cls, config: Config) -> Session:
        """Raises SpecError if dependencies form a cycle."""
        graph, providers = build(config), Providers(config.providers, config.project)
        return cls(config, open_store(config), graph=graph, providers=providers)

    @classmethod
    def on_copy(cls, config: Config, state: State) -> Session:
        """With a copy of the state, to plan; the state's backend isn't asked."""
        keys = None if config.withheld is not None else state_keys(config.project, config.state)
        folder = config.project / config.state.path
        store = LocalStore(folder, config.name, config.environment, StateCodec(keys))
        providers = Providers(config.providers, config.project)
        return cls(config, store, state, graph=build(config), providers=providers, is_copy=True)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not KeyboardInterrupt:  # a worker may hold what closing waits for; the process ends
            self.providers.close()

    def plan(
        self,
        options: Options = NORMAL,
        *,
        refresh: bool = True,
        preflight: bool = True,
        offline: bool = False,
        read_only: bool = False,
        priced: bool = True,
        parallelism: int = 10,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
        as_of: date | None = None,
    ) -> Plan:
        """What applying would do. `refresh=False` trusts the state, and reads only the objects of interrupted
        operations; `preflight=False` doesn't check whether it would succeed; with `offline`, no service is
        asked; with `read_only`, another identity applies it; with `priced=False`, no costs are estimated.
        `as_of`: judges the dates of models for that day, not for today, and no hosting hours."""
        builder = replace(self._plan_builder(parallelism), offline=offline, is_priced=priced)
        builder = replace(builder, is_read_only=read_only)
        builder = replace(builder, today=as_of) if as_of else replace(builder, moment=self.wall_clock())
        return builder.build(options, refresh, preflight, on_progress)

    def judged(self, made: Plan, policy: Policy, options: Options, costs: Sequence[TrainingCost]) -> Plan:
        """A part of an approved plan with what these rules say of it. `costs`: of its jobs."""
        return self._plan_builder().reviewer.judged(made, policy, options, costs)

    def plan_switches(self, addresses: Collection[Address], parallelism: int = 10) -> Plan:
        """What the hosting hours of recorded deployments switch now. Raises ProviderError."""
        builder = replace(self._plan_builder(parallelism), moment=self.wall_clock())
        return builder.plan_switches(addresses)

    def control(self, address: Address, verb: str) -> ResourceState:
        """Pauses, resumes or cancels a job, and records what it is then; if another run holds the lock, that
        is left to it or to the next run. Raises FtopsError, ProviderError."""
        here = self.job(address)
        provider = self.providers(here.provider)
        if not isinstance(provider, Controls):
            raise UsageError(f"the provider {here.provider} can't {verb} jobs")
        self.confirm_lock()
        beside = self.hold is None
        with self.audited(beside=beside) as ending:
            changed = observed_as(here, provider.control(here, verb))
            if beside:
                ending.result, ending.serial = "done", self.state.serial
            else:
                self.record_in(ending, [Recorded(changed)])
        return changed

    def observe(self, resource: ResourceState) -> RemoteObject | None:
        """A recorded object as it is now; None if it doesn't exist. Raises ProviderError."""
        return self._plan_builder().observe(resource)

    def observe_all(self, resources: Sequence[ResourceState]) -> dict[str, Status]:
        """The states of recorded objects as they are now, by id; jobs whose models are gone are TAINTED, and
        what doesn't exist is left out. Raises ProviderError."""
        return self._plan_builder().observe_all(resources)

    def ask_all(
        self, resources: Iterable[ResourceState], ask: Callable[[Provider, ResourceState], object]
    ) -> dict[Address, Any]:
        """What the providers of recorded objects say, by address. Raises ProviderError."""
        return self._plan_builder().ask_all(resources, ask)

    def import_object(self, address: Address, remote_id: str) -> ResourceState:
        """Reads an object of the service and records it under an address. Only within `locked`. Raises
        FtopsError if the spec doesn't declare the address, or it or the object is already recorded."""
        found = self._plan_builder().read_import(address, remote_id)
        self.record([Recorded(found)])
        return found

    def import_objects(
        self, wanted: Mapping[Address, str], digests: Mapping[str, str], parallelism: int
    ) -> Plan:
        """Records objects of the service under declared addresses, and returns the plan after it. `digests`
        are those of files whose content is known, by id. Only within `locked`."""
        made = self._plan_builder(parallelism).plan_imports(wanted, digests)
        found = (entry for entry in made.entries if isinstance(entry, Recorded))
        self.record(entry for entry in found if entry.resource.address in wanted)
        return made

    def _plan_builder(self, parallelism: int = 10) -> PlanBuilder:
        return PlanBuilder(
            self.config,
            self.graph,
            self.state,
            self.providers,
            self.retry_base,
            parallelism,
            self.clock,
            kept_answers=self._kept_answers,
            digest_key=self.digest_key,
            state_of=None if self.is_copy else self._state_of,
            who=lambda: lock_info("", "", "").who,
        )

    def _state_of(self, environment: str) -> State:
        """The recorded state of another environment of the spec, which is only read."""
        return open_store(replace(self.config, environment=environment)).read()

    def _kept_answers(self, model: str) -> KeptAnswers:
        from ftops.session.answers import kept_answers

        return kept_answers(self.config, model)

    def replacement(self, before: str, after: str, *, verified: bool) -> Replacement:
        """`state replace-provider`: the entries that record another provider for recorded objects; with
        `verified`, checks that the objects exist in its account. Raises FtopsError."""
        wanted = replace_provider(self.state, before, Home(after, accounts_of(self.config)[after]))
        if verified:
            self._plan_builder().check_home(wanted)
        return wanted

    def outputs(self, after: State | None = None) -> dict[str, OutputValue]:
        """The spec's outputs, resolved from the recorded state or from this one; unknown references stay."""
        state, sweeps = after or self.state, self.graph.sweeps
        ready = {a: one for a, one in state.resources.items() if one.status is Status.READY}
        resolver = Resolver.of_records(state.resources, sweeps=sweeps)

        def is_ready(reference: Reference) -> bool:
            return all(address in ready for address in named_by(reference, sweeps))

        return evaluate(self.config.outputs, resolver.look_up, is_ready)

    def recorded_outputs(self) -> dict[str, OutputValue]:
        """The outputs of the last apply, without sensitive ones."""
        return {name: OutputValue(decode(value), False) for name, value in self.state.outputs.items()}

    def results(self, address: Address) -> Results:
        """The training results of a job. Raises FtopsError, ProviderError."""
        here = self.job(address)
        from ftops.providers.training_results import (
            results_of,  # brings csv and base64 along, which no plan needs
        )

        return results_of(self.providers(here.provider), here)

    def job(self, address: Address) -> ResourceState:
        """A recorded job, with its provider in this spec. Raises FtopsError."""
        if address not in self.state.resources:
            raise nothing_recorded(self.state.resources, address, self.state.serial)
        if not kind_of(address).trains:
            raise UsageError(f"{address} isn't a job")
        return located(self.state, self.config)[0].resources[address]
