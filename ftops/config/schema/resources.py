"""Resources: the blocks of datasets, jobs and deployments."""

from collections.abc import Mapping
from typing import ClassVar

from ftops.config.schema.block import Block, ListOf, MapOf, OneOrMore, OrName, optional, required
from ftops.config.schema.field_aliases import (
    ACCELERATOR_TYPE,
    ACCOUNT_ID,
    AUTO,
    DEPLOYMENT_NAME,
    DEPLOYMENT_STATE,
    DEPLOYMENT_TEMPLATE,
    FIXED_TEXT,
    FLAG,
    HOURS,
    METHOD,
    MODEL_VERSION,
    OPEN_TEXT,
    SERVICE_TIER,
    SUFFIX,
    TRAINING_TYPE,
    UPGRADE_OPTION,
    URL,
    WANDB_ENTITY,
    WANDB_KEY_DETAIL,
    WANDB_KEY_HINT,
    WANDB_NAME,
    WANDB_PROJECT,
    WANDB_TAG,
    choice,
)
from ftops.config.schema.field_types import EXPRESSION_SCHEMA, Integer, JsonSchema, Number, Untyped
from ftops.config.schema.generation import GenerateBlock
from ftops.config.schema.graders import GRADER, ResponseFormat
from ftops.config.schema.hyperparameters import JobHyperparameters
from ftops.config.schema.providers import Sku
from ftops.config.schema.settings import ChecksBlock
from ftops.config.schema.text_types import Duration
from ftops.core.model_names import BASE_MODEL

_ON_DESTROY = {
    **dict.fromkeys(("keep", "abandon", "orphan", "forget", "leave", "preserve"), "retain"),
    **dict.fromkeys(("destroy", "remove", "drop"), "delete"),
}
"""What other tools call it."""


class LifecycleBlock(Block, noun="`lifecycle`"):
    """How changes to a resource are applied."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("retain", "keep", "deletion_policy"), "on_destroy"),
        **dict.fromkeys(("protect", "protected", "prevent_deletion"), "prevent_destroy"),
        **dict.fromkeys(("ignore", "ignored"), "ignore_changes"),
    }

    prevent_destroy = optional(FLAG, "Refuse every plan that would delete the object.", False)
    ignore_changes = optional(ListOf(FIXED_TEXT), "Inputs whose changes are ignored.")
    create_before_destroy = optional(FLAG, "Create the new object before the old one is deleted.")
    on_destroy = optional(
        choice("delete", "retain", elsewhere=_ON_DESTROY),
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
    """One part of the examples, selected by a hash of the conversation's start."""

    part = required(
        choice("train", "valid"), "train: the first `fraction` of the examples; valid: the others."
    )
    fraction = optional(Number(above=0, closed=True), "Share of `train`, below 1.", 0.9)
    seed = optional(Integer(0, 2**63 - 1, closed=True), "A different seed gives a different split.", 1)
    group_by = optional(
        FIXED_TEXT,
        "What is kept together: conversation (its system message and first turn), prompt, example, or the "
        "path of a value such as metadata.customer.",
        "conversation",
    )
    stratify = optional(FLAG, "Keep the shares of each answer the same in all parts.", False)


class StepBlock(Block, noun="a step of `transform`"):
    """One step of `transform`: exactly one of `slim`, `convert`, `split` and `sample`."""

    slim = optional(
        choice("descriptions", "parameters", "functions"),
        "Leave out descriptions, parameters or whole functions of the definitions.",
    )
    only = optional(ListOf(FIXED_TEXT), "With slim: only these functions.")
    convert = optional(
        choice("tools", "functions"), "Format of function calling: tools, or the legacy functions."
    )
    split = optional(SplitBlock, "One part of the examples.")
    sample = optional(Integer(1, closed=True), "So many of the examples, selected by a hash of the prompt.")


_FORMATS = {
    **dict.fromkeys(
        ("jsonl", "json", "openai", "messages", "conversation", "sft", "sharegpt", "alpaca"), "chat"
    ),
    **dict.fromkeys(("dpo", "preferences", "pairs", "ranking"), "preference"),
    **dict.fromkeys(("rft", "rl", "grpo"), "reinforcement"),
}
"""What other tools call formats → the format that they are, or are converted to."""


