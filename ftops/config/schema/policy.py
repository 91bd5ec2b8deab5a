"""Policy: rules about what a plan may do, each with one condition; and overrides of rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from ftops.config.schema.block import Block, ListOf, OneOrMore, optional, required
from ftops.config.schema.field_aliases import AMOUNT, FIXED_TEXT, FLAG, choice
from ftops.config.schema.field_types import Integer
from ftops.config.schema.text_types import Duration, Text
from ftops.core.resource_types import RESOURCE_TYPES

RULE_NAME = Text(
    r"[a-z][a-z0-9_-]{0,62}",
    "a name: lower-case letters, digits, `-` and `_`, starting with a letter, at most 63 characters",
    closed=True,
)
_KIND = choice(*RESOURCE_TYPES)
_PATTERNS = ListOf(FIXED_TEXT)


class Day(Text, frozen=True):
    """A day, such as 2026-12-31."""

    pattern: str = r"\d{4}-\d{2}-\d{2}"
    expected: str = "a day such as 2026-12-31"
    advice: str = "Write the year first, then the month and the day, joined by `-`."

    def convert(self, value: Any) -> str | None:
        text = super().convert(value)
        try:
            return date.fromisoformat(text).isoformat() if text else None
        except ValueError:
            return None


class DeleteCondition(Block, noun="`delete`"):
    """The resources that a plan deletes."""

    kinds = optional(OneOrMore(_KIND), "Only these kinds of resources; default: all.")
    addresses = optional(_PATTERNS, "Only these addresses, such as deployment.* or job.copilot.")
    max = optional(Integer(0, closed=True), "The number that is allowed.", 0)
    replaced = optional(FLAG, "Also count resources that are replaced.", False)


class RetrainCondition(Block, noun="`retrain`"):
    """The models that a plan trains again."""

    max = optional(Integer(0, closed=True), "The number that is allowed; default: 0, unless `cost` is set.")
    cost = optional(AMOUNT, "US dollars that training them again may cost.")


class CostCondition(Block, noun="`cost`"):
    """What a plan costs."""

    training = optional(AMOUNT, "US dollars that all jobs of a plan may cost.")
    hosting_per_month = optional(AMOUNT, "US dollars that the deployments of a plan may cost in 730 hours.")


class ListCondition(Block):
    """Names that are allowed or not."""

    usual = "deny"
    allow = optional(_PATTERNS, "Only these; `*` stands for any text.")
    deny = optional(_PATTERNS, "None of these; `*` stands for any text.")


class ModelsCondition(ListCondition, noun="`models`"):
    """The models that are trained, deployed or asked; of a fine-tuned model, its base model."""


class RegionsCondition(ListCondition, noun="`regions`"):
    """The regions of the accounts, as the accounts report them."""


class SkusCondition(ListCondition, noun="`skus`"):
    """The SKUs of deployments."""


class AccountsCondition(ListCondition, noun="`accounts`"):
    """The accounts of the providers."""


class TrainingTypesCondition(ListCondition, noun="`training_types`"):
    """The training types of jobs."""


class SourcesCondition(ListCondition, noun="`sources`"):
    """Where data comes from: paths from the folder of the spec, or hosts such as https://*.example.com."""


class DataCondition(Block, noun="`data`"):
    """The data of a plan."""

    sources = required(SourcesCondition, "Where data may come from.")


class RequireCondition(Block, noun="`require`"):
    """What resources must have."""

    prevent_destroy = optional(OneOrMore(_KIND), "Kinds of resources that set lifecycle.prevent_destroy.")
    tags = optional(_PATTERNS, "Tags that each deployment has.")
    validation_data = optional(FLAG, "Each job has validation data.", False)
    gates = optional(FLAG, "Each deployment of a fine-tuned model has a gate.", False)


class RetirementCondition(Block, noun="`retirement`"):
    """Models that retire soon."""

    within = required(Duration(closed=True), "A duration such as 90d.")


class Condition(Block, noun="the condition of a rule"):
    """What a rule is about: exactly one of these."""

    delete = optional(DeleteCondition, "The plan deletes more resources than allowed.")
    retrain = optional(RetrainCondition, "The plan trains more models again than allowed.")
    cost = optional(CostCondition, "The plan costs more than allowed.")
    models = optional(ModelsCondition, "A model isn't allowed.")
    regions = optional(RegionsCondition, "The region of an account isn't allowed.")
    skus = optional(SkusCondition, "The SKU of a deployment isn't allowed.")
    accounts = optional(AccountsCondition, "An account isn't allowed.")
    training_types = optional(TrainingTypesCondition, "The training type of a job isn't allowed.")
    data = optional(DataCondition, "Data comes from where it isn't allowed to.")
    require = optional(RequireCondition, "A resource lacks what is required.")
    retirement = optional(RetirementCondition, "A model retires within this time.")


class PolicyRule(Block, noun="a rule of `policy`"):
    """A rule about what a plan may do."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("forbid", "block", "refuse", "reject", "error", "disallow"), "deny"),
        **dict.fromkeys(("warning", "alert"), "warn"),
        **dict.fromkeys(("description", "reason"), "message"),
    }

    deny = optional(Condition, "Refuse a plan to which this condition applies.")
    warn = optional(Condition, "Warn about a plan to which this condition applies.")
    name = optional(RULE_NAME, "Name of the rule; default: the name of its condition.")
    message = optional(FIXED_TEXT, "Why the rule exists, and what to do instead.", "")
    overridable = optional(FLAG, "Whether `overrides` or --override may lift it.", False)
    environments = optional(_PATTERNS, "Only in these environments, such as prod or pr-*; default: all.")


class OverrideBlock(Block, noun="an override"):
    """A rule that is lifted for a time."""

    rule = required(RULE_NAME, "Name of the rule.")
    reason = required(FIXED_TEXT, "Why; it is shown in the plan and recorded.")
    until = required(Day(closed=True), "Last day on which it counts (UTC).")
