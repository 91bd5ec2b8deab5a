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
    """How state is encrypted at rest: AES-256-GCM."""

    key: Fixed = described("Key of 32 bytes in base64 or hex: ${env.NAME}.")
    key_file: Fixed = described("File that holds the key; a relative path is below the project root.")
    fallback: Fixed = described("Key that was used before: what it has encrypted is still read.")
    fallback_file: Fixed = described("File that holds that key.")
    accept_plain: Flag = described("Take over a state that isn't encrypted yet.", False)


def DriftPolicy(kind: str) -> Choice:
    return Choice(words=DRIFT_CLASSES[kind].policies, closed=True)


class StateBlock(Block):
    """Where state is kept."""

    backend: Annotated[Any, Choice(words=("local", "azure_blob", "s3", "gcs"), closed=True)] = described(
        "What keeps the state: files of the project, or a bucket.", "local"
    )
    path: Fixed = described("Folder or prefix; a relative one is below the project root.", "state")
    account_url: Fixed = described("Blob service of the storage account (azure_blob).")
    container: Fixed = described("Container of the storage account (azure_blob).")
    bucket: Fixed = described("Name of the bucket (s3, gcs).")
    region: Annotated[Any, REGION] = described("Region of the bucket (s3).")
    endpoint_url: Fixed = described("Endpoint of a service that speaks S3 (s3).")
    history: Annotated[Any, Integer(1, 1000)] = described("How many versions are kept; default: 10.")
    lease: Annotated[Any, Integer(5, 3600)] = described(
        "Seconds after which the lock of a run that has died is free (buckets); default: 60."
    )
    encryption: Encryption | None = described("How state is encrypted; default: not at all.")


class BudgetBlock(Block):
    """What a plan may cost, in US dollars. A plan that costs more is blocked."""

    training: Annotated[Any, Number(minimum=0, closed=True)] = described("All jobs of one plan.")
    hosting_per_hour: Annotated[Any, Number(minimum=0, closed=True)] = described(
        "All deployments of tuned models that one plan makes, by the hour."
    )


class DriftBlock(Block):
    """What to do where the service differs from what was recorded, by the class of the difference."""

    changed: Annotated[Any, DriftPolicy("changed")] = described(DRIFT_CLASSES["changed"].description)
    vanished: Annotated[Any, DriftPolicy("vanished")] = described(DRIFT_CLASSES["vanished"].description)
    expired: Annotated[Any, DriftPolicy("expired")] = described(DRIFT_CLASSES["expired"].description)
    retired: Annotated[Any, DriftPolicy("retired")] = described(DRIFT_CLASSES["retired"].description)
    upgraded: Annotated[Any, DriftPolicy("upgraded")] = described(DRIFT_CLASSES["upgraded"].description)
    normalised: Annotated[Any, DriftPolicy("normalised")] = described(DRIFT_CLASSES["normalised"].description)


class ChecksBlock(Block):
    """How data are checked."""

    severity: (
        dict[str, Annotated[Any, Choice(words=("error", "warning", "note", "off"), closed=True)]] | None
    ) = described("What findings count as, by rule such as data/duplicate, or by group such as secret/*.")


class Settings(Block):
    """Settings of the spec as a whole."""

    name: Name = described("Name of the spec; default: the name of its folder.")
    required_version: Fixed = described('Versions of ftops that may read this spec, such as ">=0.1, <2".')
    state: StateBlock | None = described("Where state is kept.")
    budget: BudgetBlock | None = described("What a plan may cost at most.")
    checks: ChecksBlock | None = described("How the examples of every dataset are checked.")
    drift: DriftBlock | None = described("What to do about drift.")


class Variable(Block):
    """A value that is given from outside: by an environment, a file, the command line or its default."""

    type: Annotated[
        Any,
        Choice(words=("string", "integer", "number", "boolean", "list", "map", "any"), closed=True),
    ] = described("Type of the value.", "any")
    default: Annotated[Any, Untyped(as_written=True)] = described("Value where none is given.")
    description: Fixed = described("What the variable is for.")
    minimum: Annotated[Any, Number(closed=True)] = described("Smallest value (integer, number).")
    maximum: Annotated[Any, Number(closed=True)] = described("Largest value (integer, number).")
    allowed: Annotated[Any, Untyped(list, as_written=True)] = described("The only values that are accepted.")
    pattern: Fixed = described("Regular expression that the whole text has to match (string).")
    sensitive: Flag = described("The value is a secret: it is never shown nor stored.", False)


