"""Resource types: one row for each kind of resource, with all that other modules ask of a kind.

No other module branches on the name of a kind. docs/language.md describes the kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from math import inf

from msgspec import Struct, field

from ftops.core import hosting_hours
from ftops.core.address import EVERY, Address, Json, Reference, Value
from ftops.core.normal_form import AS_WRITTEN, Spelling, model, name, normal, number, word
from ftops.core.serving import ACCELERATOR_TYPES, SKU_NAMES, Serving, serving_of


class ResourceType(Struct, frozen=True, dict=True):
    """One kind of resource. Attribute names are dotted paths into its inputs; functions and classes of other
    packages are named as `module:object`, and loaded when they are first used."""

    kind: str
    section: str
    """The top-level key of the spec that declares resources of this kind."""
    title: str
    """What these resources are, as a heading."""
    block: str
    """The class that declares the keys of such a resource, a `ResourceBlock`."""
    computed: frozenset[str]
    """Attributes that may be referenced; `checkpoint.*` admits any step."""
    article: str = "a"
    make_inputs: str = "ftops.config.loader.inputs:plain_inputs"
    """The function that makes the inputs from the block."""
    add_defaults: str = ""
    """The function that adds the defaults of its provider to the inputs, if there are any."""
    is_data: bool = False
    """Made from a data file, whose examples are checked, measured and compared."""
    trains: bool = False
    """Trains a model: it costs by its tokens, and learns from the data that its inputs name."""
    serves: bool = False
    """Serves a model: it costs by the hour, takes quota, and is unavailable while it is replaced."""
    by_control_plane: bool = False
    """Managed through the control plane of an account, which changes one at a time."""
    immutable: frozenset[str] = frozenset()
    """Inputs whose change forces replacement; `*` means every one."""
    local: frozenset[str] = frozenset()
    """Inputs that only guide ftops; a change of one is no change of the object."""
    kept: frozenset[str] = frozenset()
    """Those among them that are sent, and that an object keeps as they were when it was created."""
    defaults: Mapping[str, Value] = field(default_factory=dict)
    """What an input means where it is absent. Saying it or not is no change: a release that begins to
    fill in a default must not train anything again."""
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Inputs in which a bare name means a resource: input → (kind, attribute)."""
    same_account: tuple[str, ...] = ()
    """Inputs that can only refer to resources of the same account."""
    model_attributes: frozenset[str] = frozenset()
    """Attributes that name a model: `model` of other resources may refer to them."""
    tuned_attributes: frozenset[str] = frozenset()
    """Those of them that name a fine-tuned model."""
    several: frozenset[str] = frozenset()
    """Inputs that list models, and in which one reference can stand for several."""
    files: tuple[str, ...] = ()
    """Inputs that name files, relative to the spec."""
    with_files: str = ""
    """The function that completes the inputs with what is in these files, if the kind isn't data."""
    is_record: bool = False
    """Exists in the state only: replacing it is to make a new record."""
    gated_by: tuple[str, str] | None = None
    """The kind and attribute that its input `gate` refers to."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """What a reference to an attribute is compared by, if not by its value: `content` or `fingerprint`. Two
    files of one content, two models of one fingerprint, are the same."""
    compared_by_content: frozenset[str] = frozenset()
    """Inputs whose references are compared by what they mean (see `meanings`), not by id."""
    by_text: frozenset[str] = frozenset()
    """Inputs in which the value of a secret inside a text doesn't count: a token in an address may rotate."""
    immutable_when: Mapping[str, Callable[[object, object, Mapping[str, Value]], bool]] = field(
        default_factory=dict
    )
    """Inputs whose change forces replacement only for some values (before, after) and inputs (after)."""
    stands_on: frozenset[str] = frozenset()
    """Inputs that name an object which can't be deleted while this one exists, even for a moment."""
    spelling: Spelling = AS_WRITTEN
    """What doesn't count in how its inputs are written, beside what counts nowhere (see `normal_form`)."""
    upgraded_by_service: Mapping[str, Callable[[object, object, Mapping[str, Value]], bool]] = field(
        default_factory=dict
    )
    """Inputs that the service may change by its own rules, and whether a change (before, after) of one of
    these inputs can be such."""
    reusable: bool = False
    """An object of the same fingerprint is as good: it is taken instead of creating another one."""
    is_same_object: str = "ftops.planning.adoption:is_same_by_fingerprint"
    """For a reusable kind, the function that compares an existing object with a change."""
    named_by: str = ""
    """The input that names the object at the service, where a name stands for one object of an account in
    any case of its letters."""
    long_running: bool = False
    """May take hours: `apply --no-wait` doesn't wait for it."""
    timeout: float = inf
    """Seconds that a step waits for a pending object, if the provider isn't configured otherwise."""
    waits_for: str = ""
    """What it waits for, in the documentation of `timeouts`."""
    queue: str = ""
    """The limit of an account for the number of such objects that wait until it works on them."""
    limit: str = ""
    """The limit of an account for the number of such objects (docs/catalog.md)."""
    below_limit: str = ""
    """How to get below that limit."""
    usual_inputs: Mapping[str, Value] = field(default_factory=dict)
    """Inputs that a spec written from an account leaves out."""
    brackets: tuple[str, str] = ("[", "]")
    """Its shape in Mermaid diagrams."""

    @cached_property
    def meant_defaults(self) -> Mapping[str, Json]:
        """The normal forms of the defaults."""
        return {name: normal(value, self.spelling, name) for name, value in self.defaults.items()}

    @property
    def noun(self) -> str:
        """`a job`."""
        return f"{self.article} {self.kind}"


