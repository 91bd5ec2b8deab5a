"""Spec schema: every section, with the blocks that declare its keys, their types, defaults and descriptions.

`loader` validates with it after expressions are evaluated; `json_schema` publishes it for editors.
"""

from msgspec.structs import replace

from ftops.config.schema.block import Block, Field, ListOf, MapOf, optional
from ftops.config.schema.field_types import JsonSchema, Untyped
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.config.schema.json_schema import schema_of
from ftops.config.schema.policy import OverrideBlock, PolicyRule
from ftops.config.schema.providers import ProviderBlock
from ftops.config.schema.refactorings import Import, Moved, Removed
from ftops.config.schema.resources import ResourceBlock
from ftops.config.schema.settings import Environment, Settings, StateReference, Variable
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES


def resource_block(kind: str) -> type[ResourceBlock]:
    """The block that declares a resource of this kind."""
    block: type[ResourceBlock] = resolve(RESOURCE_TYPES[kind].block)
    return block


def provider_block(type_: str) -> type[ProviderBlock]:
    """The block that declares a provider of this type."""
    block: type[ProviderBlock] = resolve(PROVIDER_TYPES[type_].block)
    return block


class Spec(Block):
    """An ftops spec: the datasets, fine-tuning jobs and deployments that should exist."""

    ftops = optional(Settings, "Settings of the spec.")
    variables = optional(MapOf(Variable), "Input variables, by name.")
    providers = optional(MapOf(ProviderBlock), "Providers, by name.")
    environments = optional(MapOf(Environment), "Environments, by name.")
    states = optional(MapOf(StateReference), "States of other specs whose outputs are read, by name.")
    hyperparameters = optional(MapOf(Hyperparameters), "Named hyperparameters, shared by jobs.")
    outputs = optional(MapOf(Untyped()), "Outputs for other programs: a value, or {value, …}.")
    moved = optional(ListOf(Moved), "Resources with a new address.")
    import_ = optional(ListOf(Import), "Existing objects to manage from now on.", key="import")
    removed = optional(ListOf(Removed), "Resources that are no longer managed.")
    policy = optional(ListOf(PolicyRule), "Rules about what a plan may do.")
    overrides = optional(ListOf(OverrideBlock), "Rules that are lifted for a time.")


LISTS = frozenset(field.key for field in Spec.fields.values() if isinstance(field.type, ListOf))
"""The sections that are lists."""


def sections() -> tuple[str, ...]:
    """Top-level keys, in the order of a well-kept spec."""
    fixed = [field.key for field in Spec.fields.values()]
    at = fixed.index("outputs")
    return (*fixed[:at], *(row.section for row in RESOURCE_TYPES.values()), *fixed[at:])


def json_schema() -> JsonSchema:
    """The JSON Schema of a spec. The package has a copy: schema.json."""
    by_key = {field.key: field for field in Spec.fields.values()}
    for row in RESOURCE_TYPES.values():
        by_key[row.section] = Field(MapOf(resource_block(row.kind)), f"{row.title}, by name.")
    blocks = tuple(map(provider_block, PROVIDER_TYPES))
    by_key["providers"] = replace(by_key["providers"], type=MapOf(blocks))
    fields = {key: replace(by_key[key], key=key) for key in sections()}
    return schema_of(type("Spec", (Block,), {"__doc__": Spec.__doc__, "fields": fields}), "ftops spec")
