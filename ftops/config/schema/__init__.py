"""The models of a spec: every section and field, its type, its default and what it means.

`loader` validates with them after expressions are evaluated; `json_schema` publishes them for editors.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from ftops.config.schema.block import Block, described, required
from ftops.config.schema.field_aliases import (
    ACCOUNT_ID,
    DEPLOYMENT_NAME,
    REGION,
    SUFFIX,
    Fixed,
    Flag,
    Name,
    OrName,
    Plainly,
    Shown,
    TrainingType,
    UpgradeOption,
)
from ftops.config.schema.field_types import EXPRESSION_SCHEMA, Choice, Integer, JsonSchema, Number, Untyped
from ftops.config.schema.json_schema import schema_of
from ftops.config.schema.providers import (
    NOT_TAKEN,
    PROVIDER_TYPES,
    PUBLIC_TYPES,
    AzureOpenAI,
    ControlPlane,
    Credential,
    Defaults,
    Emulator,
    Memory,
    OpenAI,
    ProviderBlock,
    Sku,
)
from ftops.core.drift_classes import DRIFT_CLASSES

__all__ = [
    "COMMON_KEYS",
    "METHOD_FORMATS",
    "METHOD_HYPERPARAMETERS",
    "METHOD_KEYS",
    "NOT_TAKEN",
    "PROVIDER_TYPES",
    "PUBLIC_TYPES",
    "REFACTORINGS",
    "RESOURCE_MODELS",
    "SECTIONS",
    "AzureOpenAI",
    "Block",
    "BudgetBlock",
    "ChecksBlock",
    "ControlPlane",
    "Credential",
    "Dataset",
    "Defaults",
    "Deployment",
    "Emulator",
    "Encryption",
    "Environment",
    "Hyperparameters",
    "Import",
    "Job",
    "JobHyperparameters",
    "LifecycleBlock",
    "Memory",
    "Moved",
    "OpenAI",
    "OutputBlock",
    "ProviderBlock",
    "Removed",
    "Settings",
    "Sku",
    "SplitBlock",
    "StateBlock",
    "StepBlock",
    "Variable",
    "json_schema",
]


class Encryption(Block):
    """Encryption of the state at rest: AES-256-GCM."""

    key: Fixed = described("Key of 32 bytes in base64 or hex: ${env.NAME}.")
    key_file: Fixed = described("File that contains the key; a relative path starts at the project root.")
    fallback: Fixed = described("Previous key: what it encrypted can still be read.")
    fallback_file: Fixed = described("File that contains the previous key.")
    accept_plain: Flag = described("Also read a state that isn't encrypted yet, and encrypt it.", False)


def DriftPolicy(kind: str) -> Choice:
    return Choice(words=DRIFT_CLASSES[kind].policies, closed=True)


class StateBlock(Block):
    """Where the state is stored."""

    backend: Annotated[Any, Choice(words=("local", "azure_blob", "s3", "gcs"), closed=True)] = described(
        "Where the state is stored: files of the project, or a bucket.", "local"
    )
    path: Fixed = described("Folder or prefix; a relative one starts at the project root.", "state")
    account_url: Fixed = described("Blob service of the storage account (azure_blob).")
    container: Fixed = described("Container of the storage account (azure_blob).")
    bucket: Fixed = described("Name of the bucket (s3, gcs).")
    region: Annotated[Any, REGION] = described("Region of the bucket (s3).")
    endpoint_url: Fixed = described("Endpoint of an S3-compatible service (s3).")
    history: Annotated[Any, Integer(1, 1000)] = described("Number of versions to keep; default: 10.")
    lease: Annotated[Any, Integer(5, 3600)] = described(
        "Seconds after which the lock of a dead run expires (buckets); default: 60."
    )
    encryption: Encryption | None = described("Encryption of the state; default: none.")


class BudgetBlock(Block):
    """What a plan may cost, in US dollars. A plan that costs more is blocked."""

    training: Annotated[Any, Number(minimum=0, closed=True)] = described("All jobs of one plan.")
    hosting_per_hour: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "All deployments of tuned models that one plan makes, by the hour."
    )


class DriftBlock(Block):
    """What to do if the service differs from the recorded state, by class of drift."""

    changed: Annotated[Any, DriftPolicy("changed")] = described(DRIFT_CLASSES["changed"].description)
    vanished: Annotated[Any, DriftPolicy("vanished")] = described(DRIFT_CLASSES["vanished"].description)
    expired: Annotated[Any, DriftPolicy("expired")] = described(DRIFT_CLASSES["expired"].description)
    retired: Annotated[Any, DriftPolicy("retired")] = described(DRIFT_CLASSES["retired"].description)
    upgraded: Annotated[Any, DriftPolicy("upgraded")] = described(DRIFT_CLASSES["upgraded"].description)
    normalised: Annotated[Any, DriftPolicy("normalised")] = described(DRIFT_CLASSES["normalised"].description)


class ChecksBlock(Block):
    """How data is checked."""

    severity: (
        dict[str, Annotated[Any, Choice(words=("error", "warning", "note", "off"), closed=True)]] | None
    ) = described("Severity of findings, by rule such as data/duplicate, or by group such as secret/*.")


class Settings(Block):
    """Settings of the spec as a whole."""

    name: Name = described("Name of the spec; default: the name of its folder.")
    required_version: Fixed = described('Required versions of ftops, such as ">=0.1, <2".')
    state: StateBlock | None = described("Where the state is stored.")
    budget: BudgetBlock | None = described("Cost limits of a plan.")
    checks: ChecksBlock | None = described("How the examples of every dataset are checked.")
    drift: DriftBlock | None = described("Policies for drift.")


class Variable(Block):
    """A value that is set by an environment, a file, the command line or its default."""

    type: Annotated[
        Any,
        Choice(words=("string", "integer", "number", "boolean", "list", "map", "any"), closed=True),
    ] = described("Type of the value.", "any")
    default: Annotated[Any, Untyped(as_written=True)] = described("Value if none is given.")
    description: Fixed = described("Purpose of the variable.")
    minimum: Annotated[Any, Number(closed=True)] = described("Smallest value (integer, number).")
    maximum: Annotated[Any, Number(closed=True)] = described("Largest value (integer, number).")
    allowed: Annotated[Any, Untyped(list, as_written=True)] = described("Allowed values.")
    pattern: Fixed = described("Regular expression that the whole text must match (string).")
    sensitive: Flag = described("The value is a secret: it is never shown or stored.", False)


class Environment(Block):
    """An environment, with its own variables, provider and state."""

    provider: Fixed = described("Provider of resources that don't set one.")
    variables: Annotated[Any, Untyped(dict, as_written=True)] = described("Values of variables.")
    budget: BudgetBlock | None = described("Cost limits of a plan of this environment.")
    description: Fixed = described("Purpose of the environment.")


class Hyperparameters(Block):
    """Hyperparameters of training. With `auto`, the service chooses."""

    n_epochs: Annotated[Any, Integer(1, 50, words=("auto",))] = described(
        "Number of passes over the training examples."
    )
    batch_size: Annotated[Any, Integer(1, 256, words=("auto",))] = described(
        "Number of examples per training step."
    )
    learning_rate_multiplier: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "Multiplier for the learning rate of the base model's training."
    )
    compute_multiplier: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "Multiplier for the compute that is used to explore answers (reinforcement)."
    )
    eval_interval: Annotated[Any, Integer(1, words=("auto",))] = described(
        "Training steps between evaluations (reinforcement)."
    )
    eval_samples: Annotated[Any, Integer(1, words=("auto",))] = described(
        "Number of samples per evaluation (reinforcement)."
    )
    reasoning_effort: Annotated[Any, Choice(words=("default", "low", "medium", "high"))] = described(
        "Reasoning effort during training (reinforcement)."
    )


class JobHyperparameters(Hyperparameters):
    """Hyperparameters of a job: inline, or named hyperparameters with some of them overridden."""

    use: Name = described("Named hyperparameters to start from.")


class LifecycleBlock(Block):
    """How changes to a resource are applied."""

    prevent_destroy: Flag = described("Refuse every plan that would delete the object.", False)
    ignore_changes: list[Fixed] | None = described("Inputs whose changes are ignored.")
    create_before_destroy: Flag = described("Create the new object before the old one is deleted.")
    on_destroy: Annotated[Any, Choice(words=("delete", "retain"), closed=True)] = described(
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

    provider: Fixed = described("Provider that manages the resource.")
    depends_on: list[Fixed] | None = described("Addresses of resources that are applied first: [job.base].")
    lifecycle: LifecycleBlock | None = described("How changes to the resource are applied.")
    for_each: Annotated[Any, Untyped(), Shown(FOR_EACH_SCHEMA)] = described(
        "One resource for each entry of a list or mapping, or each combination of `matrix`."
    )
    enabled: Flag = described("false: the resource isn't created.", True)


class SplitBlock(Block):
    """One part of the examples, selected by a hash of the prompt."""

    part: Annotated[Any, Choice(words=("train", "valid"), closed=True)] = required(
        "train: the first `fraction` of the examples; valid: the others."
    )
    fraction: Annotated[Any, Number(above=0, closed=True)] = described("Share of `train`, below 1.", 0.9)
    seed: Annotated[Any, Integer(0, 2**63 - 1, closed=True)] = described(
        "A different seed gives a different split.", 1
    )
    group_by: Fixed = described(
        "What is kept together: prompt, example, or the path of a value such as metadata.customer.",
        "prompt",
    )
    stratify: Flag = described("Keep the shares of each answer the same in all parts.", False)


class StepBlock(Block):
    """One step of `transform`: exactly one of `slim`, `convert` and `split`."""

    slim: Annotated[Any, Choice(words=("descriptions", "parameters", "functions"), closed=True)] = described(
        "Leave out descriptions, parameters or whole functions of the definitions."
    )
    only: list[Fixed] | None = described("With slim: only these functions.")
    convert: Annotated[Any, Choice(words=("tools", "functions"), closed=True)] = described(
        "Format of function calling: tools, or the legacy functions."
    )
    split: SplitBlock | None = described("One part of the examples.")


class Dataset(ResourceBlock):
    """A file of training examples."""

    path: Fixed = described("File of examples, or a pattern for several; relative to this spec file.")
    url: Plainly = described("URL that the service downloads the examples from.")
    format: Annotated[Any, Choice(words=("chat", "preference", "reinforcement"), closed=True)] = described(
        "Format of the examples; default: detected from the examples."
    )
    transform: list[StepBlock] | None = described("Transformations before the upload, applied in order.")
    checks: ChecksBlock | None = described("How the examples are checked.")
    purpose: Annotated[Any, Choice(words=("fine-tune", "evals", "batch", "assistants"), closed=True)] = (
        described("Purpose of the file at the service.", "fine-tune")
    )


class Job(ResourceBlock):
    """A fine-tuning job."""

    model: Plainly = required("Model to start from: a base model, or ${job.other.fine_tuned_model}.")
    method: Annotated[Any, Choice(words=("supervised", "dpo", "reinforcement"), closed=True)] = described(
        "Fine-tuning method.", "supervised"
    )
    training: Plainly = required("Name of the training dataset.")
    validation: Plainly = described("Name of the validation dataset.")
    hyperparameters: Annotated[JobHyperparameters | None, OrName()] = described(
        "The name of named hyperparameters, or a mapping."
    )
    training_type: Annotated[Any, TrainingType] = described(
        "Training type; default: that of the provider, else standard."
    )
    seed: Annotated[Any, Integer(0, 2**31 - 1)] = described("Seed for reproducible training.")
    suffix: Annotated[Any, SUFFIX] = described("Suffix in the name of the fine-tuned model.")
    integrations: Annotated[Any, Untyped(list)] = described("Integrations that receive the job's metrics.")
    beta: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "How closely the model stays to the reference model (dpo)."
    )
    grader: Annotated[Any, Untyped(dict)] = described("Grader that scores the answers (reinforcement).")
    response_format: Annotated[Any, Untyped(dict)] = described("Format of the answers (reinforcement).")


class Deployment(ResourceBlock):
    """A deployed model."""

    name: Annotated[Any, DEPLOYMENT_NAME] = described(
        "Name of the deployment, used by callers; default: the name of the resource."
    )
    model: Plainly = required("Model to deploy: ${job.name.fine_tuned_model}, or a base model.")
    version: Plainly = described("Version of a base model.")
    sku: Sku | None = described("SKU and capacity of the deployment.")
    version_upgrade_option: Annotated[Any, UpgradeOption] = described(
        "When the service may upgrade a base model to a newer version."
    )
    rai_policy: Plainly = described("Name of the content filter.")
    tags: dict[str, Plainly] | None = described("Tags of the deployment.")
    source: Annotated[Any, ACCOUNT_ID] = described(
        "ARM ID of the account that owns the model, if it is another one; set automatically for a model "
        "of a job."
    )
    source_tenant: Plainly = described("Tenant of that account, if it is another one.")
    replace: Annotated[Any, Choice(words=("recreate", "blue_green"), closed=True)] = described(
        "What to do if a change can't be made in place.", "recreate"
    )


class OutputBlock(Block):
    """A value for other programs."""

    value: Annotated[Any, Untyped()] = required("The value.")
    description: Fixed = described("Purpose of the value.", "")
    sensitive: Flag = described("Never show the value.", False)


class Moved(Block):
    """A resource with a new address."""

    from_: Fixed = required("Previous address.", key="from")
    to: Fixed = required("New address.")


class Import(Block):
    """An existing object to be managed from now on."""

    to: Fixed = required("Address to import it to.")
    id: Fixed = required("ID of the object at the service.")


class Removed(Block):
    """A resource that is no longer managed."""

    from_: Fixed = required("Previous address.", key="from")
    retain: Flag = described("true: the object itself is kept.", False)


RESOURCE_MODELS: Mapping[str, type[ResourceBlock]] = {
    "dataset": Dataset,
    "job": Job,
    "deployment": Deployment,
}
REFACTORINGS: Mapping[str, type[Block]] = {"moved": Moved, "import": Import, "removed": Removed}
COMMON_KEYS = frozenset(ResourceBlock.fields)


class Spec(Block):
    """An ftops spec: the datasets, fine-tuning jobs and deployments that should exist."""

    ftops: Settings | None = described("Settings of the spec.")
    variables: dict[str, Variable] | None = described("Input variables, by name.")
    providers: dict[str, AzureOpenAI | OpenAI | Emulator | Memory] | None = described("Providers, by name.")
    environments: dict[str, Environment] | None = described("Environments, by name.")
    hyperparameters: dict[str, Hyperparameters] | None = described("Named hyperparameters, shared by jobs.")
    datasets: dict[str, Dataset] | None = described("Datasets, by name.")
    jobs: dict[str, Job] | None = described("Fine-tuning jobs, by name.")
    deployments: dict[str, Deployment] | None = described("Deployments, by name.")
    outputs: dict[str, Any] | None = described("Outputs for other programs: a value, or {value, …}.")
    moved: list[Moved] | None = described("Resources with a new address.")
    import_: list[Import] | None = described("Existing objects to manage from now on.", key="import")
    removed: list[Removed] | None = described("Resources that are no longer managed.")


SECTIONS = tuple(field.key for field in Spec.fields.values())
"""Top-level keys, in the order of a well-kept spec."""


def json_schema() -> JsonSchema:
    """The language as JSON Schema, for editors. It is kept in the package as schema.json."""
    return schema_of(Spec, "ftops spec")