TRAINING_TYPES = ("standard", "global_standard", "data_zone", "developer")
SERVICE_TIERS = ("Default", "Priority")
DEPLOYMENT_STATES = ("Running", "Paused")
UPGRADE_OPTIONS = ("OnceNewDefaultVersionAvailable", "OnceCurrentVersionExpired", "NoAutoUpgrade")
_VERSION = re.compile(r"(?P<model>.*?)-?(?P<date>\d{4}-\d{2}-\d{2})\Z")


def is_upgraded_model(before: object, after: object, inputs: Mapping[str, Value]) -> bool:
    """Whether the service may have moved `gpt-4o-2024-08-06` to `gpt-4o-2024-11-20` by itself."""
    dated = all(_VERSION.match(str(one)) for one in (before, after))
    return dated and not is_tuned(before) and is_upgraded_version(before, after, inputs)


def is_upgraded_version(before: object, after: object, inputs: Mapping[str, Value]) -> bool:
    """Whether the service may have moved a base model to another version by itself: it does so unless it is
    told not to, and never to an older one. Versions such as `0613` tell no order."""
    if not (isinstance(before, str) and isinstance(after, str)):
        return False
    if name(str(inputs.get("version_upgrade_option"))) == name("NoAutoUpgrade"):
        return False
    old, new = _VERSION.match(before), _VERSION.match(after)
    if not (old and new):
        return True
    return name(old["model"]) == name(new["model"]) and old["date"] < new["date"]