class Dataset(ResourceBlock, noun="a dataset"):
    """A file of training examples."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "file": "path",
        "filename": "path",
        "source": "path",
        "file_path": "path",
        "data_path": "path",
        "uri": "url",
        "type": "format",
    }
    usual = "path"

    path = optional(FIXED_TEXT, "File of examples, or a pattern for several; relative to this spec file.")
    generate = optional(GenerateBlock, "What `ftops data generate` makes the examples from.")
    url = optional(URL, "URL that the service downloads the examples from.")
    format = optional(
        choice("chat", "preference", "reinforcement", elsewhere=_FORMATS),
        "Format of the examples; default: detected from the examples.",
    )
    transform = optional(ListOf(StepBlock), "Transformations before the upload, applied in order.")
    checks = optional(ChecksBlock, "How the examples are checked.")
    purpose = optional(
        choice("fine-tune", "evals", "batch", "assistants"),
        "Purpose of the file at the service.",
        "fine-tune",
    )


class BestBlock(Block, noun="`best`"):
    """How the best job of a `for_each` is chosen."""

    metric = optional(FIXED_TEXT, "Metric of the final model; default: reward, or validation loss.")
    mode = optional(choice("min", "max"), "Whether lower or higher is better; default: by the metric.")
    among = optional(
        OneOrMore(FIXED_TEXT), "Keys, or patterns of keys such as n_epochs=3*; default: all jobs."
    )


class StopBudgetBlock(Block, noun="`budget`"):
    """What the jobs of a `for_each` may cost together: one of both."""

    usual = "dollars"
    tokens = optional(Integer(1, closed=True), "Training tokens.")
    dollars = optional(Number(above=0, closed=True), "US dollars, by the catalogue's prices.")


class StopBlock(Block, noun="`stop`"):
    """When jobs of a `for_each` are stopped early, because others do better."""

    rule = required(
        choice("median", "halving"),
        "median: worse than the median of the others' averages; halving: not among the best at a rung.",
    )
    metric = optional(FIXED_TEXT, "Metric of the events; default: that of `best`, else reward or loss.")
    mode = optional(choice("min", "max"), "Whether lower or higher is better; default: by the metric.")
    after = optional(Integer(1, closed=True), "No job is stopped before this step.", 10)
    min_jobs = optional(Integer(1, closed=True), "How many other jobs must have come as far.", 3)
    factor = optional(Integer(2, 100, closed=True), "With halving: one in so many goes on; default: 3.")
    budget = optional(StopBudgetBlock, "What the jobs may cost together.")


_NO_KEY = dict.fromkeys(("api_key", "key", "token", "wandb_api_key"), (WANDB_KEY_DETAIL, WANDB_KEY_HINT))


class WandbBlock(Block, noun="`wandb`"):
    """The run at Weights & Biases that the service writes to."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("team", "user", "username", "organization"), "entity"),
        **dict.fromkeys(("run", "run_name", "display_name"), "name"),
        **dict.fromkeys(("project_name", "wandb_project"), "project"),
    }
    secrets = _NO_KEY
    project = required(WANDB_PROJECT, "Project of the run.")
    name = optional(WANDB_NAME, "Display name of the run; default: the ID of the job.")
    entity = optional(
        WANDB_ENTITY, "Team or user of the project; default: that of the key that the service has."
    )
    tags = optional(ListOf(WANDB_TAG), "Tags of the run, besides those that the service adds.")


class IntegrationBlock(Block, noun="an integration"):
    """A tool that the service itself sends the metrics of a job to, while it trains."""

    secrets = _NO_KEY
    type = required(choice("wandb"), "The service knows no other one.")
    wandb = required(WandbBlock, "The run at Weights & Biases.")