class Environment(Block):
    """An environment: its own variables, its own provider, its own state."""

    provider: Fixed = described("Provider of the resources that name none.")
    variables: Annotated[Any, Untyped(dict, as_written=True)] = described("Values of variables.")
    budget: BudgetBlock | None = described("What a plan of this environment may cost at most.")
    description: Fixed = described("What the environment is for.")


class Hyperparameters(Block):
    """How a job trains. `auto` leaves the choice to the service."""

    n_epochs: Annotated[Any, Integer(1, 50, words=("auto",))] = described(
        "How many times training goes through the examples."
    )
    batch_size: Annotated[Any, Integer(1, 256, words=("auto",))] = described(
        "How many examples make one step of training."
    )
    learning_rate_multiplier: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "Factor on the learning rate that the model was trained with."
    )
    compute_multiplier: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "Factor on the compute that explores answers (reinforcement)."
    )
    eval_interval: Annotated[Any, Integer(1, words=("auto",))] = described(
        "Steps between two evaluations (reinforcement)."
    )
    eval_samples: Annotated[Any, Integer(1, words=("auto",))] = described(
        "Samples of one evaluation (reinforcement)."
    )
    reasoning_effort: Annotated[Any, Choice(words=("default", "low", "medium", "high"))] = described(
        "Effort of a reasoning model while it trains (reinforcement)."
    )


class JobHyperparameters(Hyperparameters):
    """Hyperparameters of one job: written out, or a named set with some of them changed."""

    use: Name = described("A named set to start from.")


