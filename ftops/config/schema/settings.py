"""Settings of a spec: state, budget, drift, checks; its variables, environments and outputs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ftops.config.schema.block import Block, MapOf, optional, required
from ftops.config.schema.field_aliases import AMOUNT, FIXED_TEXT, FLAG, NAME, REGION, choice
from ftops.config.schema.field_types import Integer, Number, Untyped
from ftops.config.schema.text_types import Duration
from ftops.core.backend_types import BACKEND_TYPES, LOCAL
from ftops.core.drift_classes import DRIFT_CLASSES


class Encryption(Block, noun="`encryption`"):
    """Encryption of the state at rest: AES-256-GCM."""

    key = optional(FIXED_TEXT, "Key of 32 bytes in base64 or hex: ${env.NAME}.")
    key_file = optional(FIXED_TEXT, "File that contains the key; a relative path starts at the project root.")
    fallback = optional(FIXED_TEXT, "Previous key: what it encrypted can still be read.")
    fallback_file = optional(FIXED_TEXT, "File that contains the previous key.")
    accept_plain = optional(FLAG, "Also read a state that isn't encrypted yet, and encrypt it.", False)


_BACKENDS = {
    **dict.fromkeys(("azurerm", "azure", "azureblob", "blob"), "azure_blob"),
    **dict.fromkeys(("aws", "minio"), "s3"),
    **dict.fromkeys(("gs", "gcp", "google"), "gcs"),
    **dict.fromkeys(("file", "disk"), LOCAL),
}
"""What other tools call a backend → its name here."""


class StateBlock(Block, noun="`state`"):
    """Where the state is stored."""

    backend = optional(
        choice(*BACKEND_TYPES, elsewhere=_BACKENDS),
        "Where the state is stored: files of the project, or a bucket.",
        LOCAL,
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
    plan_max_age = optional(
        Duration(closed=True), "Age at which kept plans are refused and deleted; default: 30d."
    )
    approval_max_age = optional(
        Duration(closed=True), "How long an approved plan can be continued; default: 14d."
    )
    encryption = optional(Encryption, "Encryption of the state; default: none.")


class BudgetBlock(Block, noun="`budget`"):
    """What a plan may cost, in US dollars. A plan that costs more is blocked."""

    training = optional(AMOUNT, "All jobs of one plan.")
    hosting_per_hour = optional(AMOUNT, "All deployments of tuned models that one plan makes, by the hour.")


_DRIFT_POLICIES = {
    **dict.fromkeys(("error", "deny", "block", "stop", "refuse", "halt"), "fail"),
    **dict.fromkeys(("keep", "accept", "allow", "off", "none", "skip", "warn"), "ignore"),
    **dict.fromkeys(("fix", "correct", "restore", "reset", "undo", "apply", "overwrite"), "revert"),
}
"""What other tools call policies, in classes of drift that have them."""


def _policy(drift_class: str) -> Any:
    row = DRIFT_CLASSES[drift_class]
    return optional(choice(*row.policies, elsewhere=_DRIFT_POLICIES), row.description)


class DriftBlock(Block, noun="`drift`"):
    """What to do if the service differs from the recorded state, by class of drift."""

    changed = _policy("changed")
    vanished = _policy("vanished")
    expired = _policy("expired")
    retired = _policy("retired")
    upgraded = _policy("upgraded")
    normalised = _policy("normalised")


_SEVERITIES = {
    **dict.fromkeys(("ignore", "none", "skip", "disable", "disabled", "false", "no", "never"), "off"),
    **dict.fromkeys(("info", "hint", "notice", "low"), "note"),
    **dict.fromkeys(("warn", "medium"), "warning"),
    **dict.fromkeys(("fail", "fatal", "deny", "critical", "high", "true"), "error"),
}
"""What other tools call severities."""


class ChecksBlock(Block, noun="`checks`"):
    """How data is checked."""

    severity = optional(
        MapOf(choice("error", "warning", "note", "off", elsewhere=_SEVERITIES)),
        "Severity of findings, by rule such as data/duplicate, or by group such as secret/*.",
    )


class Settings(Block, noun="the section `ftops`"):
    """Settings of the spec as a whole."""

    elsewhere: ClassVar[Mapping[str, str]] = dict.fromkeys(("version", "ftops_version"), "required_version")

    name = optional(NAME, "Name of the spec; default: the name of its folder.")
    required_version = optional(FIXED_TEXT, 'Required versions of ftops, such as ">=0.1, <2".')
    state = optional(StateBlock, "Where the state is stored.")
    budget = optional(BudgetBlock, "Cost limits of a plan.")
    checks = optional(ChecksBlock, "How the examples of every dataset are checked.")
    drift = optional(DriftBlock, "Policies for drift.")


class Variable(Block, noun="a variable"):
    """A value that is set by an environment, a file, the command line or its default."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("value", "val"), "default"),
        **dict.fromkeys(("enum", "choices", "options", "values", "oneof"), "allowed"),
        **dict.fromkeys(("regex", "validation"), "pattern"),
        "secret": "sensitive",
    }
    usual = "default"

    type = optional(
        choice("string", "integer", "number", "boolean", "list", "map", "any"), "Type of the value.", "any"
    )
    default = optional(Untyped(as_written=True), "Value if none is given.")
    description = optional(FIXED_TEXT, "Purpose of the variable.")
    minimum = optional(Number(closed=True), "Smallest value (integer, number).")
    maximum = optional(Number(closed=True), "Largest value (integer, number).")
    allowed = optional(Untyped(list, "[1, 5, 10]", as_written=True), "Allowed values.")
    pattern = optional(FIXED_TEXT, "Regular expression that the whole text must match (string).")
    sensitive = optional(FLAG, "The value is a secret: it is never shown or stored.", False)


