"""Starters: the files of a project that `ftops init` creates, from a template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ftops.config.accounts import azure_settings
from ftops.core.azure_endpoint import of_foundry, parse
from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.provider_types import PROVIDER_TYPES

_FOLDER = Path(__file__).parent / "starter"
_AZURE = "#\n# providers:"
"""Where a spec begins to be about Azure."""
_COMMENT = re.compile(r"^# ?", re.MULTILINE)
_UNNAMED = """\
# `ftops plan` and `ftops apply` use the built-in emulator: no account, no costs. The end of this
# file is about Azure OpenAI.
"""
_NAMED = """\
# With `--env dev`, `ftops plan` and `ftops apply` use the built-in emulator: no account, no costs.
# The end of this file is about Azure OpenAI.
"""
"""The same if the spec declares environments."""
_TRIED = re.compile(
    r"^ftops (?:plan|apply|exec|results \S+|output|destroy)\b|(?<=`)ftops plan(?=`)", re.MULTILINE
)
"""The commands in the README that are for the emulator."""
_MODELINE = "# yaml-language-server: $schema=ftops.schema.json\n"
_ENDPOINT, _NAME, DEFAULT_GROUP = next(
    tuple(row.placeholders.values()) for row in PROVIDER_TYPES.values() if row.placeholders
)
PLACEHOLDERS = f"`{_NAME}` and `{DEFAULT_GROUP}`"
"""Those in a spec, if no account was given."""
_NO_TEXT = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Names that YAML reads as something else unless they are in quotes."""
_CHAT = (
    "Put your conversations into `data/train.jsonl`, one JSON object per line. Training is worth it from a "
    "few dozen on."
)


class Template(NamedTuple):
    """A spec to start from, and what the README says of it. Files are those of the folder `starter`."""

    about: str
    spec: str
    data: Mapping[str, str]
    """By name in the folder `data`."""
    job: str = "assistant"
    own_data: str = _CHAT
    note: str = (
        "A deployment of a fine-tuned model is billed by the hour, used or not: destroy what you don't need."
    )
    with_azure: bool = False
    """Whether the part about Azure counts, which is a comment otherwise."""
    question: str = "When do you open on Friday?"
    """For the model; empty if the spec deploys none."""
    outputs: str = "the names of the model and the deployment"


_QUICKSTART = Template(
    "A chat model that is trained on a dozen examples, and deployed.",
    "ftops.yaml",
    {"train.jsonl": "train.jsonl"},
)
TEMPLATES: Mapping[str, Template] = {
    "quickstart": _QUICKSTART,
    "azure": _QUICKSTART._replace(
        about="A chat model in two environments: dev is the emulator, prod an account of Azure OpenAI.",
        with_azure=True,
    ),
    "functions": Template(
        "A model that answers with function calls, and declines what no function does.",
        "templates/functions/ftops.yaml",
        {f"{name}.jsonl": f"templates/functions/{name}.jsonl" for name in ("train", "valid")},
        "home",
        question="Switch on the light in the office.",
        own_data="Each line of `data/train.jsonl` has the functions (`tools`), and one call as the answer. "
        "`ftops data generate` can make such data from the schemas of functions.",
    ),
    "sweep": Template(
        "Several jobs with other hyperparameters each, to compare them.",
        "templates/sweep/ftops.yaml",
        {"train.jsonl": "train.jsonl", "valid.jsonl": "templates/sweep/valid.jsonl"},
        "sweep",
        note="Each job is billed: `ftops plan` adds up what they cost, and `budget` limits it: "
        "`ftops: {budget: {training: 50}}`.",
        question="",
        outputs="the key of the best job",
    ),
    "dpo": Template(
        "Direct preference optimisation: a model learns from pairs of a preferred and another answer.",
        "templates/dpo/ftops.yaml",
        {"pairs.jsonl": "templates/dpo/pairs.jsonl"},
        "polite",
        "Each line of `data/pairs.jsonl` has a conversation (`input`), a `preferred_output` and a "
        "`non_preferred_output`.",
    ),
    "reinforcement": Template(
        "Reinforcement fine-tuning: the model tries answers, and a grader scores them.",
        "templates/reinforcement/ftops.yaml",
        {f"{name}.jsonl": f"templates/reinforcement/{name}.jsonl" for name in ("train", "valid")},
        "triage",
        "Each line has a conversation without an answer, and fields for the grader, such as `queue`. "
        "Training and validation data should have no prompts in common.",
        "Training is billed by the hour, and the service pauses a job at a limit, which the plan shows. "
        "Begin with few epochs: `prod: {provider: azure, variables: {epochs: 2}}`.",
        question="I would like to send my jacket back.",
    ),
    "open-model": Template(
        "An open model, Ministral 3B of Mistral AI, trained and served by Azure.",
        "templates/open-model/ftops.yaml",
        {"train.jsonl": "train.jsonl"},
        note="Open models need a Foundry resource. `ftops models Ministral-3B` shows where it can be "
        "trained. Qwen3-32B and gpt-oss-20b are used in the same way; larger ones are served on GPUs by the "
        "hour: `ftops docs language`, managed compute.",
    ),
}


class Account(NamedTuple):
    """An account of Azure OpenAI, for the spec."""

    endpoint: str
    resource_group: str = ""

    @property
    def group(self) -> str:
        return self.resource_group or DEFAULT_GROUP