class Job(ResourceBlock, noun="a job"):
    """A fine-tuning job."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("training_file", "training_data", "train", "train_file", "train_dataset", "data", "dataset"),
            "training",
        ),
        **dict.fromkeys(("datasets", "dataset_path", "training_dataset"), "training"),
        **dict.fromkeys(
            ("validation_file", "validation_data", "valid", "val", "val_file", "eval", "eval_dataset"),
            "validation",
        ),
        **dict.fromkeys(("test", "test_file", "dev", "validation_dataset"), "validation"),
        **dict.fromkeys(("base_model", "model_name", "model_name_or_path", "model_id", "base"), "model"),
        **dict.fromkeys(("type", "stage", "algorithm", "finetuning_type", "task"), "method"),
        "trainingType": "training_type",
        "hyper_parameters": "hyperparameters",
        "hparams": "hyperparameters",
    }
    usual = "model"
    model = required(OPEN_TEXT, "Model to start from: a base model, or ${job.other.fine_tuned_model}.")
    method = optional(METHOD, "Fine-tuning method.", "supervised")
    training = required(OPEN_TEXT, "Name of the training dataset.")
    validation = optional(OPEN_TEXT, "Name of the validation dataset.")
    hyperparameters = optional(OrName(JobHyperparameters), "The name of named hyperparameters, or a mapping.")
    training_type = optional(
        TRAINING_TYPE,
        "standard, global_standard, data_zone or developer; default: that of the provider, else standard.",
    )
    seed = optional(Integer(0, 2**31 - 1), "Seed for reproducible training.")
    suffix = optional(SUFFIX, "Suffix in the name of the fine-tuned model.")
    integrations = optional(
        ListOf(IntegrationBlock, 5), "Tools that the service sends the job's metrics to while it trains."
    )
    beta = optional(
        Number(above=0, words=AUTO), "How closely the model stays to the reference model (dpo).", method="dpo"
    )
    l2_multiplier = optional(
        Number(0, words=AUTO), "Weight of the penalty on large changes of the model (dpo).", method="dpo"
    )
    metadata = optional(
        MapOf(OPEN_TEXT), "Entries to store with the job; a change of them trains nothing again."
    )
    best = optional(BestBlock, "How ${job.name.best.…} chooses among the jobs of a for_each.")
    stop = optional(StopBlock, "When jobs of a for_each are stopped early.")
    grader = optional(GRADER, "Grader that scores the answers (reinforcement).", method="reinforcement")
    response_format = optional(
        ResponseFormat, "Format of the answers (reinforcement).", method="reinforcement"
    )


class Evaluation(ResourceBlock, noun="an evaluation"):
    """Answers of a model to prompts, graded and compared with those of a baseline."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("dataset", "data", "path", "questions", "cases"), "prompts"),
        **dict.fromkeys(("judge", "metrics", "criteria", "testing_criteria", "assert"), "graders"),
        **{key: f"settings.{key}" for key in ("temperature", "top_p", "max_tokens", "tool_choice", "seed")},
        "params": "settings",
        **dict.fromkeys(("compare_with", "reference"), "baseline"),
    }

    model = optional(OPEN_TEXT, "Model to evaluate: ${job.name.fine_tuned_model}, or a base model.")
    candidates = optional(
        ListOf(OPEN_TEXT),
        "Several models instead, of which the best one is chosen; ${job.name.checkpoint.*} stands for all "
        "checkpoints, ${job.name[*].fine_tuned_model} for all jobs of a for_each.",
    )
    baseline = optional(
        OPEN_TEXT,
        "Model to compare it with; base_model: the one that its job started from; serving: the one that the "
        "gated deployment serves; none.",
        BASE_MODEL,
    )
    prompts = required(FIXED_TEXT, "File of prompts with the expected answers, or the name of a dataset.")
    tools = optional(FIXED_TEXT, "File of the functions that can be called.")
    system = optional(FIXED_TEXT, "File of the system message.")
    settings = optional(Untyped(dict, "{temperature: 0}"), "Parameters of the requests, such as temperature.")
    graders = optional(Untyped(dict, "{main: {type: exact}}"), "Graders by name; the first one decides.")
    decide = optional(FIXED_TEXT, "Grader that chooses the best candidate; default: the first one.")
    samples = optional(Integer(1, 100, closed=True), "Answers to each prompt.", 1)
    alpha = optional(Number(above=0, maximum=0.5, closed=True), "Significance level.", 0.05)
    margin = optional(Number(0, 1, closed=True), "Difference that counts as equivalent.", 0.05)
    sku = optional(Sku, "SKU and capacity of temporary deployments.")
    concurrency = optional(Integer(1, 256, closed=True), "Requests at a time.", 32)
    stop = optional(
        choice("when_decided"), "Ask no more prompts once their answers can't change what the gates decide."
    )
    max_age = optional(
        Duration(closed=True), "Cached answers that are older, such as 30d, are asked for again."
    )
    budget = optional(Number(above=0), "US dollars that a run may cost, by the catalogue's prices.")


