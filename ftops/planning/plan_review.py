"""Plan review: what a plan costs, what preflight finds, and what the policy's rules say of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from ftops.config.config import Config, Resource
from ftops.config.policy import Policy
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.planning.estimate import NOTHING, Estimate, TrainingCost
from ftops.planning.plan import MAKING, Options, Plan, PolicyOutcome, sent_resources
from ftops.providers import Providers
from ftops.providers.base import all_instant
from ftops.state.state import State

if TYPE_CHECKING:
    from ftops.evaluation.kept_answers import KeptAnswers
    from ftops.planning.preflight.context import OwnerOf
    from ftops.providers.account_facts import AccountFacts


class PlanReviewer(Struct, frozen=True):
    """For one spec in one environment and its recorded state."""

    config: Config
    declared: Mapping[Address, Resource]
    state: State
    providers: Providers
    kept_answers: Callable[[str], KeptAnswers] | None
    """The kept answers of a model, by its identity."""
    today: date
    """The day for which the dates of models are judged."""
    owner_of: OwnerOf
    offline: bool = False
    """Whether no service is asked."""
    is_read_only: bool = False
    """Whether another identity applies the plan, so that it doesn't matter what this one may change."""

    def review(self, made: Plan, options: Options, *, is_priced: bool, preflight: bool) -> Plan:
        """The plan with its cost, if `is_priced`, and all findings; with `preflight`, accounts are asked."""
        resources = sent_resources(made, self.declared)
        if is_priced:
            costs, findings = self._estimated(made, resources, self.config.project)
            made = replace(made, estimate=costs, findings=findings)
        accounts: Mapping[str, AccountFacts] = {}
        if self.offline:
            made = self._checked_offline(made, resources)
        elif preflight:
            made, accounts = self._checked(made, resources)
        if self.config.policy != Policy() or options.rule_overrides:
            made = self._with_policy(made, resources, accounts, options)
        return made

    def judged(self, made: Plan, policy: Policy, options: Options, costs: Sequence[TrainingCost]) -> Plan:
        """A part of an approved plan as these rules judge it. `costs` are those of its jobs: the data that
        they are estimated from may be gone."""
        config = replace(self.config, policy=policy)
        resources = sent_resources(made, self.declared)
        making = {change.address for change in made.changes if change.action in MAKING}
        estimate = self._estimated(made, resources, self.config.project)[0]
        training = tuple(cost for cost in costs if cost.address in making)
        priced = replace(made, estimate=replace(estimate, training=training), findings=())
        return replace(self, config=config)._with_policy(priced, resources, {}, options)

    def _checked(
        self, made: Plan, resources: Mapping[Address, Resource]
    ) -> tuple[Plan, Mapping[str, AccountFacts]]:
        """The plan with the findings of preflight, and what the accounts said. If nothing is to be created or
        changed, no account is asked."""
        if all_instant(self.providers, made.providers_of(MAKING)):
            return made, {}
        from ftops.planning.preflight import run_preflight

        found = run_preflight(
            made,
            self.config,
            resources,
            self.providers,
            os.environ,
            self.today,
            temporary={cost.address: cost.temporary for cost in made.estimate.asking},
            owner_of=self.owner_of,
            is_read_only=self.is_read_only,
        )
        made = made.making_room(found.room) if found.room else made
        return replace(made, findings=(*found.findings, *made.findings)), found.accounts

    def _with_policy(
        self,
        made: Plan,
        resources: Mapping[Address, Resource],
        accounts: Mapping[str, AccountFacts],
        options: Options,
    ) -> Plan:
        """The plan as the rules in force judge it."""
        from ftops.planning.policy import judge
        from ftops.planning.policy.gathering import gather

        ask = None if self.offline else self.providers
        context = gather(made, self.config, resources, accounts, ask, self._estimated, self.today)
        findings, overridden = judge(
            self.config.policy, options.rule_overrides, context, datetime.now(UTC).date()
        )
        outcome = PolicyOutcome(self.config.policy.changes, overridden)
        return replace(made, findings=(*findings, *made.findings), policy=outcome)

    def _checked_offline(self, made: Plan, resources: Mapping[Address, Resource]) -> Plan:
        """The plan with what the catalogue tells of its models."""
        if not made.providers_of(MAKING):
            return made
        from ftops.planning.preflight import check_offline

        findings = check_offline(made.changes, self.config, resources, os.environ, made.known)
        return replace(made, findings=(*findings, *made.findings))

    def _estimated(
        self, made: Plan, resources: Mapping[Address, Resource], project: Path | None
    ) -> tuple[Estimate, tuple[Diagnostic, ...]]:
        """What the plan would cost, and findings, with the catalogue of the project (None: the catalogue
        alone). If nothing is created that costs anything, no data is read."""
        billed = {name for name, p in self.config.providers.items() if PROVIDER_TYPES[p.type].is_billed}
        if not billed & made.providers_of(MAKING):
            return NOTHING, ()
        from ftops import catalog
        from ftops.planning.cost.budgets import small_budgets
        from ftops.planning.cost.estimator import estimate

        changes = [change for change in made.changes if change.provider in billed]
        kept = None if self.config.withheld is not None else self.kept_answers
        known = catalog.load(project, os.environ)
        costs, found = estimate(changes, self.config, resources, known, self.state, made.known, kept)
        return costs, (*found, *small_budgets(costs.training, made.stops, resources))
