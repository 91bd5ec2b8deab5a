"""CI files for a spec: plan, apply, reconcile, drift and previews as workflows; a row for each service."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from ftops.config.loader.environments import pattern_of
from ftops.config.loader.files import read
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.config.loader.source import Source
from ftops.core.address import scan
from ftops.core.backend_types import LOCAL
from ftops.core.confined_files import content, real
from ftops.core.errors import Diagnostic, SpecError, UsageError
from ftops.core.project import project_root
from ftops.views.paint import path_word

_TEMPLATES = Path(__file__).parent / "starter"
_FOLDER = re.compile(r"[\w.@+ -]+(/[\w.@+ -]+)*")
_TO_FILL_IN = "OWNER/REPOSITORY@000…"
"""The Action of ftops, whose repository and commit only the user knows."""
_UNKNOWN = {"source": "https://github.com/OWNER/REPOSITORY", "revision": "0" * 40}
_POLICY = re.compile(r"# (?=(policy-ref|policyRef|IN_POLICY_REF): )")
"""Only a base with a policy can be named."""
_GITHUB = ("ftops-plan.yml", "ftops-apply.yml", "ftops-reconcile.yml", "ftops-drift.yml")


class CiService(Struct, frozen=True):
    """A row: files by their paths in the repository, as names of templates; where one goes instead if there
    is one already; and what is to be done next."""

    files: Mapping[str, str]
    next_steps: tuple[str, ...]
    instead: Mapping[str, str] = {}
    previews: Mapping[str, str] = {}
    """More files for a spec whose previews expire."""
    number: str = ""
    """What stands for the number of a pull request in them."""


class CiFiles(NamedTuple):
    """The texts of files, what is to be done next, and the environment that they are for."""

    texts: Mapping[Path, str]
    next_steps: tuple[str, ...]
    environment: str


_STATE = "store the state in a bucket: `ftops: {name: {name}, state: …}` in the spec"
_ENVIRON = "give the jobs what the spec reads: {environ}"
_NEW_SPEC = "fill in `providers`, at the end of the spec"
CI_SERVICES: Mapping[str, CiService] = {
    "github": CiService(
        {f".github/workflows/{name}": f"github/{name}" for name in _GITHUB},
        (
            f"replace {_TO_FILL_IN} in the workflows by the Action of ftops and a commit of it",
            "create identities, environments and variables: ftops ci setup github{spec}",
        ),
        previews={".github/workflows/ftops-preview.yml": "github/ftops-preview.yml"},
        number="${{ github.event.pull_request.number }}",
    ),
    "gitlab": CiService(
        {".gitlab-ci.yml": "gitlab/ftops.yml"},
        (
            "fill in FTOPS_SOURCE and FTOPS_REVISION in {file}: ftops and a commit of it",
            "create identities, environments and variables: ftops ci setup gitlab{spec}",
        ),
        {".gitlab-ci.yml": ".gitlab/ftops.yml"},
        previews={".gitlab/ftops-preview.yml": "gitlab/ftops-preview.yml"},
        number="$CI_MERGE_REQUEST_IID",
    ),
    "azure": CiService(
        {f".azure-pipelines/{name}": f"azure/{name}" for name in ("ftops.yml", "ftops-steps.yml")},
        (
            "fill in `source` and `revision` in .azure-pipelines/ftops-steps.yml: ftops and a commit of it",
            "create identities, service connections and a pipeline: ftops ci setup azure{spec}",
        ),
    ),
}
_INCLUDES = {
    f".gitlab/{name}": f"add `include: [{{local: .gitlab/{name}}}]` to .gitlab-ci.yml"
    for name in ("ftops.yml", "ftops-preview.yml")
}
"""What else is to be done for a file that nothing names yet."""


def ci_files(service: str, folder: Path, wanted: str | None, *, is_new: bool) -> CiFiles:
    """The files, for one environment of the spec in this folder, which may be about to be created. Raises
    UsageError and SpecError."""
    spec = NEW_SPEC if is_new else spec_in(folder)
    environment = _chosen(spec.environments, wanted)
    root = project_root(real(folder))
    place = real(folder).relative_to(root).as_posix()
    if not _FOLDER.fullmatch(place):
        raise UsageError(
            f"a workflow can't name the folder `{place}`", "it has other characters than usual.", "rename it"
        )
    row = CI_SERVICES[service]
    templates = {
        row.instead.get(path, path) if os.path.lexists(root / path) else path: template
        for path, template in {**row.files, **(row.previews if spec.preview else {})}.items()
    }
    texts = {
        root / path: _filled_in(template, place, environment, spec).replace(
            "NAME_OF_PREVIEW", spec.preview.replace("*", row.number)
        )
        for path, template in templates.items()
    }
    more = [step for path, step in _INCLUDES.items() if path in templates]
    steps = [*more, *row.next_steps[:1], *_steps_in(spec, is_new=is_new), *row.next_steps[1:]]
    words = {"{file}": next(iter(templates)), "{spec}": "" if folder == Path() else f" {path_word(folder)}"}
    for word, value in words.items():
        steps = [step.replace(word, value) for step in steps]
    return CiFiles(texts, tuple(steps), environment)


class Spec(NamedTuple):
    """What the files and the next steps depend on: the environments with names of their own, whether there is
    a policy, the pattern of previews that expire, the name, whether the state is in a bucket, and the
    variables that are read with `${env.…}`."""

    environments: tuple[str, ...] = ()
    has_policy: bool = False
    preview: str = ""
    name: str = ""
    is_shared: bool = False
    environ: tuple[str, ...] = ()


NEW_SPEC = Spec(("dev", "prod"), environ=("AZURE_SUBSCRIPTION_ID",))
"""What the starter for a CI declares."""


def _steps_in(spec: Spec, *, is_new: bool) -> list[str]:
    """What is to be done in the spec, and for it."""
    steps = [_NEW_SPEC] if is_new else []
    if not spec.is_shared:
        steps.append(_STATE.replace("{name}", spec.name or "…"))
    if spec.environ:
        steps.append(_ENVIRON.replace("{environ}", ", ".join(spec.environ)))
    return steps


def _filled_in(template: str, folder: str, environment: str, spec: Spec) -> str:
    text = content(_TEMPLATES / template).decode()
    title, _, jobs = text.partition("\n---\n")
    if jobs:  # a component of GitLab, whose inputs are known here
        text = f"{title.partition(chr(10))[0]}\n{jobs}"
        for name, value in {"chdir": folder, "environment": environment, **_UNKNOWN}.items():
            text = text.replace(f'"$[[ inputs.{name} ]]"', json.dumps(value))
            text = text.replace(f"$[[ inputs.{name} ]]", value)
    for word, value in (("FOLDER", folder), ("ENVIRONMENT", environment)):
        text = f": {json.dumps(value)}\n".join(text.split(f": {word}\n"))
    text = text.replace("ENVIRONMENT", environment)
    return _POLICY.sub("", text) if spec.has_policy else text


def spec_in(folder: Path) -> Spec:
    """That of a folder. Raises SpecError."""
    findings: list[Diagnostic] = []
    source = read(folder, (), findings, outline=True)
    if findings:
        raise SpecError(findings)
    declared = source["environments"].values()
    named = tuple(one.name for one in declared if not pattern_of(one))
    expiring = (pattern_of(one) for one in declared if one.value("ttl"))
    settings = source["ftops"]
    name = str(settings["name"].data) if "name" in settings else ""
    is_shared = "state" in settings and settings["state"].value("backend") not in (None, LOCAL)
    preview = next(filter(None, expiring), "")
    return Spec(named, "policy" in source.lists, preview, name, is_shared, _environ(source))


def _environ(source: Source) -> tuple[str, ...]:
    """Variables of the environment that the spec reads."""
    texts = (str(entry.data) for section in source.sections.values() for entry in section.values())
    found = (fragment.text for text in texts for fragment in scan(text) if fragment.is_expression)
    return tuple(sorted({name.removeprefix("env.") for name in found if name.startswith("env.")}))


def _chosen(known: Sequence[str], wanted: str | None) -> str:
    """What is wanted; else `prod`, or the only one there is."""
    if wanted is not None and wanted not in (*known, DEFAULT_ENVIRONMENT):
        declared = ", ".join(known) or "none"
        raise UsageError(
            f"there is no environment `{wanted}`", f"declared: {declared}.", "declare it under `environments`"
        )
    if not known or wanted is not None:
        return wanted or DEFAULT_ENVIRONMENT
    if "prod" not in known and len(known) > 1:
        raise UsageError(
            "the workflows are for one environment",
            f"the spec has: {', '.join(known)}.",
            "name it with --env",
        )
    return "prod" if "prod" in known else known[0]
