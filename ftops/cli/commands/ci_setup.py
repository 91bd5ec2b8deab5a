"""ftops ci setup: prints the commands that create the identities of a CI. It changes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple
from urllib.parse import unquote

import click
from msgspec import Struct
from msgspec.structs import replace

from ftops.cli.ci_identities import Scope, Section, Setup, identities, sections
from ftops.cli.ci_setups import CI_SETUPS, GITLAB, github_api
from ftops.cli.console import Screen
from ftops.cli.output_options import PATH, screen_options
from ftops.cli.spec_args import SpecArguments, read
from ftops.config.config import Config, ProviderConfig
from ftops.config.loader.environments import pattern_of
from ftops.config.loader.files import read as read_files
from ftops.config.loader.settings import DEFAULT_ENVIRONMENT
from ftops.core.address import Json
from ftops.core.confined_files import real
from ftops.core.errors import Diagnostic, SpecError, UsageError
from ftops.core.git import git
from ftops.core.project import project_root
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.views.diagnostics import to_json
from ftops.views.paint import clean

_BRANCH = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\-][^\x00-\x20\x7f~^:?*\[\\]*")
_PREFIX = re.compile(r"[^\s*?]+")


class Row(NamedTuple):
    """A service: its usual server, its names of repositories, and a regular expression for the URL of a
    remote, after its scheme and user, with the groups `host` and `name`."""

    server: str
    name: str
    example: str
    remote: str
    rename: Callable[[str], str] = str


_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PROJECT = r"[^/\\:*?\"<>|;#$%,+=\[\]{}&@^`'\x00-\x1f]+"
SERVICES: Mapping[str, Row] = {
    "github": Row(
        "https://github.com",
        rf"{_PART}/[A-Za-z0-9._-]+",
        "OWNER/NAME",
        r"(?P<host>[\w.-]+(:\d+)?)[/:](?P<name>[^/]+/[^/]+?)(\.git)?/?",
    ),
    "gitlab": Row(
        GITLAB,
        rf"{_PART}(/{_PART})+",
        "GROUP/PROJECT",
        r"(?P<host>[\w.-]+(:\d+)?)[/:](?P<name>.+?)(\.git)?/?",
    ),
    "azure": Row(
        "https://dev.azure.com",
        rf"[A-Za-z0-9-]+/{_PROJECT}(/{_PROJECT})?",
        "ORGANIZATION/PROJECT/REPOSITORY",
        r"(?P<host>(ssh\.)?dev\.azure\.com)[/:](v3/)?(?P<name>[^/]+/[^/]+/(_git/)?[^/]+)",
        lambda name: unquote(name.replace("/_git/", "/")),
    ),
}


class Arguments(Struct, frozen=True):
    """The options of the command."""

    service: str
    path: Path
    environments: tuple[str, ...]
    repository: str | None
    branch: str
    server: str | None
    subject_prefix: str | None
    all_branches: bool
    preview_account: str | None
    preview_storage: str | None
    dry_run: bool
    """Has no effect."""


@click.command("setup")
@click.argument("service", type=click.Choice([*SERVICES]))
@click.argument("path", metavar="[SPEC]", default=".", type=PATH)
@click.option(
    "--env", "environments", metavar="NAME", multiple=True, help="An environment; by default, all of them."
)
@click.option("--repository", metavar="NAME", help="By default, that of the remote `origin`.")
@click.option("--branch", metavar="NAME", default="main", show_default=True, help="The protected branch.")
@click.option("--server", metavar="URL", help="The service, if it is your own.")
@click.option("--subject-prefix", metavar="TEXT", help="How GitHub's subjects begin.")
@click.option("--all-branches", is_flag=True, help="GitLab: jobs of all branches sign in to read.")
@click.option("--preview-account", metavar="NAME", help="An account for previews; adds an identity for it.")
@click.option("--preview-storage", metavar="NAME", help="The storage account for the state of previews.")
@click.option("--dry-run", is_flag=True, help="Has no effect: the commands are only printed anyway.")
@screen_options
def command(screen: Screen, **options: Any) -> int:
    """Print the commands that create the identities of a CI. Nothing is changed.

    They are for the Azure CLI and that of the service: identities that sign in without a stored key, one that
    can only read and one that applies for each environment, with their roles, and environments and variables.
    GitHub is asked how subjects of this repository begin; the token comes from GITHUB_TOKEN or GH_TOKEN.
    """
    given, warnings = Arguments(**options), list[Diagnostic]()
    _check(given)
    setup, service = _setup(given, warnings), given.service
    screen.warn(warnings)
    found = [*sections(CI_SETUPS[service], setup)]
    return screen.result(
        lambda: _document(service, setup, found, warnings), lambda: _script(setup, found), whole=True
    )


def _check(given: Arguments) -> None:
    """Raises UsageError."""
    if not _BRANCH.fullmatch(given.branch):
        raise UsageError(f"`{given.branch}` isn't the name of a branch", "", "name it with --branch")
    if given.server is not None and not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?/?", given.server):
        raise UsageError(f"--server is `{given.server}`", "", "write it as https://git.contoso.com")
    prefix = given.subject_prefix
    if prefix is not None and not (given.service == "github" and _PREFIX.fullmatch(prefix)):
        raise UsageError(
            "--subject-prefix isn't the beginning of a subject",
            "it is for github, has no spaces, and never a wildcard.",
            "write it as GitHub does: repo:OWNER/NAME or repo:OWNER@ID/NAME@ID",
        )


def _script(setup: Setup, found: list[Section]) -> Iterator[str]:
    yield f"# Identities of {setup.repository}. Read the commands, then run them in a shell: az login first."
    yield "set -eu"
    for section in found:
        yield from ("", f"# {clean(section.title)}.", *section.commands)


def _document(
    service: str, setup: Setup, found: list[Section], warnings: list[Diagnostic]
) -> dict[str, Json]:
    return {
        "service": service,
        "repository": setup.repository,
        "identities": [
            {"name": each.name, "purpose": each.purpose, "signs_in_from": [*each.jobs]}
            for each in identities(CI_SETUPS[service], setup)
        ],
        "sections": [{"title": each.title, "commands": [*each.commands]} for each in found],
        "diagnostics": [to_json(one) for one in warnings],
    }


def _repository(given: Arguments) -> tuple[str, str]:
    """The URL of the service, and the name of the repository there."""
    row = SERVICES[given.service]
    host, name = (given.server or row.server).rstrip("/"), given.repository or ""
    if not name:
        folder = real(given.path if given.path.is_dir() else given.path.parent)
        remote = (git(project_root(folder), "remote", "get-url", "origin") or b"").decode(errors="replace")
        found = re.fullmatch(row.remote, re.sub(r"^(\w+://)?([^@/]*@)?", "", remote.strip()))
        name = row.rename(found["name"]) if found else ""
        if found and given.server is None and given.service != "azure":
            host = f"https://{found['host']}"
    if not re.fullmatch(row.name, name) or {".", ".."} & {*name.split("/")}:
        told = given.repository is not None
        raise UsageError(
            f"`{name}` isn't a repository" if told else "can't tell which repository it is",
            "" if told else f"the remote `origin` doesn't lead to one of {given.service}.",
            f"name it: --repository {row.example}",
        )
    return host, name


def _environments(path: Path) -> list[str]:
    """Those that a spec declares, without patterns; else the default one. The first is that of `init`."""
    findings: list[Diagnostic] = []
    source = read_files(path, (), findings, outline=True)
    if findings:
        raise SpecError(findings)
    names = [name for name, entry in source["environments"].items() if not pattern_of(entry)]
    return sorted(names, key=lambda name: name != "prod") or [DEFAULT_ENVIRONMENT]


def _config(path: Path, environment: str) -> Config:
    return read(SpecArguments(path, environment), connecting=False)


def _setup(given: Arguments, warnings: list[Diagnostic]) -> Setup:
    server, repository = _repository(given)
    if given.all_branches and (given.service, server) != ("gitlab", GITLAB):
        raise UsageError(
            "--all-branches can't be used here",
            f"Entra compares a part of a subject only of {GITLAB}, and others name no branch.",
            "leave it out",
        )
    if given.service == "gitlab" and not given.all_branches:
        warnings.append(_UNTRUSTED)
    configs = {name: _config(given.path, name) for name in given.environments or _environments(given.path)}
    known: dict[str, Scope] = {}

    def scope(word: str) -> Scope:
        return known.setdefault(word, Scope(f"ACCOUNT_{len(known) + 1}", word))

    found = _accounts(configs, given.environments, warnings)
    accounts = {name: tuple(map(scope, words)) for name, words in found.items()}
    first = next(iter(configs.values()))
    state, url = _state(first, warnings)
    setup = Setup(
        repository=repository,
        server=server,
        branch=given.branch,
        prefix=_prefix(given, server, repository, warnings),
        accounts=accounts,
        state=Scope("STATE", state) if state else None,
        state_url=url,
        trusts_branches=given.all_branches,
    )
    if given.preview_account is None:
        return setup
    setup = replace(setup, preview=(scope(_found_account("name", given.preview_account)),))
    if given.preview_storage is None:
        warnings.append(_NO_STATE)
        return setup
    container = str(first.state.settings.get("container") or "ftops")
    return replace(setup, preview_state=Scope("PREVIEW_STATE", _container(given.preview_storage, container)))


def _accounts(
    configs: Mapping[str, Config], named: tuple[str, ...], warnings: list[Diagnostic]
) -> dict[str, list[str]]:
    """Shell words for the ARM IDs of the accounts that its resources are in, by environment. One without is
    left out, with a warning if it was named."""
    found = {}
    for name, config in configs.items():
        words = [
            _account(provider)
            for provider in config.providers.values()
            if PROVIDER_TYPES[provider.type].control_plane and provider.name in config.used_providers
        ]
        if words:
            found[name] = [*dict.fromkeys(words)]
        elif name in named:
            warnings.append(_warning(f"the environment `{name}` uses no Azure OpenAI account", "", ""))
    if not found:
        raise UsageError(
            "no environment uses an Azure OpenAI account",
            "identities in Entra are for accounts in Azure.",
            "declare a provider with `subscription_id`, `resource_group` and `account`",
        )
    return found


def _account(provider: ProviderConfig) -> str:
    """A shell word for the ARM ID of an account: from the spec, or by its endpoint."""
    settings = provider.settings
    parts = [str(settings.get(name) or "") for name in ("subscription_id", "resource_group", "account")]
    if all(parts):
        subscription, group, account = parts
        return quote(
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.CognitiveServices/accounts/{account}"
        )
    if parts[2]:
        return _found_account("name", parts[2])
    endpoint = str(settings.get("endpoint") or "")
    if not re.fullmatch(r"https://[A-Za-z0-9.-]+/?", endpoint):
        raise UsageError(
            f"can't tell the account of the provider `{provider.name}`",
            "its settings come from the environment, and aren't set.",
            "set them, or `subscription_id`, `resource_group` and `account`",
        )
    return _found_account("properties.endpoint", f"{endpoint.rstrip('/')}/")


def _found_account(field: str, value: str) -> str:
    literal = value.replace("\\", "\\\\").replace("'", "\\'")
    query = f"[?{field}=='{literal}'].id | [0]"
    return f"$(az cognitiveservices account list --query {quote(query)} --output tsv)"


def _container(storage: str, container: str) -> str:
    """A shell word for the ARM ID of a container."""
    found = f"$(az storage account show --name {quote(storage)} --query id --output tsv)"
    return f"{found}{quote(f'/blobServices/default/containers/{container}')}"


def _state(config: Config, warnings: list[Diagnostic]) -> tuple[str, str]:
    """A shell word for the ARM ID of its container, and its place."""
    settings, hint = config.state.settings, "give the identities access by hand: see `ftops docs state`"
    container = str(settings.get("container") or "")
    if container:
        url = str(settings.get("account_url") or "")
        storage = re.match(r"https://([a-z0-9]+)\.", url)
        if storage:
            place = "/".join(filter(None, (url.rstrip("/"), container, config.state.path)))
            return _container(storage[1], container), place
        detail = "`account_url` comes from the environment, and isn't set."
    elif config.state.is_in_bucket:
        detail = f"it is in a bucket of another cloud ({config.state.backend})."
    else:
        detail, hint = (
            "a job of CI loses the files of its checkout.",
            "store it in a bucket: `ftops: {state: …}`",
        )
    warnings.append(_warning("the commands give no access to the state", detail, hint))
    return "", ""


def _prefix(given: Arguments, server: str, repository: str, warnings: list[Diagnostic]) -> str:
    """How GitHub's subjects for the repository begin: as is given, as GitHub says, or else by names, with a
    warning."""
    if given.service != "github" or given.subject_prefix:
        return given.subject_prefix or ""
    from ftops.forges.client import Access, Clock, ForgeClient
    from ftops.forges.errors import ForgeError
    from ftops.forges.github import GITHUB, subject_prefix

    names, legacy = GITHUB.variables.token, f"repo:{repository}"
    token = next((os.environ[name].strip() for name in names if os.environ.get(name, "").strip()), "")
    reason = f"there is no token in {' or '.join(names)}."
    is_chosen = given.server is not None or server == SERVICES["github"].server
    api = os.environ.get("GITHUB_API_URL") or (github_api(server) if is_chosen else "")
    if token and not api:
        reason = f"the token isn't sent to {server}, which only the remote names: --server names it."
    elif re.fullmatch(r"[!-~]+", token):
        try:
            access = Access(GITHUB.title, api.rstrip("/"), GITHUB.login(token), token)
            with closing(ForgeClient(access, Clock())) as client:
                return subject_prefix(client, repository) or legacy
        except ForgeError as error:
            reason = f"{error.diagnostics[0].summary}: {error.detail}"
    warnings.append(
        _warning(
            f"GitHub wasn't asked how subjects of {repository} begin",
            _LEGACY.format(reason=reason, legacy=legacy),
            "set GITHUB_TOKEN to a token that may read the repository, or --subject-prefix",
        )
    )
    return legacy


_LEGACY = (
    "{reason} `{legacy}` is wrong for a repository that was created, renamed or transferred since 15 July "
    "2026: logins would fail with AADSTS700213."
)


def _warning(summary: str, detail: str, hint: str) -> Diagnostic:
    return Diagnostic(summary, detail, hint, severity="warning")


_NO_STATE = _warning(
    "the identity of previews gets no state",
    "who can write a state decides what `reconcile` applies, so previews need one of their own.",
    "name its storage account: --preview-storage NAME",
)
_UNTRUSTED = _warning(
    "jobs for merge requests can't sign in",
    "their subjects have the name of a branch, and the identities trust only the protected one.",
    f'set `IN_UNTRUSTED: "true"` and `IN_COMMENT: never` for them; or, at {GITLAB}, --all-branches',
)
