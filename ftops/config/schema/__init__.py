"""Spec schema: every section and field, with its type, default and description.

`loader` validates with it after expressions are evaluated; `json_schema` publishes it for editors.
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from ftops.config.schema.block import Block, Field, ListOf, MapOf, OrName, optional, required
from ftops.config.schema.field_aliases import (
    ACCOUNT_ID,
    AMOUNT,
    AUTO,
    DEPLOYMENT_NAME,
    FIXED_TEXT,
    FLAG,
    NAME,
    OPEN_TEXT,
    REGION,
    SUFFIX,
    TRAINING_TYPE,
    UPGRADE_OPTION,
    choice,
)
from ftops.config.schema.field_types import EXPRESSION_SCHEMA, Choice, Integer, JsonSchema, Number, Untyped
from ftops.config.schema.json_schema import schema_of
from ftops.config.schema.providers import ProviderBlock, Sku
from ftops.core.drift_classes import DRIFT_CLASSES
from ftops.core.lazy import resolve
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES


class Encryption(Block, noun="`encryption`"):
    """Encryption of the state at rest: AES-256-GCM."""

    key = optional(FIXED_TEXT, "Key of 32 bytes in base64 or hex: ${env.NAME}.")
    key_file = optional(FIXED_TEXT, "File that contains the key; a relative path starts at the project root.")
    fallback = optional(FIXED_TEXT, "Previous key: what it encrypted can still be read.")
    fallback_file = optional(FIXED_TEXT, "File that contains the previous key.")
    accept_plain = optional(FLAG, "Also read a state that isn't encrypted yet, and encrypt it.", False)


class StateBlock(Block, noun="`state`"):
    """Where the state is stored."""

    backend = optional(
        choice("local", "azure_blob", "s3", "gcs"),
        "Where the state is stored: files of the project, or a bucket.",
        "local",
    )
    path = optional(FIXED_TEXT, "Folder or prefix; a relative one starts at the project root.", "state")
    account_url = optional(FIXED_TEXT, "Blob service of the storage account (azure_blob).")
    container = optional(FIXED_TEXT, "Container of the storage account (azure_blob).")
    bucket = optional(FIXED_TEXT, "Name of the bucket (s3, gcs).")
    region = optional(REGION, "Region of the bucket (s3).")
    endpoint_url = optional(FIXED_TEXT, "Endpoint of an S3-compatible service (s3).")
    history = optional(Integer(1, 1000), "Number of versions to keep; default: 10.")
    lease = optional(
        Integer(5, 3600), "Seconds after which the lock of a dead run expires (buckets); default: 60."
    )
    encryption = optional(Encryption, "Encryption of the state; default: none.")


class BudgetBlock(Block, noun="`budget`"):
    """What a plan may cost, in US dollars. A plan that costs more is blocked."""

    training = optional(AMOUNT, "All jobs of one plan.")
    hosting_per_hour = optional(AMOUNT, "All deployments of tuned models that one plan makes, by the hour.")


def _policy(drift_class: str) -> Any:
    row = DRIFT_CLASSES[drift_class]
    return optional(choice(*row.policies), row.description)


class DriftBlock(Block, noun="`drift`"):
    """What to do if the service differs from the recorded state, by class of drift."""

    changed = _policy("changed")
    vanished = _policy("vanished")
    expired = _policy("expired")
    retired = _policy("retired")
    upgraded = _policy("upgraded")
    normalised = _policy("normalised")


class ChecksBlock(Block, noun="`checks`"):
    """How data is checked."""

    severity = optional(
        MapOf(choice("error", "warning", "note", "off")),
        "Severity of findings, by rule such as data/duplicate, or by group such as secret/*.",
    )


class Settings(Block, noun="the section `ftops`"):
    """Settings of the spec as a whole."""

    name = optional(NAME, "Name of the spec; default: the name of its folder.")
    required_version = optional(FIXED_TEXT, 'Required versions of ftops, such as ">=0.1, <2".')
    state = optional(StateBlock, "Where the state is stored.")
    budget = optional(BudgetBlock, "Cost limits of a plan.")
    checks = optional(ChecksBlock, "How the examples of every dataset are checked.")
    drift = optional(DriftBlock, "Policies for drift.")


class Variable(Block, noun="a variable"):
    """A value that is set by an environment, a file, the command line or its default."""

    type = optional(
        choice("string", "integer", "number", "boolean", "list", "map", "any"), "Type of the value.", "any"
    )
    default = optional(Untyped(as_written=True), "Value if none is given.")
    description = optional(FIXED_TEXT, "Purpose of the variable.")
    minimum = optional(Number(closed=True), "Smallest value (integer, number).")
    maximum = optional(Number(closed=True), "Largest value (integer, number).")
    allowed = optional(Untyped(list, as_written=True), "Allowed values.")
    pattern = optional(FIXED_TEXT, "Regular expression that the whole text must match (string).")
    sensitive = optional(FLAG, "The value is a secret: it is never shown or stored.", False)


class Environment(Block, noun="an environment"):
    """An environment, with its own variables, provider and state."""

    provider = optional(FIXED_TEXT, "Provider of resources that don't set one.")
    variables = optional(Untyped(dict, as_written=True), "Values of variables.")
    budget = optional(BudgetBlock, "Cost limits of a plan of this environment.")
    description = optional(FIXED_TEXT, "Purpose of the environment.")


class Hyperparameters(Block, noun="hyperparameters"):
    """Hyperparameters of training. With `auto`, the service chooses."""

    n_epochs = optional(Integer(1, 50, words=AUTO), "Number of passes over the training examples.")
    batch_size = optional(Integer(1, 256, words=AUTO), "Number of examples per training step.")
    learning_rate_multiplier = optional(
        Number(above=0, words=AUTO), "Multiplier for the learning rate of the base model's training."
    )
    compute_multiplier = optional(
        Number(above=0, words=AUTO),
        "Multiplier for the compute that is used to explore answers (reinforcement).",
    )
    eval_interval = optional(Integer(1, words=AUTO), "Training steps between evaluations (reinforcement).")
    eval_samples = optional(Integer(1, words=AUTO), "Number of samples per evaluation (reinforcement).")
    reasoning_effort = optional(
        Choice(words=("default", "low", "medium", "high")),
        "Reasoning effort during training (reinforcement).",
    )


class JobHyperparameters(Hyperparameters, noun="`hyperparameters`"):
    """Hyperparameters of a job: inline, or named hyperparameters with some of them overridden."""

    use = optional(NAME, "Named hyperparameters to start from.")


class LifecycleBlock(Block, noun="`lifecycle`"):
    """How changes to a resource are applied."""

    prevent_destroy = optional(FLAG, "Refuse every plan that would delete the object.", False)
    ignore_changes = optional(ListOf(FIXED_TEXT), "Inputs whose changes are ignored.")
    create_before_destroy = optional(FLAG, "Create the new object before the old one is deleted.")
    on_destroy = optional(
        choice("delete", "retain"),
        "What happens to the object when the resource is removed from the spec.",
        "delete",
    )


FOR_EACH_SCHEMA: JsonSchema = {
    "anyOf": [
        {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
        {"type": "object"},
        EXPRESSION_SCHEMA,
    ]
}


class ResourceBlock(Block):
    """Keys of every resource."""

    provider = optional(FIXED_TEXT, "Provider that manages the resource.")
    depends_on = optional(ListOf(FIXED_TEXT), "Addresses of resources that are applied first: [job.base].")
    lifecycle = optional(LifecycleBlock, "How changes to the resource are applied.")
    for_each = optional(
        Untyped(json_schema=FOR_EACH_SCHEMA),
        "One resource for each entry of a list or mapping, or each combination of `matrix`.",
    )
    enabled = optional(FLAG, "false: the resource isn't created.", True)


class SplitBlock(Block, noun="`split`"):
    """One part of the examples, selected by a hash of the prompt."""

    part = required(
        choice("train", "valid"), "train: the first `fraction` of the examples; valid: the others."
    )
    fraction = optional(Number(above=0, closed=True), "Share of `train`, below 1.", 0.9)
    seed = optional(Integer(0, 2**63 - 1, closed=True), "A different seed gives a different split.", 1)
    group_by = optional(
        FIXED_TEXT,
        "What is kept together: prompt, example, or the path of a value such as metadata.customer.",
        "prompt",
    )
    stratify = optional(FLAG, "Keep the shares of each answer the same in all parts.", False)


class StepBlock(Block, noun="a step of `transform`"):
    """One step of `transform`: exactly one of `slim`, `convert` and `split`."""

    slim = optional(
        choice("descriptions", "parameters", "functions"),
        "Leave out descriptions, parameters or whole functions of the definitions.",
    )
    only = optional(ListOf(FIXED_TEXT), "With slim: only these functions.")
    convert = optional(
        choice("tools", "functions"), "Format of function calling: tools, or the legacy functions."
    )
    split = optional(SplitBlock, "One part of the examples.")


class Dataset(ResourceBlock, noun="a dataset"):
    """A file of training examples."""

    path = optional(FIXED_TEXT, "File of examples, or a pattern for several; relative to this spec file.")
    url = optional(OPEN_TEXT, "URL that the service downloads the examples from.")
    format = optional(
        choice("chat", "preference", "reinforcement"),
        "Format of the examples; default: detected from the examples.",
    )
    transform = optional(ListOf(StepBlock), "Transformations before the upload, applied in order.")
    checks = optional(ChecksBlock, "How the examples are checked.")
    purpose = optional(
        choice("fine-tune", "evals", "batch", "assistants"),
        "Purpose of the file at the service.",
        "fine-tune",
    )


class Job(ResourceBlock, noun="a job"):
    """A fine-tuning job."""

    model = required(OPEN_TEXT, "Model to start from: a base model, or ${job.other.fine_tuned_model}.")
    method = optional(choice("supervised", "dpo", "reinforcement"), "Fine-tuning method.", "supervised")
    training = required(OPEN_TEXT, "Name of the training dataset.")
    validation = optional(OPEN_TEXT, "Name of the validation dataset.")
    hyperparameters = optional(OrName(JobHyperparameters), "The name of named hyperparameters, or a mapping.")
    training_type = optional(TRAINING_TYPE, "Training type; default: that of the provider, else standard.")
    seed = optional(Integer(0, 2**31 - 1), "Seed for reproducible training.")
    suffix = optional(SUFFIX, "Suffix in the name of the fine-tuned model.")
    integrations = optional(Untyped(list), "Integrations that receive the job's metrics.")
    beta = optional(Number(above=0, words=AUTO), "How closely the model stays to the reference model (dpo).")
    grader = optional(Untyped(dict), "Grader that scores the answers (reinforcement).")
    response_format = optional(Untyped(dict), "Format of the answers (reinforcement).")


class Deployment(ResourceBlock, noun="a deployment"):
    """A deployed model."""

    name = optional(
        DEPLOYMENT_NAME, "Name of the deployment, used by callers; default: the name of the resource."
    )
    model = required(OPEN_TEXT, "Model to deploy: ${job.name.fine_tuned_model}, or a base model.")
    version = optional(OPEN_TEXT, "Version of a base model.")
    sku = optional(Sku, "SKU and capacity of the deployment.")
    version_upgrade_option = optional(
        UPGRADE_OPTION, "When the service may upgrade a base model to a newer version."
    )
    rai_policy = optional(OPEN_TEXT, "Name of the content filter.")
    tags = optional(MapOf(OPEN_TEXT), "Tags of the deployment.")
    source = optional(
        ACCOUNT_ID,
        "ARM ID of the account that owns the model, if it is another one; set automatically for a model "
        "of a job.",
    )
    source_tenant = optional(OPEN_TEXT, "Tenant of that account, if it is another one.")
    replace = optional(
        choice("recreate", "blue_green"), "What to do if a change can't be made in place.", "recreate"
    )


class OutputBlock(Block, noun="an output"):
    """A value for other programs."""

    value = required(Untyped(), "The value.")
    description = optional(FIXED_TEXT, "Purpose of the value.", "")
    sensitive = optional(FLAG, "Never show the value.", False)


class Moved(Block, noun="`moved`"):
    """A resource with a new address."""

    from_ = required(FIXED_TEXT, "Previous address.", key="from")
    to = required(FIXED_TEXT, "New address.")


class Import(Block, noun="`import`"):
    """An existing object to be managed from now on."""

    to = required(FIXED_TEXT, "Address to import it to.")
    id = required(FIXED_TEXT, "ID of the object at the service.")


class Removed(Block, noun="`removed`"):
    """A resource that is no longer managed."""

    from_ = required(FIXED_TEXT, "Previous address.", key="from")
    retain = optional(FLAG, "true: the object itself is kept.", False)


def resource_block(kind: str) -> type[ResourceBlock]:
    """The block that declares a resource of this kind."""
    block: type[ResourceBlock] = resolve(RESOURCE_TYPES[kind].block)
    return block


def provider_block(type_: str) -> type[ProviderBlock]:
    """The block that declares a provider of this type."""
    block: type[ProviderBlock] = resolve(PROVIDER_TYPES[type_].block)
    return block


REFACTORINGS: Mapping[str, type[Block]] = {"moved": Moved, "import": Import, "removed": Removed}
COMMON_KEYS = frozenset(ResourceBlock.fields)


class Spec(Block):
    """An ftops spec: the datasets, fine-tuning jobs and deployments that should exist."""

    ftops = optional(Settings, "Settings of the spec.")
    variables = optional(MapOf(Variable), "Input variables, by name.")
    providers = optional(MapOf(ProviderBlock), "Providers, by name.")
    environments = optional(MapOf(Environment), "Environments, by name.")
    hyperparameters = optional(MapOf(Hyperparameters), "Named hyperparameters, shared by jobs.")
    outputs = optional(MapOf(Untyped()), "Outputs for other programs: a value, or {value, …}.")
    moved = optional(ListOf(Moved), "Resources with a new address.")
    import_ = optional(ListOf(Import), "Existing objects to manage from now on.", key="import")
    removed = optional(ListOf(Removed), "Resources that are no longer managed.")


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