class Environment(Block, noun="an environment"):
    """An environment, with its own variables, provider and state."""

    elsewhere: ClassVar[Mapping[str, str]] = {"vars": "variables", "values": "variables", "var": "variables"}
    usual = "provider"

    pattern = optional(
        FIXED_TEXT, "Names of previews that this stands for, such as pr-*; their objects are named by them."
    )
    ttl = optional(
        Duration(closed=True), "How long a preview lasts after its last apply; then `ftops gc` deletes it."
    )
    sample = optional(Integer(1, closed=True), "Examples of each file that jobs learn from; default: all.")
    tier = optional(
        choice("developer"), "developer: jobs and deployments of tuned models that are offered in this tier."
    )
    provider = optional(FIXED_TEXT, "Provider of resources that don't set one.")
    variables = optional(Untyped(dict, "{capacity: 5}", as_written=True), "Values of variables.")
    budget = optional(BudgetBlock, "Cost limits of a plan of this environment.")
    promote = optional(
        FIXED_TEXT,
        "Environment whose models are deployed here: its jobs and evaluations are taken over, nothing is "
        "trained.",
    )
    promote_max_age = optional(
        Duration(closed=True), "With `promote`: how old the evaluation of a model may be; default: no limit."
    )
    description = optional(FIXED_TEXT, "Purpose of the environment.")


class StateReference(Block, noun="a state"):
    """The state of another spec, whose recorded outputs can be read: `${state.NAME.outputs.OUTPUT}`."""

    usual = "spec"

    spec = optional(FIXED_TEXT, "Folder of the other spec, relative to this one.")
    name = optional(NAME, "Name of the other spec, if it is in another project.")
    state = optional(StateBlock, "Bucket in which its state is stored, if it is in another project.")
    env = optional(NAME, "Environment of the other spec; default: that of this one.")


class OutputBlock(Block, noun="an output"):
    """A value for other programs."""

    value = required(Untyped(), "The value.")
    description = optional(FIXED_TEXT, "Purpose of the value.", "")
    sensitive = optional(FLAG, "Never show the value.", False)
