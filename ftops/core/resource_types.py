"""The kinds of resources: what differs by kind is a row here, not a branch elsewhere.

Source of the rows: the table "Kinds" of docs/language.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from msgspec import Struct, field

from ftops.core.address import Value
from ftops.core.model_names import is_tuned
from ftops.core.normal_form import AS_WRITTEN, Spelling, model, name, number, word


class ResourceType(Struct, frozen=True):
    """One kind of resource. Attribute names are dotted paths into its inputs."""

    kind: str
    section: str
    """The top-level key of the spec that declares resources of this kind."""
    computed: frozenset[str]
    """Attributes that may be referenced; `checkpoint.*` admits any step."""
    immutable: frozenset[str] = frozenset()
    """Inputs whose change forces replacement; `*` means every one."""
    local: frozenset[str] = frozenset()
    """Inputs that only guide ftops; a change of one is no change of the object."""
    defaults: Mapping[str, Value] = field(default_factory=dict)
    """What an input means where it is absent. Saying it or not is no change: a release that begins to
    fill in a default must not train anything again."""
    references: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Inputs in which a bare name means a resource: input → (kind, attribute)."""
    compared_by_content: frozenset[str] = frozenset()
    """Inputs whose references are compared by what they mean (see IDENTITY), not by id."""
    by_text: frozenset[str] = frozenset()
    """Inputs in which the value of a secret inside a text doesn't count: a token in an address may rotate."""
    immutable_when: Mapping[str, Callable[[object, object], bool]] = field(default_factory=dict)
    """Inputs whose change forces replacement only for some values (before, after)."""
    spelling: Spelling = AS_WRITTEN
    """What doesn't count in how its inputs are written, beside what counts nowhere (see `normal_form`)."""
    upgraded_by_service: Mapping[str, Callable[[object, object, Mapping[str, Value]], bool]] = field(
        default_factory=dict
    )
    """Inputs that the service may change by its own rules, and whether a change (before, after) of one of
    these inputs can be such."""
    reusable: bool = False
    """An object of the same fingerprint is as good: it is taken instead of creating another one."""
    named_by: str = ""
    """The input that names the object at the service, where a name stands for one object of an account in
    any case of its letters."""
    long_running: bool = False
    """May take hours: `apply --no-wait` doesn't wait for it."""


SKU_NAMES = (
    "Standard",
    "GlobalStandard",
    "DataZoneStandard",
    "DeveloperTier",
    "ProvisionedManaged",
    "GlobalProvisionedManaged",
    "DataZoneProvisionedManaged",
)
UPGRADE_OPTIONS = ("OnceNewDefaultVersionAvailable", "OnceCurrentVersionExpired", "NoAutoUpgrade")
_sku_name = word(*SKU_NAMES)


def deployment_name(name: str, inputs: Mapping[str, Value]) -> str:
    """The name at the service. Where the old one stays until the new one answers, it follows from what can't
    be changed in place: the model, the name of the SKU, the source. Empty while the model isn't known."""
    if inputs.get("replace") != "blue_green":
        return name
    model, sku = inputs.get("model"), inputs.get("sku")
    if not isinstance(model, str):
        return ""
    size = _sku_name(str(sku.get("name") or "")) if isinstance(sku, Mapping) else ""
    parts = (model, str(size), *(str(inputs.get(key) or "") for key in ("source", "source_tenant")))
    return f"{name}-{hashlib.sha256(' '.join(parts).rstrip().encode()).hexdigest()[:8]}"


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


RESOURCE_TYPES: Mapping[str, ResourceType] = {
    row.kind: row
    for row in (
        ResourceType(
            kind="dataset",
            section="datasets",
            computed=frozenset({"id", "bytes", "digest", "examples", "tokens", "status"}),
            immutable=frozenset({"content", "purpose", "url"}),
            local=frozenset({"path", "format", "transform", "file", "checks"}),
            by_text=frozenset({"url"}),
            defaults={"purpose": "fine-tune"},
            spelling=Spelling({"purpose": name}),
            reusable=True,
        ),
        ResourceType(
            kind="job",
            section="jobs",
            computed=frozenset(
                {
                    "id",
                    "status",
                    "fine_tuned_model",
                    "trained_tokens",
                    "checkpoint.*",
                    "result_files",
                    "hyperparameters",
                    "seed",
                    "account",
                    "tenant",
                }
            ),
            immutable=frozenset({"*"}),
            defaults={"method": "supervised", "training_type": "standard", "hyperparameters": {}},
            references={"training": ("dataset", "id"), "validation": ("dataset", "id")},
            compared_by_content=frozenset({"training", "validation", "model"}),
            spelling=Spelling(
                {
                    "model": model,
                    "method": name,
                    "training_type": word("standard", "global_standard", "developer"),
                    "hyperparameters.*": number,
                    "hyperparameters.reasoning_effort": name,
                    "seed": number,
                    "beta": number,
                }
            ),
            reusable=True,
            long_running=True,
        ),
        ResourceType(
            kind="deployment",
            section="deployments",
            computed=frozenset(
                {"id", "name", "endpoint", "provisioning_state", "model", "created_at", "expires"}
            ),
            immutable=frozenset({"name", "sku.name", "source", "source_tenant"}),
            immutable_when={"model": lambda before, after: is_tuned(before) or is_tuned(after)},
            local=frozenset({"replace"}),
            spelling=Spelling(
                {
                    "name": name,
                    "model": model,
                    "sku.name": word(*SKU_NAMES),
                    "sku.capacity": number,
                    "version_upgrade_option": word(*UPGRADE_OPTIONS),
                    "rai_policy": name,
                    "source": name,
                    "source_tenant": name,
                },
                folded_keys=frozenset({"tags"}),
            ),
            upgraded_by_service={"model": is_upgraded_model, "version": is_upgraded_version},
            named_by="name",
        ),
    )
}

METHOD_FORMATS: Mapping[str, str] = {
    "supervised": "chat",
    "dpo": "preference",
    "reinforcement": "reinforcement",
}
"""What the examples that a job learns from look like, by its method."""

IDENTITY: Mapping[tuple[str, str], str] = {
    ("dataset", "id"): "content",
    ("job", "fine_tuned_model"): "fingerprint",
}
"""What a reference means: two files of one content, two models of one fingerprint, are the same."""


def admits(computed: frozenset[str], attribute: str) -> bool:
    """Whether an attribute of this name may be referenced."""
    head, dot, _ = attribute.partition(".")
    return attribute in computed or (bool(dot) and f"{head}.*" in computed)


def forces_replacement(kind: ResourceType, path: str, before: object, after: object) -> bool:
    """Whether a change of this input can't be made in place."""
    if "*" in kind.immutable or path in kind.immutable:
        return True
    rule = kind.immutable_when.get(path)
    return rule is not None and rule(before, after)
