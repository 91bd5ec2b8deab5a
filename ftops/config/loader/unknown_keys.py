"""Unknown keys: the key that is meant, or where in the spec a key belongs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from ftops.config.schema import provider_block, resource_block, sections
from ftops.config.schema.block import Block, Fault, Faulty, ListOf, MapOf, OrName
from ftops.config.schema.hyperparameters import Hyperparameters
from ftops.config.schema.resources import COMMON_KEYS, Job, ResourceBlock
from ftops.config.schema.settings import Environment, Settings
from ftops.core.normal_form import squeezed
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean, nearest, some


class Meant(NamedTuple):
    """What an unknown key stands for. `key`: the key of the same block that it is or belongs below."""

    hint: str
    key: str | None = None


def meaning_of(fault: Fault, root: type[Block]) -> Meant:
    """What the unknown key of a fault stands for. `root`: the block of the entry that it is in."""
    key, owner = str(fault.keys[-1]), fault.owner or root
    keys = [field.key for field in owner.fields.values()]
    if fault.given is None and key.isdigit():
        return Meant("A comma starts another entry; decimal numbers have a point: `0.5`.")
    if fault.given is None and (joined := _JOINED.fullmatch(key)):
        return Meant(f"Write a colon with a space after it: `{joined[1].strip()}: {joined[2].strip()}`.")
    if key in owner.elsewhere:
        above, _, inner = owner.elsewhere[key].rpartition(".")
        if above:
            return Meant(f"It belongs in `{above}`: `{above}: {{{inner}: …}}`.", above)
        hint = f"Did you mean `{owner.elsewhere[key]}`? {_OTHER_QUANTITIES.get(key, '')}"
        return Meant(hint.rstrip(), owner.elsewhere[key])
    for name, shape, block in _blocks(owner):
        right = key if key in _keys(block) else block.elsewhere.get(key)
        if right:
            where = f"It belongs in `{name}`: `{name}: {shape.format(f'{{{right}: …}}')}`."
            return Meant(f"{where} {_OTHER_QUANTITIES.get(key, '')}".rstrip(), name)
    own = nearest(key, keys)
    for name, shape, block in _blocks(owner) if own is None else ():
        if near := _misspelled(key, _keys(block)):
            return Meant(f"It belongs in `{name}`: `{name}: {shape.format(f'{{{near}: …}}')}`.", name)
    if hint := _above(fault, key, root) or _of_other_block(key, owner) or _in_only_map(fault, key, owner):
        return Meant(hint)
    listed = did_you_mean(key, keys, nothing="It takes no keys.", limit=24)
    if owner is Environment and listed.startswith("Known"):
        listed = f"{listed} Values of variables belong in `variables`."
    return Meant(listed, nearest(key, keys))


_RATE = (
    "It isn't the rate itself: it multiplies that of the base model's training, and is usually between 0.1 "
    "and 10."
)
_OTHER_QUANTITIES: Mapping[str, str] = {"learning_rate": _RATE, "lr": _RATE}
"""Keys of other tools whose values mean something else than those of the key that ftops has."""
_JOINED = re.compile(r"([A-Za-z_][\w -]*)[:=](.+)")
"""A key and its value that YAML reads as one text: `name:Standard` in braces, `name=Standard`."""
_SEVERAL = "`for_each` declares several that are alike: `for_each: [a, b]`."
_COMBINED = "It belongs in `for_each`: `for_each: {matrix: {n_epochs: [2, 3]}}`."
_CHOSEN = "Remove it: the service chooses this itself."
_OF_JOBS: Mapping[str, str] = {
    **dict.fromkeys(("matrix", "grid", "strategy", "sweep", "search", "search_space"), _COMBINED),
    **dict.fromkeys(("lora", "lora_r", "lora_rank", "lora_alpha", "lora_dropout", "peft"), _CHOSEN),
    **dict.fromkeys(("weight_decay", "warmup_ratio", "warmup_steps", "optimizer", "max_steps"), _CHOSEN),
    **dict.fromkeys(("lr_scheduler", "lr_scheduler_type", "gradient_accumulation_steps"), _CHOSEN),
    **dict.fromkeys(("dpo", "preference"), "Write `method: dpo`, and its keys beside it: `beta: …`."),
    **dict.fromkeys(("rft", "reinforcement"), "Write `method: reinforcement`, and `grader` beside it."),
    "supervised": "Remove it: `method: supervised` is the default.",
    **dict.fromkeys(("max_seq_length", "sequence_len", "cutoff_len", "adapter", "bf16", "fp16"), _CHOSEN),
}
"""What other tools have in a job or its hyperparameters, and what to do about it here."""


_OF_RESOURCES: Mapping[str, str] = {
    **dict.fromkeys(("if", "when", "condition", "only_if", "disabled"), "Write `enabled: ${var.NAME}`."),
    **dict.fromkeys(("needs", "requires", "after", "dependencies"), "Write `depends_on: [job.NAME]`."),
    **dict.fromkeys(("description", "comment", "notes"), "Write it as a comment: `# …`."),
    **dict.fromkeys(("environment", "env"), "Remove it: `--env` selects the environment of all resources."),
}
"""What other tools have in a resource, and what to write here."""


_OF_OTHERS: Mapping[str, Mapping[str, str]] = {
    "a variable": {
        **dict.fromkeys(
            ("required", "mandatory"), "Remove it: without a `default`, a variable needs a value."
        ),
        **dict.fromkeys(("nullable", "optional"), "Write `default: null`: then it may have no value."),
    },
    "hyperparameters": {"use": "Only the `hyperparameters` of a job can `use` named ones."},
}
"""By block: what other tools have in it, or what only another block has, and what to write here."""


def _in_only_map(fault: Fault, key: str, owner: type[Block]) -> str:
    """A hint, if the block has nothing but a mapping with any keys, which takes this one."""
    fields = list(owner.fields.values())
    if len(fields) != 1 or not isinstance(fields[0].type, MapOf) or nearest(key, [fields[0].key]):
        return ""
    try:
        owner.read({fields[0].key: {key: fault.given}})
    except Faulty:
        if "/" not in key:  # as in the name of a rule
            return ""
    return f"It belongs in `{fields[0].key}`: `{fields[0].key}: {{{key}: …}}`."


def _of_other_block(key: str, owner: type[Block]) -> str:
    """A hint, if another block of the spec has the key, or other tools have it."""
    if issubclass(owner, Job | Hyperparameters) and key in _OF_JOBS:
        return _OF_JOBS[key]
    if nearest(key, _keys(owner)) and not _is_of_another_kind(key, owner):
        return ""  # it is only misspelled
    account = provider_block("azure_openai")
    if owner is Environment and key in _keys(account):
        return "It belongs in a provider: declare one under `providers`, and name it here with `provider`."
    if key in sections() and owner is Environment:
        return (
            "Environments have no resources of their own: use `${var.…}` in the resource, set in `variables`."
        )
    if key in sections():
        return f"`{key}` is a section: write it at the start of a line."
    if issubclass(owner, ResourceBlock) and key in ("tier", "ttl", "promote", "sample"):
        return f"It is a key of an environment: `environments: {{dev: {{{key}: …}}}}`."
    if issubclass(owner, ResourceBlock) and key in _OF_RESOURCES:
        return _OF_RESOURCES[key]
    if not issubclass(owner, ResourceBlock):
        if key in _OF_OTHERS.get(owner.noun, {}):
            return _OF_OTHERS[owner.noun][key]
        beside = owner is Hyperparameters and key in _keys(Job)
        return "It belongs in the job, beside its `hyperparameters`." if beside else ""
    if key in ("count", "replicas", "instances"):
        return _SEVERAL
    if key == "name":
        return f"Remove it: the name of {owner.noun} is the key that it is below."
    if key == "properties":
        return f"Write its keys directly below {owner.noun}."
    right = key if key in _keys(account) else account.elsewhere.get(key)
    if right and key not in ("key", "host", "url"):
        return f"It belongs in a provider: `providers: {{azure: {{{right}: …}}}}`."
    return _kinds_with(key)


def _is_of_another_kind(key: str, owner: type[Block]) -> bool:
    """Whether another kind of resource has exactly this key, and this one none like it."""
    is_elsewhere = issubclass(owner, ResourceBlock) and bool(_kinds_with(key))
    return is_elsewhere and not _misspelled(key, _keys(owner))


def _misspelled(key: str, known: Collection[str]) -> str:
    """The known key that differs by a letter or two; empty if there is none."""
    from difflib import get_close_matches  # only imported for an unknown key

    folded = {one.replace("_", ""): one for one in known}
    found = get_close_matches(squeezed(key), folded, n=1, cutoff=_NEARLY)
    return folded[found[0]] if found else ""


def is_misspelled_section(name: str) -> bool:
    """Whether a top-level key is so near to a section that the file is probably a part of the spec."""
    from difflib import get_close_matches  # only imported for an unknown key

    known = set(sections()) - {"states"}  # `stages` are those of DVC, GitLab and others
    return bool(get_close_matches(name.lower(), known, n=1, cutoff=_PROBABLY))


_PROBABLY = 0.75
_NEARLY = 0.85


_SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(("models", "finetunes", "finetuning", "fine_tuning", "fine_tuning_jobs"), "jobs"),
    **dict.fromkeys(("trainings", "training_jobs", "runs"), "jobs"),
    **dict.fromkeys(("locals", "vars", "params", "parameters", "inputs"), "variables"),
    **dict.fromkeys(("env", "envs", "stages", "workspaces"), "environments"),
    **dict.fromkeys(("terraform", "settings", "config", "spec"), "ftops"),
    **dict.fromkeys(("accounts", "services"), "providers"),
    **dict.fromkeys(("endpoints",), "deployments"),
    **dict.fromkeys(("data", "files"), "datasets"),
    **dict.fromkeys(("evals", "tests"), "evaluations"),
    **dict.fromkeys(("hparams",), "hyperparameters"),
}
"""What other tools call a section → its name here."""


def section_hint(name: str, below: Collection[str], known: Collection[str]) -> str:
    """What an unknown section stands for. `below`: the keys in it."""
    if name in _SECTIONS:
        return f"Did you mean `{_SECTIONS[name]}`?"
    if name in ("secrets", "secret"):
        return "Remove it: secrets come from the environment, as `${env.NAME}`."
    if name in ("resource", "resources"):
        return "Remove it: `datasets`, `jobs` and `deployments` are sections themselves."
    right = name if name in _keys(Settings) else Settings.elsewhere.get(name) if not below else None
    if right:
        return f"It belongs under `ftops`: `ftops: {{{right}: …}}`."
    if name.lower() not in known and (section := _section_of(below)):
        return f"Indent it below `{section}:`, whose entries have these keys."
    if name in _keys(Hyperparameters) or name in Hyperparameters.elsewhere:
        return "It belongs in the `hyperparameters` of a job."
    if is_misspelled_section(name):
        return did_you_mean(name, known)
    if name in Job.elsewhere:
        return f"In a job, it is called `{Job.elsewhere[name]}`."
    return _kinds_with(name) or did_you_mean(name, known)


def _section_of(below: Collection[str]) -> str:
    """The section whose entries have these keys, if there is only one, and they have two of them."""
    rows = RESOURCE_TYPES.values()
    fitting = [row.section for row in rows if set(below) <= _keys(resource_block(row.kind))]
    return fitting[0] if len(fitting) == 1 and len(below) > 1 else ""


def _above(fault: Fault, key: str, root: type[Block]) -> str:
    """A hint, if a block around this one has the key."""
    block, around = root, []
    for name in fault.keys[:-1]:
        around.append((block, name))
        inner = {key: inner for key, _, inner in _blocks(block)}.get(str(name))
        if inner is None:
            return ""
        block = inner
    found = next((str(name) for outer, name in reversed(around) if key in _keys(outer)), "")
    return f"It belongs beside `{found}`, not in it." if found else ""


def _kinds_with(key: str) -> str:
    """A hint, if resources of some kind have the key."""
    kinds = [
        row.noun for row in RESOURCE_TYPES.values() if key in _keys(resource_block(row.kind)) - COMMON_KEYS
    ]
    if kinds:
        return f"It is a key of {some(kinds[:-1], 9)}{' and ' if kinds[1:] else ''}{kinds[-1]}."
    inner = [
        (name, row.noun)
        for row in RESOURCE_TYPES.values()
        for name, _, block in _blocks(resource_block(row.kind))
        if key in _keys(block) and name not in COMMON_KEYS
    ]
    is_one = len({name for name, _ in inner}) == 1
    return f"It is a key of `{inner[-1][0]}` of {inner[-1][1]}." if is_one else ""


def _keys(block: type[Block]) -> set[str]:
    return {field.key for field in block.fields.values()}


def _blocks(owner: type[Block]) -> Iterator[tuple[str, str, type[Block]]]:
    """The blocks directly within this one: the key, how the value is written, and the block."""
    for field in owner.fields.values():
        shape, inner = "{}", field.type
        if isinstance(inner, ListOf):
            shape, inner = "[{}]", inner.item
        inner = inner.block if isinstance(inner, OrName) else inner
        if isinstance(inner, type) and issubclass(inner, Block):
            yield field.key, shape, inner
