"""Validation of blocks against `schema`, with error messages for users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from ftops.config import schema
from ftops.config.loader.files import Entry, Keys
from ftops.config.schema import providers
from ftops.config.schema.block import Fault, Faulty
from ftops.config.schema.field_types import Unknown
from ftops.core.errors import Diagnostic
from ftops.core.suggestions import did_you_mean, nearest

B = TypeVar("B", bound=schema.Block)

NOUNS: Mapping[type[schema.Block], str] = {
    schema.Settings: "the section `ftops`",
    schema.StateBlock: "`state`",
    schema.BudgetBlock: "`budget`",
    schema.ChecksBlock: "`checks`",
    schema.DriftBlock: "`drift`",
    schema.Encryption: "`encryption`",
    schema.StepBlock: "a step of `transform`",
    schema.SplitBlock: "`split`",
    schema.Variable: "a variable",
    schema.AzureOpenAI: "a provider of type azure_openai",
    schema.OpenAI: "a provider of type openai",
    schema.Emulator: "a provider of type emulator",
    schema.Memory: "a provider of type memory",
    schema.ControlPlane: "`control_plane`",
    schema.Credential: "`credential`",
    schema.Defaults: "`defaults`",
    schema.Environment: "an environment",
    schema.Hyperparameters: "hyperparameters",
    schema.JobHyperparameters: "`hyperparameters`",
    schema.LifecycleBlock: "`lifecycle`",
    schema.Dataset: "a dataset",
    schema.Job: "a job",
    schema.Sku: "`sku`",
    providers.Timeouts: "`timeouts`",
    schema.Deployment: "a deployment",
    schema.OutputBlock: "an output",
    schema.Moved: "`moved`",
    schema.Import: "`import`",
    schema.Removed: "`removed`",
}


class _Finding(NamedTuple):
    summary: str
    detail: str = ""
    hint: str = ""
    at_key: bool = False


def read_block(
    model: type[B], data: Any, entry: Entry, findings: list[Diagnostic], *, own: int = 0
) -> B | None:
    """The block that `data` describes, or None with findings.

    `own` says how many keys of the data lead to the entry itself.
    """
    try:
        return model.read(data)
    except Faulty as error:
        faults = [fault for fault in error.faults if not isinstance(fault.given, Unknown)]
    meant = _meant(model, [fault.keys for fault in faults if fault.kind == "unknown"])
    for fault in faults:
        loc = fault.keys
        if fault.kind == "missing" and loc in meant:
            continue
        found = _EXPLAIN[fault.kind](model, fault)
        at_value = len(loc) == own and not found.at_key
        place = entry.value_place() if at_value else entry.place(loc[own:], key=found.at_key)
        findings.append(Diagnostic(found.summary, found.detail, found.hint, place))
    return None


def _meant(model: type[schema.Block], unknown: list[Keys]) -> set[Keys]:
    """The keys that unknown ones probably stand for: that they are missing is not said again."""
    near = [(loc[:-1], nearest(str(loc[-1]), _keys(_model_at(model, loc[:-1])))) for loc in unknown]
    return {(*owner, key) for owner, key in near if key is not None}


def _unknown_key(model: type[schema.Block], fault: Fault) -> _Finding:
    owner = _model_at(model, fault.keys[:-1])
    key = str(fault.keys[-1])
    hint = did_you_mean(key, _keys(owner), nothing="It takes no keys.", limit=24)
    detail = "ftops doesn't know this key, so it would have no effect."
    return _Finding(f"unknown key `{key}` in {NOUNS[owner]}", detail, hint, at_key=True)


def _missing(model: type[schema.Block], fault: Fault) -> _Finding:
    owner = _model_at(model, fault.keys[:-1])
    key = fault.keys[-1]
    detail = f"{_capital(NOUNS[owner])} needs one. {_description(owner, key)}"
    return _Finding(f"`{key}` is missing", detail, f"Add `{key}: …`.")


def _no_container(model: type[schema.Block], fault: Fault) -> _Finding:
    keys = fault.keys
    if not keys:
        return _Finding(f"{NOUNS[model]} must be a {fault.kind}", "", "Write its keys below it, or in `{…}`.")
    return _Finding(
        f"{_label(keys)} must be a {fault.kind}", _description(_model_at(model, keys[:-1]), keys[-1])
    )


def _refused(model: type[schema.Block], fault: Fault) -> _Finding:
    assert fault.why is not None  # noqa: S101 - what is refused has a reason
    owner = _model_at(model, fault.keys[:-1])
    said = [fault.why.detail, _description(owner, fault.keys[-1])]
    return _Finding(
        f"{_label(fault.keys)} {fault.why.summary}", " ".join(s for s in said if s), fault.why.hint
    )


_EXPLAIN: Mapping[str, Callable[[type[schema.Block], Fault], _Finding]] = {
    "unknown": _unknown_key,
    "missing": _missing,
    "mapping": _no_container,
    "list": _no_container,
    "refused": _refused,
}


def _model_at(model: type[schema.Block], path: Keys) -> type[schema.Block]:
    """The model of the block that a path leads to, as far as there is one."""
    for part in path:
        if isinstance(part, int):
            continue  # into an entry of a list, of which the model is known
        field = model.fields.get(part)
        inner = field.block or field.item if field else None
        if inner is None:
            return model
        model = inner
    return model


def _keys(model: type[schema.Block]) -> list[str]:
    return [field.key for field in model.fields.values()]


def _description(model: type[schema.Block], name: str | int) -> str:
    return next((field.description for field in model.fields.values() if field.key == name), "")


def _meaning(model: type[schema.Block]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _label(loc: Keys) -> str:
    if not loc:
        return "the value"
    if isinstance(loc[-1], int):
        return f"entry {loc[-1] + 1} of `{loc[-2]}`" if len(loc) > 1 else f"entry {loc[-1] + 1}"
    return f"`{loc[-1]}`"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