RESOURCE_TYPES: dict[str, ResourceType] = {
    row.kind: row
    for row in (
        ResourceType(
            kind="dataset",
            section="datasets",
            title="Datasets",
            block="ftops.config.schema.resources:Dataset",
            make_inputs="ftops.config.loader.inputs:dataset_inputs",
            is_data=True,
            files=("path",),
            computed=frozenset({"id", "bytes", "digest", "examples", "tokens", "status"}),
            immutable=frozenset({"content", "purpose", "url"}),
            local=frozenset({"path", "format", "transform", "file", "checks"}),
            by_text=frozenset({"url"}),
            defaults={"purpose": "fine-tune"},
            meanings={"id": "content"},
            spelling=Spelling({"purpose": name}),
            reusable=True,
            is_same_object="ftops.planning.adoption:is_same_file",
            timeout=3600,
            waits_for="for the service to process a file",
            limit="files",
            below_limit="delete files that no job needs any more",
            usual_inputs={"purpose": "fine-tune", "format": "chat"},
            brackets=("[(", ")]"),
        ),
        ResourceType(
            kind="job",
            section="jobs",
            title="Fine-tuning jobs",
            block="ftops.config.schema.resources:Job",
            make_inputs="ftops.config.loader.inputs:job_inputs",
            add_defaults="ftops.config.loader.inputs:add_job_defaults",
            trains=True,
            computed=frozenset(
                {
                    "id",
                    "status",
                    "fine_tuned_model",
                    "trained_tokens",
                    "finished_at",
                    "checkpoint.*",
                    "metrics.*",
                    "best.*",
                    "result_files",
                    "hyperparameters",
                    "seed",
                    "account",
                    "tenant",
                }
            ),
            immutable=frozenset({"*"}),
            local=frozenset({"metadata", "best", "stop"}),
            kept=frozenset({"metadata"}),
            defaults={"method": "supervised", "training_type": "standard", "hyperparameters": {}},
            references={"training": ("dataset", "id"), "validation": ("dataset", "id")},
            same_account=("training", "validation", "model"),
            model_attributes=frozenset({"fine_tuned_model", "checkpoint.*", "best.*"}),
            tuned_attributes=frozenset({"fine_tuned_model", "checkpoint.*", "best.*"}),
            meanings={"fine_tuned_model": "fingerprint"},
            compared_by_content=frozenset({"training", "validation", "model"}),
            spelling=Spelling(
                {
                    "model": model,
                    "method": name,
                    "training_type": word(*TRAINING_TYPES),
                    "hyperparameters.*": number,
                    "hyperparameters.reasoning_effort": name,
                    "seed": number,
                    "beta": number,
                    "l2_multiplier": number,
                }
            ),
            reusable=True,
            is_same_object="ftops.planning.adoption:is_same_job",
            long_running=True,
            waits_for="for a job, including its time in the queue",
            queue="queued_jobs",
            limit="jobs",
            below_limit="delete jobs that have ended",
            usual_inputs={"method": "supervised", "training_type": "standard"},
            brackets=("[[", "]]"),
        ),
        ResourceType(
            kind="evaluation",
            section="evaluations",
            title="Evaluations",
            article="an",
            is_record=True,
            block="ftops.config.schema.resources:Evaluation",
            make_inputs="ftops.config.loader.evaluations:evaluation_inputs",
            with_files="ftops.config.evaluation_files:with_prompts",
            files=("prompts", "tools", "system"),
            by_control_plane=True,
            computed=frozenset(
                {
                    "id",
                    "best",
                    "verdict",
                    "score",
                    "baseline_score",
                    "difference",
                    "p",
                    "is_complete",
                    "is_partial",
                    "prompts",
                    "metrics.*",
                }
            ),
            immutable=frozenset({"*"}),
            local=frozenset(
                {
                    "prompts",
                    "tools",
                    "system",
                    "concurrency",
                    "budget",
                    "max_age",
                    "sku",
                    "serving",
                    "base_model",
                }
            ),
            same_account=("model", "candidates", "baseline"),
            several=frozenset({"candidates"}),
            defaults={"samples": 1},
            model_attributes=frozenset({"best"}),
            tuned_attributes=frozenset({"best"}),
            spelling=Spelling({"model": model, "baseline": model}),
            brackets=("{{", "}}"),
        ),
        ResourceType(
            kind="deployment",
            section="deployments",
            title="Deployments",
            block="ftops.config.schema.resources:Deployment",
            make_inputs="ftops.config.loader.deployments:deployment_inputs",
            add_defaults="ftops.config.loader.deployments:add_deployment_defaults",
            serves=True,
            by_control_plane=True,
            computed=frozenset(
                {
                    "id",
                    "name",
                    "endpoint",
                    "provisioning_state",
                    "model",
                    "source_model",
                    "created_at",
                    "expires",
                }
            ),
            model_attributes=frozenset({"model"}),
            immutable=frozenset({"name", "sku.name", "source", "source_tenant"}),
            defaults={"service_tier": SERVICE_TIERS[0], "deployment_state": DEPLOYMENT_STATES[0]},
            immutable_when={
                "model": lambda old, new, inputs: is_tuned(old) or is_tuned(new) or _is_managed(inputs),
                "version": lambda old, new, inputs: _is_managed(inputs),
                "version_upgrade_option": lambda old, new, inputs: _is_managed(inputs),
                **dict.fromkeys(
                    ("accelerator_type", "deployment_template", "source_model"),
                    # What the service has chosen itself may be said later; a provider compares it then.
                    lambda old, new, inputs: bool(old and new),
                ),
                "target": lambda old, new, inputs: not (old and new),  # another target is no change of kind
            },
            references={"target": ("deployment", "id")},
            same_account=("target", "spillover"),
            stands_on=frozenset({"target"}),
            local=frozenset({"replace", "gate", "format", "keep_models"}),
            gated_by=("evaluation", "id"),
            spelling=Spelling(
                {
                    "name": name,
                    "model": model,
                    "sku.name": word(*SKU_NAMES),
                    "sku.capacity": number,
                    "version_upgrade_option": word(*UPGRADE_OPTIONS),
                    "rai_policy": name,
                    "spillover": name,
                    "service_tier": word(*SERVICE_TIERS),
                    "deployment_state": word(*DEPLOYMENT_STATES),
                    "source": name,
                    "source_tenant": name,
                    "target": name,
                    "accelerator_type": word(*ACCELERATOR_TYPES),
                    "hosting.hours": hosting_hours.meaning,
                },
                folded_keys=frozenset({"tags"}),
            ),
            upgraded_by_service={"model": is_upgraded_model, "version": is_upgraded_version},
            named_by="name",
            timeout=3600,
            waits_for="to create, update or delete a deployment",
            limit="deployments",
            below_limit="delete a deployment that is no longer used",
            brackets=("([", "])"),
        ),
    )
}