def is_resource_group(name: str) -> bool:
    """Whether Azure takes the name."""
    return bool(re.fullmatch(r"[\w.()-]{0,89}[\w()-]", name, re.ASCII))


def account_at(text: str, resource_group: str = "") -> Account:
    """The account with this endpoint, without the paths that ftops adds itself, or of this name. Raises
    UsageError if it is neither."""
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", text, re.IGNORECASE):
        text = f"https://{text}.openai.azure.com/"
    found = re.fullmatch(r"(https://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::\d+)?)(.*)", text)
    if not found:
        raise UsageError(
            f"`{text}` isn't the URL or the name of an account", "", f"write it like {_ENDPOINT}"
        )
    host, path = found[1], re.sub(r"/openai(/.*)?$", "", found[2])
    endpoint = parse(host + path)
    _, faults = azure_settings({"endpoint": host + path})
    if not re.fullmatch(r"[A-Za-z0-9._/-]*", path):
        faults = {"endpoint": ("the endpoint has more than a host and a path", "", f"write {host}/")}
    elif endpoint.project and of_foundry(host) != host:
        where = f"write {of_foundry(host)}{endpoint.project}, or {host}/ for the resource"
        faults = {"endpoint": ("projects have another host than the resource", "", where)}
    for fault in faults.values():
        raise UsageError(*fault)
    return Account(f"{endpoint.resource}{endpoint.project or '/'}", resource_group)


def spec_text(template: Template, name: str, account: Account | None) -> str:
    """The spec, with the part about Azure as a comment unless it counts."""
    written = f'"{name}"' if name in _NO_TEXT else name
    spec = _text(template.spec).replace("NAME", written, 1)
    if _AZURE not in spec:
        spec = f"{spec}\n{_about_azure()}"
    if template.with_azure or account:
        head, mark, tail = spec.partition(_AZURE)
        head = head.replace(" and remove the #", "").replace(_UNNAMED, _NAMED)
        spec = head + _COMMENT.sub("", mark + tail).lstrip()
    if account:
        label = account.endpoint.partition("//")[2].partition(".")[0]
        spec = spec.replace("fill this in, then run", "run")
        values = {
            _ENDPOINT: account.endpoint,
            f"account: {_NAME}": f"account: {label}",
            DEFAULT_GROUP: account.group,
        }
        places = "|".join(map(re.escape, values))
        spec = re.sub(places, lambda found: values[found[0]], spec)  # at once: a name may contain another
    return _MODELINE + spec


def _about_azure() -> str:
    """The last part of the usual spec, without values of variables."""
    spec = _text(_QUICKSTART.spec)
    tail = spec[spec.index("# On Azure OpenAI") :]
    return re.sub(r", variables: \{.*\}\}", "}", tail)


def readme_text(template: Template, name: str, account: Account | None) -> str:
    fill_in = "Fill in the end of `ftops.yaml`, and remove the `#`."
    if account:
        fill_in = "The end of `ftops.yaml` names your account: check it."
    elif template.with_azure:
        fill_in = "Fill in `providers` at the end of `ftops.yaml`."
    values = {
        "ABOUT": template.about,
        "STEPS": "upload, train, deploy" if template.question else "upload, train",
        "RESULTS": f"ftops results job.{template.job}    # how training went",
        "OUTPUTS": template.outputs,
        "DATA": template.own_data,
        "ASK": f"{_ask_command(template)}\n" if template.question else "",
        "AZURE": fill_in,
        "NOTE": template.note,
        "PROGRAM": "| `ask.py` | asks the model that was deployed |\n" if template.question else "",
    }
    text = _text("README.md").replace("NAME", name, 1)
    for word, value in values.items():
        text = text.replace(word, value, 1)
    return _in_dev(text) if template.with_azure or account else text


def _in_dev(text: str) -> str:
    """With the environment of the emulator in commands that are for it."""
    return _TRIED.sub(r"\g<0> --env dev", text)


def files_of(template: Template, name: str, account: Account | None) -> dict[str, str]:
    """The texts of the files that a project consists of."""
    data = {f"data/{file}": _text(source) for file, source in template.data.items()}
    return {"ftops.yaml": spec_text(template, name, account), **data}


def helpers_of(template: Template, name: str, account: Account | None) -> dict[str, str]:
    """The texts of files beside them, which aren't needed if there are others of the same name."""
    schema = content(Path(__file__).parents[1] / "schema.json").decode()
    script = {"ask.py": _ask_text(template, account)} if template.question else {}
    return {**script, "README.md": readme_text(template, name, account), "ftops.schema.json": schema}


def _ask_command(template: Template) -> str:
    return f'ftops exec -- ask.py "{template.question}"'


def _ask_text(template: Template, account: Account | None) -> str:
    """The program that asks the model. The deployment has the name of the job."""
    command = _ask_command(template)
    command = _in_dev(command) if template.with_azure or account else command
    values = {"COMMAND": command, "NAME": template.job, "FILE": next(iter(template.data))}
    text = _text("ask.txt")
    for word, value in values.items():
        text = text.replace(word, value, 1)
    return text


def ignored_text() -> str:
    return _text("gitignore")


def _text(name: str) -> str:
    return content(_FOLDER / name).decode()
