"""Spec schema: every section and field, with its type, default and description.

`loader` validates with it after expressions are evaluated; `json_schema` publishes it for editors.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from types import GenericAlias
from typing import Annotated, Any

from msgspec.structs import replace

from ftops.config.schema.block import Block, Field, optional, required
from ftops.config.schema.field_aliases import (
    AUTO,
    AccountId,
    Amount,
    DeploymentName,
    FixedText,
    Flag,
    Name,
    OpenText,
    OrName,
    Region,
    Shown,
    Suffix,
    TrainingType,
    UpgradeOption,
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

    key: FixedText = optional("Key of 32 bytes in base64 or hex: ${env.NAME}.")
    key_file: FixedText = optional("File that contains the key; a relative path starts at the project root.")
    fallback: FixedText = optional("Previous key: what it encrypted can still be read.")
    fallback_file: FixedText = optional("File that contains the previous key.")
    accept_plain: Flag = optional("Also read a state that isn't encrypted yet, and encrypt it.", False)


def DriftPolicy(kind: str) -> Choice:
    return Choice(words=DRIFT_CLASSES[kind].policies, closed=True)


class StateBlock(Block, noun="`state`"):
    """Where the state is stored."""

    backend: Annotated[Any, choice("local", "azure_blob", "s3", "gcs")] = optional(
        "Where the state is stored: files of the project, or a bucket.", "local"
    )
    path: FixedText = optional("Folder or prefix; a relative one starts at the project root.", "state")
    account_url: FixedText = optional("Blob service of the storage account (azure_blob).")
    container: FixedText = optional("Container of the storage account (azure_blob).")
    bucket: FixedText = optional("Name of the bucket (s3, gcs).")
    region: Region = optional("Region of the bucket (s3).")
    endpoint_url: FixedText = optional("Endpoint of an S3-compatible service (s3).")
    history: Annotated[Any, Integer(1, 1000)] = optional("Number of versions to keep; default: 10.")
    lease: Annotated[Any, Integer(5, 3600)] = optional(
        "Seconds after which the lock of a dead run expires (buckets); default: 60."
    )
    encryption: Encryption | None = optional("Encryption of the state; default: none.")


class BudgetBlock(Block, noun="`budget`"):
    """What a plan may cost, in US dollars. A plan that costs more is blocked."""

    training: Amount = optional("All jobs of one plan.")
    hosting_per_hour: Amount = optional("All deployments of tuned models that one plan makes, by the hour.")


class DriftBlock(Block, noun="`drift`"):
    """What to do if the service differs from the recorded state, by class of drift."""

    changed: Annotated[Any, DriftPolicy("changed")] = optional(DRIFT_CLASSES["changed"].description)
    vanished: Annotated[Any, DriftPolicy("vanished")] = optional(DRIFT_CLASSES["vanished"].description)
    expired: Annotated[Any, DriftPolicy("expired")] = optional(DRIFT_CLASSES["expired"].description)
    retired: Annotated[Any, DriftPolicy("retired")] = optional(DRIFT_CLASSES["retired"].description)
    upgraded: Annotated[Any, DriftPolicy("upgraded")] = optional(DRIFT_CLASSES["upgraded"].description)
    normalised: Annotated[Any, DriftPolicy("normalised")] = optional(DRIFT_CLASSES["normalised"].description)


class ChecksBlock(Block, noun="`checks`"):
    """How data is checked."""

    severity: dict[str, Annotated[Any, choice("error", "warning", "note", "off")]] | None = optional(
        "Severity of findings, by rule such as data/duplicate, or by group such as secret/*."
    )


class Settings(Block, noun="the section `ftops`"):
    """Settings of the spec as a whole."""

    name: Name = optional("Name of the spec; default: the name of its folder.")
    required_version: FixedText = optional('Required versions of ftops, such as ">=0.1, <2".')
    state: StateBlock | None = optional("Where the state is stored.")
    budget: BudgetBlock | None = optional("Cost limits of a plan.")
    checks: ChecksBlock | None = optional("How the examples of every dataset are checked.")
    drift: DriftBlock | None = optional("Policies for drift.")


class Variable(Block, noun="a variable"):
    """A value that is set by an environment, a file, the command line or its default."""

    type: Annotated[
        Any,
        choice("string", "integer", "number", "boolean", "list", "map", "any"),
    ] = optional("Type of the value.", "any")
    default: Annotated[Any, Untyped(as_written=True)] = optional("Value if none is given.")
    description: FixedText = optional("Purpose of the variable.")
    minimum: Annotated[Any, Number(closed=True)] = optional("Smallest value (integer, number).")
    maximum: Annotated[Any, Number(closed=True)] = optional("Largest value (integer, number).")
    allowed: Annotated[Any, Untyped(list, as_written=True)] = optional("Allowed values.")
    pattern: FixedText = optional("Regular expression that the whole text must match (string).")
    sensitive: Flag = optional("The value is a secret: it is never shown or stored.", False)


class Environment(Block, noun="an environment"):
    """An environment, with its own variables, provider and state."""

    provider: FixedText = optional("Provider of resources that don't set one.")
    variables: Annotated[Any, Untyped(dict, as_written=True)] = optional("Values of variables.")
    budget: BudgetBlock | None = optional("Cost limits of a plan of this environment.")
    description: FixedText = optional("Purpose of the environment.")


class Hyperparameters(Block, noun="hyperparameters"):
    """Hyperparameters of training. With `auto`, the service chooses."""

    n_epochs: Annotated[Any, Integer(1, 50, words=AUTO)] = optional(
        "Number of passes over the training examples."
    )
    batch_size: Annotated[Any, Integer(1, 256, words=AUTO)] = optional(
        "Number of examples per training step."
    )
    learning_rate_multiplier: Annotated[Any, Number(above=0, words=AUTO)] = optional(
        "Multiplier for the learning rate of the base model's training."
    )
    compute_multiplier: Annotated[Any, Number(above=0, words=AUTO)] = optional(
        "Multiplier for the compute that is used to explore answers (reinforcement)."
    )
    eval_interval: Annotated[Any, Integer(1, words=AUTO)] = optional(
        "Training steps between evaluations (reinforcement)."
    )
    eval_samples: Annotated[Any, Integer(1, words=AUTO)] = optional(
        "Number of samples per evaluation (reinforcement)."
    )
    reasoning_effort: Annotated[Any, Choice(words=("default", "low", "medium", "high"))] = optional(
        "Reasoning effort during training (reinforcement)."
    )


class JobHyperparameters(Hyperparameters, noun="`hyperparameters`"):
    """Hyperparameters of a job: inline, or named hyperparameters with some of them overridden."""

    use: Name = optional("Named hyperparameters to start from.")


class LifecycleBlock(Block, noun="`lifecycle`"):
    """How changes to a resource are applied."""

    prevent_destroy: Flag = optional("Refuse every plan that would delete the object.", False)
    ignore_changes: list[FixedText] | None = optional("Inputs whose changes are ignored.")
    create_before_destroy: Flag = optional("Create the new object before the old one is deleted.")
    on_destroy: Annotated[Any, choice("delete", "retain")] = optional(
        "What happens to the object when the resource is removed from the spec.", "delete"
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

    provider: FixedText = optional("Provider that manages the resource.")
    depends_on: list[FixedText] | None = optional(
        "Addresses of resources that are applied first: [job.base]."
    )
    lifecycle: LifecycleBlock | None = optional("How changes to the resource are applied.")
    for_each: Annotated[Any, Untyped(), Shown(FOR_EACH_SCHEMA)] = optional(
        "One resource for each entry of a list or mapping, or each combination of `matrix`."
    )
    enabled: Flag = optional("false: the resource isn't created.", True)


class SplitBlock(Block, noun="`split`"):
    """One part of the examples, selected by a hash of the prompt."""

    part: Annotated[Any, choice("train", "valid")] = required(
        "train: the first `fraction` of the examples; valid: the others."
    )
    fraction: Annotated[Any, Number(above=0, closed=True)] = optional("Share of `train`, below 1.", 0.9)
    seed: Annotated[Any, Integer(0, 2**63 - 1, closed=True)] = optional(
        "A different seed gives a different split.", 1
    )
    group_by: FixedText = optional(
        "What is kept together: prompt, example, or the path of a value such as metadata.customer.",
        "prompt",
    )
    stratify: Flag = optional("Keep the shares of each answer the same in all parts.", False)


class StepBlock(Block, noun="a step of `transform`"):
    """One step of `transform`: exactly one of `slim`, `convert` and `split`."""

    slim: Annotated[Any, choice("descriptions", "parameters", "functions")] = optional(
        "Leave out descriptions, parameters or whole functions of the definitions."
    )
    only: list[FixedText] | None = optional("With slim: only these functions.")
    convert: Annotated[Any, choice("tools", "functions")] = optional(
        "Format of function calling: tools, or the legacy functions."
    )
    split: SplitBlock | None = optional("One part of the examples.")


class Dataset(ResourceBlock, noun="a dataset"):
    """A file of training examples."""

    path: FixedText = optional("File of examples, or a pattern for several; relative to this spec file.")
    url: OpenText = optional("URL that the service downloads the examples from.")
    format: Annotated[Any, choice("chat", "preference", "reinforcement")] = optional(
        "Format of the examples; default: detected from the examples."
    )
    transform: list[StepBlock] | None = optional("Transformations before the upload, applied in order.")
    checks: ChecksBlock | None = optional("How the examples are checked.")
    purpose: Annotated[Any, choice("fine-tune", "evals", "batch", "assistants")] = optional(
        "Purpose of the file at the service.", "fine-tune"
    )


class Job(ResourceBlock, noun="a job"):
    """A fine-tuning job."""

    model: OpenText = required("Model to start from: a base model, or ${job.other.fine_tuned_model}.")
    method: Annotated[Any, choice("supervised", "dpo", "reinforcement")] = optional(
        "Fine-tuning method.", "supervised"
    )
    training: OpenText = required("Name of the training dataset.")
    validation: OpenText = optional("Name of the validation dataset.")
    hyperparameters: Annotated[JobHyperparameters | None, OrName()] = optional(
        "The name of named hyperparameters, or a mapping."
    )
    training_type: TrainingType = optional("Training type; default: that of the provider, else standard.")
    seed: Annotated[Any, Integer(0, 2**31 - 1)] = optional("Seed for reproducible training.")
    suffix: Suffix = optional("Suffix in the name of the fine-tuned model.")
    integrations: Annotated[Any, Untyped(list)] = optional("Integrations that receive the job's metrics.")
    beta: Annotated[Any, Number(above=0, words=AUTO)] = optional(
        "How closely the model stays to the reference model (dpo)."
    )
    grader: Annotated[Any, Untyped(dict)] = optional("Grader that scores the answers (reinforcement).")
    response_format: Annotated[Any, Untyped(dict)] = optional("Format of the answers (reinforcement).")


class Deployment(ResourceBlock, noun="a deployment"):
    """A deployed model."""

    name: DeploymentName = optional(
        "Name of the deployment, used by callers; default: the name of the resource."
    )
    model: OpenText = required("Model to deploy: ${job.name.fine_tuned_model}, or a base model.")
    version: OpenText = optional("Version of a base model.")
    sku: Sku | None = optional("SKU and capacity of the deployment.")
    version_upgrade_option: UpgradeOption = optional(
        "When the service may upgrade a base model to a newer version."
    )
    rai_policy: OpenText = optional("Name of the content filter.")
    tags: dict[str, OpenText] | None = optional("Tags of the deployment.")
    source: AccountId = optional(
        "ARM ID of the account that owns the model, if it is another one; set automatically for a model "
        "of a job."
    )
    source_tenant: OpenText = optional("Tenant of that account, if it is another one.")
    replace: Annotated[Any, choice("recreate", "blue_green")] = optional(
        "What to do if a change can't be made in place.", "recreate"
    )


class OutputBlock(Block, noun="an output"):
    """A value for other programs."""

    value: Annotated[Any, Untyped()] = required("The value.")
    description: FixedText = optional("Purpose of the value.", "")
    sensitive: Flag = optional("Never show the value.", False)


class Moved(Block, noun="`moved`"):
    """A resource with a new address."""

    from_: FixedText = required("Previous address.", key="from")
    to: FixedText = required("New address.")


class Import(Block, noun="`import`"):
    """An existing object to be managed from now on."""

    to: FixedText = required("Address to import it to.")
    id: FixedText = required("ID of the object at the service.")


class Removed(Block, noun="`removed`"):
    """A resource that is no longer managed."""

    from_: FixedText = required("Previous address.", key="from")
    retain: Flag = optional("true: the object itself is kept.", False)


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

    ftops: Settings | None = optional("Settings of the spec.")
    variables: dict[str, Variable] | None = optional("Input variables, by name.")
    providers: dict[str, ProviderBlock] | None = optional("Providers, by name.")
    environments: dict[str, Environment] | None = optional("Environments, by name.")
    hyperparameters: dict[str, Hyperparameters] | None = optional("Named hyperparameters, shared by jobs.")
    outputs: dict[str, Any] | None = optional("Outputs for other programs: a value, or {value, …}.")
    moved: list[Moved] | None = optional("Resources with a new address.")
    import_: list[Import] | None = optional("Existing objects to manage from now on.", key="import")
    removed: list[Removed] | None = optional("Resources that are no longer managed.")


def sections() -> tuple[str, ...]:
    """Top-level keys, in the order of a well-kept spec."""
    fixed = [field.key for field in Spec.fields.values()]
    at = fixed.index("outputs")
    return (*fixed[:at], *(row.section for row in RESOURCE_TYPES.values()), *fixed[at:])


def json_schema() -> JsonSchema:
    """The JSON Schema of a spec. The package has a copy: schema.json."""
    by_key = {field.key: field for field in Spec.fields.values()}
    for row in RESOURCE_TYPES.values():
        annotation = _by_name(resource_block(row.kind))
        by_key[row.section] = Field(row.section, annotation, f"{row.title}, by name.", None)
    types = reduce(or_, map(provider_block, PROVIDER_TYPES))
    by_key["providers"] = replace(by_key["providers"], annotation=_by_name(types))
    fields = {key: by_key[key] for key in sections()}
    return schema_of(type("Spec", (Block,), {"__doc__": Spec.__doc__, "fields": fields}), "ftops spec")


def _by_name(type_: Any) -> Any:
    return GenericAlias(dict, (str, type_)) | None