def _is_managed(inputs: Mapping[str, Value]) -> bool:
    return serving_of(inputs) is Serving.MANAGED


def kind_of(address: Address) -> ResourceType:
    """The row of a resource's kind."""
    return RESOURCE_TYPES[address.kind]


def meaning_of(reference: Reference) -> str | None:
    """What a reference is compared by: `content`, `fingerprint`, or None for its value."""
    return kind_of(reference.address).meanings.get(reference.attribute)


METHOD_FORMATS: Mapping[str, str] = {
    "supervised": "chat",
    "dpo": "preference",
    "reinforcement": "reinforcement",
}
"""What the examples that a job learns from look like, by its method."""


def is_tuned(model: object) -> bool:
    """Whether a model is a fine-tuned one: `<base>.ft-<hex>`, `ft:<base>:…`, or a reference to a job's."""
    if isinstance(model, Reference):
        return admits(kind_of(model.address).tuned_attributes, model.attribute)
    return isinstance(model, str) and (".ft-" in model or model.startswith("ft:"))


def admits(computed: frozenset[str], attribute: str) -> bool:
    """Whether an attribute of this name may be referenced."""
    head, dot, rest = attribute.partition(".")
    if head == _CHECKPOINT and not _STEP.fullmatch(rest):
        return False
    return attribute in computed or (bool(dot) and f"{head}.*" in computed)


def step_of(attribute: str) -> int | None:
    """The step of an attribute such as `checkpoint.80`; None of any other."""
    head, _, rest = attribute.partition(".")
    return int(rest) if head == _CHECKPOINT and rest.isdecimal() else None


_CHECKPOINT = "checkpoint"
_STEP = re.compile(r"best|\*|[0-9]{1,18}")
"""What can follow it: the best one, all of them, or that of a step."""


def is_several(reference: Reference) -> bool:
    """Whether it stands for several values: `${job.x.checkpoint.*}` or `${job.x[*].fine_tuned_model}`."""
    return reference.address.key == EVERY or reference.attribute.endswith(".*")


def forces_replacement(
    kind: ResourceType, path: str, before: object, after: object, inputs: Mapping[str, Value]
) -> bool:
    """Whether a change of this input can't be made in place. `inputs`: those after the change."""
    if "*" in kind.immutable or path in kind.immutable:
        return True
    rule = kind.immutable_when.get(path)
    return rule is not None and rule(before, after, inputs)
