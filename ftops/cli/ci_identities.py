"""CI identities: the commands that create them in Entra ID, with the roles that they need.

Names from a spec or a repository are quoted for a POSIX shell; what the shell finds out are IDs and URLs.
Sources: Azure's references of `az ad app`, `az role` and its built-in roles, and of the data actions of
Microsoft.CognitiveServices.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from shlex import quote
from typing import Any, NamedTuple

from msgspec import Struct

AUDIENCE = "api://AzureADTokenExchange"
READ_ACTIONS = tuple(
    f"Microsoft.CognitiveServices/accounts/OpenAI/{name}/read" for name in ("files", "fine-tunes", "models")
)
"""What a plan reads of the data plane. The role Reader, for the control plane, has no such action."""
_CHANGE = "Cognitive Services OpenAI Contributor"
_READ_STATE, _CHANGE_STATE = "Storage Blob Data Reader", "Storage Blob Data Contributor"


class Scope(NamedTuple):
    """A resource: the shell variable for its ARM ID, and a shell word that gives the ID."""

    variable: str
    word: str


class Identity(Struct, frozen=True):
    """`jobs` are the environments or service connections that it signs in from. `roles` are pairs of a role
    and a shell variable; without a role, the one that can only read."""

    name: str
    purpose: str
    jobs: tuple[str, ...]
    roles: tuple[tuple[str, str], ...]

    @property
    def variable(self) -> str:
        """The beginning of its shell variables."""
        return re.sub(r"\W", "_", self.name).upper()


class Setup(Struct, frozen=True):
    """What the commands are about. `server` is the URL of the service; `prefix` that of GitHub's subjects;
    `state_url` what FTOPS_STATE is set to, if the state is in a bucket; `accounts` are by environment."""

    repository: str
    server: str
    branch: str
    prefix: str
    accounts: Mapping[str, tuple[Scope, ...]]
    state: Scope | None = None
    state_url: str = ""
    preview: tuple[Scope, ...] = ()
    preview_state: Scope | None = None
    trusts_branches: bool = False
    """Whether GitLab's jobs for merge requests sign in."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Each once."""
        states = (self.state, self.preview_state)
        found = [scope for accounts in self.accounts.values() for scope in accounts]
        return tuple(dict.fromkeys((*found, *self.preview, *(state for state in states if state))))


class Section(NamedTuple):
    """A sentence, and commands."""

    title: str
    commands: tuple[str, ...]


class CiSetup(Struct, frozen=True):
    """A row of `ci_setups`."""

    job: Callable[[str, str], str]
    """Kind (`plan`, `apply`, `reconcile`, `preview`) and environment → where a job of it signs in from."""
    trust: Callable[[Setup, Identity], Iterator[str]]
    """Commands by which an identity trusts its jobs."""
    settings: Callable[[Setup, tuple[Identity, ...]], Iterator[Section]]
    """Commands that tell the jobs of their identities."""


def identities(row: CiSetup, setup: Setup) -> tuple[Identity, ...]:
    """One that can only read, for all environments; one that applies for each; one for previews."""
    state = [setup.state.variable] if setup.state else []
    accounts = {scope.variable for scopes in setup.accounts.values() for scope in scopes}
    reads = [(role, name) for name in sorted(accounts) for role in ("Reader", "")]
    read_state = [(_READ_STATE, name) for name in state]
    found = [Identity("plan", "plans and drift; reads only", (row.job("plan", ""),), (*reads, *read_state))]
    for environment, scopes in setup.accounts.items():
        jobs = dict.fromkeys((row.job("apply", environment), row.job("reconcile", environment)))
        roles = [(_CHANGE, scope.variable) for scope in scopes] + [(_CHANGE_STATE, name) for name in state]
        purpose = f"apply and reconcile of {environment}"
        found.append(Identity(f"apply-{environment}", purpose, tuple(jobs), tuple(roles)))
    if setup.preview:
        roles = [(_CHANGE, scope.variable) for scope in setup.preview]
        roles += [(_CHANGE_STATE, setup.preview_state.variable)] if setup.preview_state else []
        found.append(Identity("preview", "previews", (row.job("preview", ""),), tuple(roles)))
    return tuple(found)


def sections(row: CiSetup, setup: Setup) -> Iterator[Section]:
    """All commands, in the order in which they are to be run."""
    found = identities(row, setup)
    variables = []
    for scope in setup.scopes:
        variables.append(f"{scope.variable}={scope.word}")
        if scope.word.endswith(")"):  # it is looked up
            variables.append(f': "${{{scope.variable}:?not found}}"')
    tenant = "TENANT=$(az account show --query tenantId --output tsv)"
    yield Section("Where: accounts and state", (tenant, *variables))
    yield Section("A role that only reads the data plane", (_role_definition(setup),))
    for identity in found:
        yield Section(f"{identity.name}: {identity.purpose}", tuple(_created(row, setup, identity)))
    yield from row.settings(setup, found)


def _created(row: CiSetup, setup: Setup, identity: Identity) -> Iterator[str]:
    name, variable = f"ftops {identity.name} {setup.repository}", identity.variable
    yield f"{variable}_APP=$(az ad app create --display-name {quote(name)} --query appId --output tsv)"
    yield f'{variable}_ID=$(az ad sp create --id "${variable}_APP" --query id --output tsv)'
    who = f'--assignee-object-id "${variable}_ID" --assignee-principal-type ServicePrincipal'
    for role, scope in identity.roles:
        named = quote(role or _read_role(setup))
        yield f'az role assignment create {who} --role {named} --scope "${scope}"'
    yield from row.trust(setup, identity)


def _read_role(setup: Setup) -> str:
    """Names of roles are unique in a tenant."""
    return f"ftops plan {setup.repository.replace('/', ' ')}"


def _role_definition(setup: Setup) -> str:
    """Roles are assignable in resource groups."""
    scopes = dict.fromkeys(scope for scopes in setup.accounts.values() for scope in scopes)
    definition = {
        "Name": _read_role(setup),
        "Description": "Reads what a plan of ftops compares",
        "Actions": [],
        "DataActions": [*READ_ACTIONS],
        "AssignableScopes": ["\0" for _ in scopes],
    }
    groups = [f'"${{{scope.variable}%/providers/*}}"' for scope in scopes]
    return f"az role definition create --role-definition {printed(definition, groups)}"


def printed(value: Any, words: list[str]) -> str:
    """A shell word: JSON, in which each \\0 stands for the value of one of the words."""
    text = json.dumps(value, ensure_ascii=False)
    if not words:
        return quote(text)
    parts = (part.replace("%", "%%").replace("\\", r"\\") for part in text.split(r"\u0000"))
    return f'"$(printf {quote("%s".join(parts))} {" ".join(words)})"'


def credential(identity: Identity, name: str, issuer: str, subject: str, *words: str) -> str:
    fields = {
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", name),
        "issuer": issuer,
        "subject": subject,
        "audiences": [AUDIENCE],
    }
    create = f'az ad app federated-credential create --id "${identity.variable}_APP"'
    return f"{create} --parameters {printed(fields, [*words])}"