class GateBlock(Block, noun="`gate`"):
    """What an evaluation must show before the model is deployed."""

    evaluation = required(FIXED_TEXT, "Name of the evaluation.")
    require = optional(
        Untyped(dict, "{verdict: better}"),
        "Requirements: verdict (better, not_worse), non_inferior, or a metric with at_least or at_most.",
    )
    allow_override = optional(FLAG, "false: --override-gate is refused.", True)


class HostingBlock(Block, noun="`hosting`"):
    """When a deployment exists."""

    usual = "hours"
    hours = required(
        HOURS, "Days, hours and a time zone: `Mon-Fri 08:00-18:00 Europe/Berlin`. Outside them it is deleted."
    )


class Deployment(ResourceBlock, noun="a deployment"):
    """A deployed model."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "model_name": "model",
        "model_id": "model",
        "fine_tuned_model": "model",
        "deployment_name": "name",
        "model_version": "version",
        "content_filter": "rai_policy",
        "scale": "sku",
        "scale_settings": "sku",
        "strategy": "replace",
    }
    usual = "model"

    name = optional(
        DEPLOYMENT_NAME, "Name of the deployment, used by callers; default: the name of the resource."
    )
    model = required(OPEN_TEXT, "Model to deploy: ${job.name.fine_tuned_model}, or a base model.")
    version = optional(OPEN_TEXT, "Version of a base model.")
    format = optional(
        OPEN_TEXT,
        "The service's word for the publisher of the model, such as OpenAI or Mistral AI; default: as the "
        "account lists the model, else by the catalogue.",
    )
    sku = optional(
        Sku, "SKU and capacity of the deployment; with GlobalManagedCompute, the capacity is instances."
    )
    target = optional(
        OPEN_TEXT,
        "Makes the deployment an adapter on another one with managed compute: deployment.name, or the ARM ID "
        "of one that the spec doesn't declare.",
    )
    source_model = optional(
        MODEL_VERSION,
        "Version of a project model that has the adapter's weights: azureai://accounts/…; default: the one "
        "that the job of the model has made.",
    )
    accelerator_type = optional(
        ACCELERATOR_TYPE, "GPUs of managed compute, such as H100_80GB; default: the service chooses."
    )
    deployment_template = optional(
        DEPLOYMENT_TEMPLATE,
        "How managed compute runs the model: azureml://registries/…/deploymenttemplates/…. For adapters it "
        "has to be one that takes them.",
    )
    version_upgrade_option = optional(
        UPGRADE_OPTION, "When the service may upgrade a base model to a newer version."
    )
    rai_policy = optional(OPEN_TEXT, "Name of the content filter.")
    spillover = optional(
        OPEN_TEXT,
        "Deployment that answers what this one has no capacity for: ${deployment.other.name}, or a name.",
    )
    service_tier = optional(SERVICE_TIER, "Priority costs more.")
    deployment_state = optional(DEPLOYMENT_STATE, "Paused: the deployment stays, but answers nothing.")
    tags = optional(MapOf(OPEN_TEXT), "Tags of the deployment.")
    source = optional(
        ACCOUNT_ID,
        "ARM ID of the account that owns the model, if it is another one; set automatically for a model "
        "of a job.",
    )
    source_tenant = optional(OPEN_TEXT, "Tenant of that account, if it is another one.")
    gate = optional(OneOrMore(GateBlock), "Evaluations that must pass before the model is deployed.")
    keep_models = optional(
        Integer(0, 10, closed=True),
        "How many models that it served before are kept for `ftops rollback`; default: none.",
    )
    hosting = optional(HostingBlock, "When the deployment exists: it is billed by the hour, used or not.")
    replace = optional(
        choice("recreate", "blue_green"), "What to do if a change can't be made in place.", "recreate"
    )


COMMON_KEYS = frozenset(ResourceBlock.fields)