class LifecycleBlock(Block):
    """How changes of a resource are made."""

    prevent_destroy: Flag = described("Refuse every plan that would delete the object.", False)
    ignore_changes: list[Fixed] | None = described("Inputs whose changes are left alone.")
    create_before_destroy: Flag = described("On replacement, make the new object first.")
    on_destroy: Annotated[Any, Choice(words=("delete", "retain"), closed=True)] = described(
        "What becomes of the object when it leaves the spec.", "delete"
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
    depends_on: list[Fixed] | None = described("Addresses that have to be done first: [job.base].")
    lifecycle: LifecycleBlock | None = described("How changes of the resource are made.")
    for_each: Annotated[Any, Untyped(), Shown(FOR_EACH_SCHEMA)] = described(
        "One resource for each entry of a list or mapping, or each combination of `matrix`."
    )
    enabled: Flag = described("false leaves the resource out.", True)


class SplitBlock(Block):
    """One part of the examples, chosen by a hash of what is asked."""

    part: Annotated[Any, Choice(words=("train", "valid"), closed=True)] = required(
        "train: the first `fraction` of the examples; valid: the others."
    )
    fraction: Annotated[Any, Number(above=0, closed=True)] = described("Share of `train`, below 1.", 0.9)
    seed: Annotated[Any, Integer(0, 2**63 - 1, closed=True)] = described("Another seed, another division.", 1)
    group_by: Fixed = described(
        "What stays together: prompt, example, or the way to a value such as metadata.customer.",
        "prompt",
    )
    stratify: Flag = described("Divide each answer in the same shares.", False)


class StepBlock(Block):
    """One step of `transform`: exactly one of `slim`, `convert` and `split`."""

    slim: Annotated[Any, Choice(words=("descriptions", "parameters", "functions"), closed=True)] = described(
        "Leave out descriptions, parameters or whole functions of the definitions."
    )
    only: list[Fixed] | None = described("With slim: of these functions.")
    convert: Annotated[Any, Choice(words=("tools", "functions"), closed=True)] = described(
        "The form of function calling: tools, or the legacy functions."
    )
    split: SplitBlock | None = described("One part of the examples.")


class Dataset(ResourceBlock):
    """A file of examples."""

    path: Fixed = described(
        "File of examples, or a pattern that names several; relative to the file that names it."
    )
    url: Plainly = described("Address to fetch the examples from.")
    format: Annotated[Any, Choice(words=("chat", "preference", "reinforcement"), closed=True)] = described(
        "What an example looks like; default: as the examples themselves tell."
    )
    transform: list[StepBlock] | None = described("Changes that are made before the upload, one by one.")
    checks: ChecksBlock | None = described("How the examples are checked.")
    purpose: Annotated[Any, Choice(words=("fine-tune", "evals", "batch", "assistants"), closed=True)] = (
        described("What the service may use the file for.", "fine-tune")
    )


class Job(ResourceBlock):
    """A fine-tuning job."""

    model: Plainly = required("Model to start from: a base model, or ${job.other.fine_tuned_model}.")
    method: Annotated[Any, Choice(words=("supervised", "dpo", "reinforcement"), closed=True)] = described(
        "How the model learns.", "supervised"
    )
    training: Plainly = required("Dataset to learn from: its name.")
    validation: Plainly = described("Dataset to measure with: its name.")
    hyperparameters: Annotated[JobHyperparameters | None, OrName()] = described("A named set, or a mapping.")
    training_type: Annotated[Any, TrainingType] = described(
        "Where training runs; default: that of the provider, else standard."
    )
    seed: Annotated[Any, Integer(0, 2**31 - 1)] = described("Makes a job repeatable.")
    suffix: Annotated[Any, SUFFIX] = described("Part of the name of the fine-tuned model.")
    integrations: Annotated[Any, Untyped(list)] = described("Services that follow the job.")
    beta: Annotated[Any, Number(above=0, words=("auto",))] = described(
        "How closely the model stays at what it was (dpo)."
    )
    grader: Annotated[Any, Untyped(dict)] = described("What rates the answers (reinforcement).")
    response_format: Annotated[Any, Untyped(dict)] = described("Shape of the answers (reinforcement).")


class Deployment(ResourceBlock):
    """A model that answers."""

    name: Annotated[Any, DEPLOYMENT_NAME] = described("Name that callers use; default: the resource's name.")
    model: Plainly = required("Model to serve: ${job.name.fine_tuned_model}, or a base model.")
    version: Plainly = described("Version of a base model.")
    sku: Sku | None = described("Size of the deployment.")
    version_upgrade_option: Annotated[Any, UpgradeOption] = described(
        "When the service may move a base model to a newer version."
    )
    rai_policy: Plainly = described("Name of the content filter.")
    tags: dict[str, Plainly] | None = described("Tags of the deployment.")
    source: Annotated[Any, ACCOUNT_ID] = described(
        "ARM id of the account that made the model, where it is another one; filled in for a model of a job."
    )
    source_tenant: Plainly = described("Tenant of that account, where it is another one.")
    replace: Annotated[Any, Choice(words=("recreate", "blue_green"), closed=True)] = described(
        "What to do when the service can't change it in place.", "recreate"
    )


class OutputBlock(Block):
    """A value that other programs read."""

    value: Annotated[Any, Untyped()] = required("What other programs get.")
    description: Fixed = described("What the value is for.", "")
    sensitive: Flag = described("Never show the value.", False)


class Moved(Block):
    """A resource that got another address."""

    from_: Fixed = required("Address that it had.", key="from")
    to: Fixed = required("Address that it has.")


class Import(Block):
    """An object that exists and shall be managed from now on."""

    to: Fixed = required("Address that it gets.")
    id: Fixed = required("The service's id of the object.")


class Removed(Block):
    """A resource that shall no longer be managed."""

    from_: Fixed = required("Address that it had.", key="from")
    retain: Flag = described("Keep the object.", False)


RESOURCE_MODELS: Mapping[str, type[ResourceBlock]] = {
    "dataset": Dataset,
    "job": Job,
    "deployment": Deployment,
}
REFACTORINGS: Mapping[str, type[Block]] = {"moved": Moved, "import": Import, "removed": Removed}
COMMON_KEYS = frozenset(ResourceBlock.fields)


class Spec(Block):
    """A spec of ftops: datasets, fine-tuning jobs and deployments, as they should be."""

    ftops: Settings | None = described("Settings of the spec.")
    variables: dict[str, Variable] | None = described("Values given from outside, by name.")
    providers: dict[str, AzureOpenAI | OpenAI | Emulator | Memory] | None = described(
        "Where objects live, by name."
    )
    environments: dict[str, Environment] | None = described("Environments, by name.")
    hyperparameters: dict[str, Hyperparameters] | None = described("Named sets of hyperparameters.")
    datasets: dict[str, Dataset] | None = described("Files of examples, by name.")
    jobs: dict[str, Job] | None = described("Fine-tuning jobs, by name.")
    deployments: dict[str, Deployment] | None = described("Deployed models, by name.")
    outputs: dict[str, Any] | None = described("Values for other programs: a value, or {value, …}.")
    moved: list[Moved] | None = described("Resources that got another address.")
    import_: list[Import] | None = described("Objects to manage from now on.", key="import")
    removed: list[Removed] | None = described("Resources that are no longer managed.")


SECTIONS = tuple(field.key for field in Spec.fields.values())
"""Top-level keys, in the order of a well-kept spec."""


def json_schema() -> JsonSchema:
    """The language as JSON Schema, for editors. It is kept in the package as schema.json."""
    return schema_of(Spec, "ftops spec")
