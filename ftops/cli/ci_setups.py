"""CI setups: how an identity trusts the jobs of a service, and what tells jobs of it; a row for each service.

A subject names one environment, branch or service connection. Sources: GitHub's, GitLab's and Azure DevOps'
references of ID tokens; GitLab's guide for Azure; Azure DevOps' guide to automate service connections.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from shlex import quote
from urllib.parse import quote as url_quote

from ftops.cli.ci_identities import AUDIENCE, CiSetup, Identity, Section, Setup, credential, printed

GITLAB = "https://gitlab.com"


def _body(fields: object) -> str:
    """The beginning of a pipe that gives JSON to a command."""
    return f"printf %s {quote(json.dumps(fields))} |"


# GitHub


def _github_job(kind: str, environment: str) -> str:
    return f"ftops-{environment if kind == 'apply' else kind}"


def github_issuer(server: str) -> str:
    """github.com, a host of its own at ghe.com, or an Enterprise Server."""
    host = server.partition("://")[2]
    if host == "github.com":
        return "https://token.actions.githubusercontent.com"
    return f"https://token.actions.{host}" if host.endswith(".ghe.com") else f"{server}/_services/token"


def github_api(server: str) -> str:
    host = server.partition("://")[2]
    is_cloud = host == "github.com" or host.endswith(".ghe.com")
    return f"https://api.{host}" if is_cloud else f"{server}/api/v3"


def _github_trust(setup: Setup, identity: Identity) -> Iterator[str]:
    for job in identity.jobs:
        subject = f"{setup.prefix}:environment:{job}"
        yield credential(identity, job, github_issuer(setup.server), subject)


def _github_settings(setup: Setup, found: tuple[Identity, ...]) -> Iterator[Section]:
    repository = f"repos/{setup.repository}"
    pulls = {"ftops-plan": ["refs/pull/*/merge"], "ftops-preview": ["refs/pull/*/merge"]}
    fields = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    commands = []
    for job in dict.fromkeys(job for identity in found for job in identity.jobs):
        place = f"{repository}/environments/{url_quote(job, safe='')}"
        commands.append(f"{_body(fields)} gh api --method PUT {quote(place)} --input -")
        add = f"gh api --method POST {quote(f'{place}/deployment-branch-policies')} --raw-field"
        commands += [f"{add} name={quote(name)}" for name in (setup.branch, *pulls.get(job, ()))]
    yield Section(
        f"Environments. Then add required reviewers to {_gates(setup)} in the settings of the repository: no "
        "self-review, no bypass for administrators",
        tuple(commands),
    )
    where = f"--repo {quote(setup.repository)}"
    variables = [f'gh variable set AZURE_TENANT_ID {where} --body "$TENANT"']
    if setup.state_url:
        variables.append(f"gh variable set FTOPS_STATE {where} --body {quote(setup.state_url)}")
    known = set[str]()
    for identity in found:
        name = f"FTOPS_{identity.name.partition('-')[0].upper()}_CLIENT_ID"
        for job in identity.jobs:
            if job not in known:  # one that several have is that of the first
                variables.append(
                    f'gh variable set {name} {where} --env {quote(job)} --body "${identity.variable}_APP"'
                )
            known.add(job)
    yield Section("Variables. None of them is a secret", tuple(variables))


# GitLab


def _gitlab_job(kind: str, environment: str) -> str:
    """Subjects don't name the environment."""
    return "branches" if kind == "preview" else "branch"


def _gitlab_trust(setup: Setup, identity: Identity) -> Iterator[str]:
    """The subject of a job for a merge request has the name of its branch. If all branches of the project are
    trusted, then not by the identities that apply."""
    branches = f"project_path:{setup.repository}:ref_type:branch:ref:"
    if "branch" in identity.jobs:
        yield credential(identity, "protected-branch", setup.server, f"{branches}{setup.branch}")
    if not identity.name.startswith("apply") and setup.trusts_branches:
        match = {"value": f"claims['sub'] matches '{branches}*'", "languageVersion": 1}
        fields = {"name": "merge-requests", "issuer": setup.server, "audiences": [AUDIENCE]}
        body = quote(json.dumps({**fields, "claimsMatchingExpression": match}))
        graph = f"https://graph.microsoft.com/beta/applications(appId='${identity.variable}_APP')"
        yield f'az rest --method POST --url "{graph}/federatedIdentityCredentials" --body {body}'


def _gitlab_settings(setup: Setup, found: tuple[Identity, ...]) -> Iterator[Section]:
    where = f"--repo {quote(setup.repository)}"
    commands = [f'glab variable set AZURE_TENANT_ID "$TENANT" {where}']
    if setup.state_url:
        commands.append(f"glab variable set FTOPS_STATE {quote(setup.state_url)} {where}")
    known = set[str]()
    for identity in found:
        kind, _, environment = identity.name.partition("-")
        own = f"ftops-{environment or kind}" + "/*" * (kind == "preview")  # an environment for each
        for scope in (own, *["ftops-reconcile"] * bool(environment)):
            if scope not in known:  # one that several have is that of the first
                value = f'FTOPS_{kind.upper()}_CLIENT_ID "${identity.variable}_APP"'
                commands.append(f"glab variable set {value} --scope {quote(scope)} {where}")
            known.add(scope)
    yield Section(
        "Variables. Add FTOPS_CI_TOKEN likewise, masked, for ftops-*: a project access token with the role "
        "Developer and the scope api",
        tuple(commands),
    )
    schedules = [
        f"glab schedule create --cron {quote(cron)} --description {quote(f'ftops {name}')} "
        f"--ref {quote(setup.branch)} --variable FTOPS_SCHEDULE:{name} {where}"
        for name, cron in (
            ("reconcile", "7,27,47 * * * *"),
            ("drift", "23 5 * * *"),
            *[("gc", "13 * * * *")] * bool(setup.preview),
        )
    ]
    yield Section("Schedules", tuple(schedules))
    yield Section(
        "Maintainers approve each apply (needs GitLab Premium)", tuple(map(_gitlab_gate, _projects(setup)))
    )
    order = [
        f"glab api --method PUT {quote(f'{project}/resource_groups/{name}')} "
        "--field process_mode=oldest_first"
        for project, name in _projects(setup)
    ]
    yield Section("Jobs run in the order of merges; after the first one has run", tuple(order))


def _projects(setup: Setup) -> list[tuple[str, str]]:
    """The path of the project in the API, with the name of each environment."""
    project = f"projects/{url_quote(setup.repository, safe='')}"
    return [(project, url_quote(f"ftops-{environment}", safe="")) for environment in setup.accounts]


def _gitlab_gate(gate: tuple[str, str]) -> str:
    project, name = gate
    access = [{"access_level": 40}]
    fields = {"name": name, "deploy_access_levels": access, "approval_rules": access}
    call = f"glab api --method POST {quote(f'{project}/protected_environments')}"
    return f"{_body(fields)} {call} --header 'Content-Type: application/json' --input -"


# Azure DevOps


def _azure_job(kind: str, environment: str) -> str:
    """A service connection."""
    return "ftops-apply" if kind in ("apply", "reconcile") else f"ftops-{kind}"


def _azure_trust(setup: Setup, identity: Identity) -> Iterator[str]:
    """The service connection says which issuer and subject it has: their form depends on its age."""
    where, project, _ = _azure_parts(setup)
    name, variable = _azure_connection(setup, identity), identity.variable
    scope = identity.roles[0][1]
    yield f'SUBSCRIPTION=$(printf %s "${scope}" | cut -d / -f 3)'
    yield f"PROJECT=$(az devops project show {where} --query id --output tsv)"
    data = {"subscriptionId": "\0", "subscriptionName": "\0", "environment": "AzureCloud"}
    parameters = {"tenantid": "\0", "serviceprincipalid": "\0"}
    fields = {
        "data": {**data, "scopeLevel": "Subscription", "creationMode": "Manual"},
        "name": name,
        "type": "AzureRM",
        "url": "https://management.azure.com/",
        "authorization": {"parameters": parameters, "scheme": "WorkloadIdentityFederation"},
        "isShared": False,
        "isReady": True,
        "serviceEndpointProjectReferences": [
            {"projectReference": {"id": "\0", "name": project}, "name": name}
        ],
    }
    words = ['"$SUBSCRIPTION"', '"$SUBSCRIPTION"', '"$TENANT"', f'"${variable}_APP"', '"$PROJECT"']
    file = quote(f"{name}.json")
    yield f"printf %s {printed(fields, words)} > {file}"
    create = f"az devops service-endpoint create {where} --service-endpoint-configuration {file}"
    yield f"{variable}_CONNECTION=$({create} --query id --output tsv)"
    show = f'az devops service-endpoint show {where} --id "${variable}_CONNECTION" --output tsv'
    for field in ("Issuer", "Subject"):
        path = f"authorization.parameters.workloadIdentityFederation{field}"
        yield f"{variable}_{field.upper()}=$({show} --query {path})"
    yield credential(identity, name, "\0", "\0", f'"${variable}_ISSUER"', f'"${variable}_SUBJECT"')


def _azure_connection(setup: Setup, identity: Identity) -> str:
    """`ftops-apply` is for the first environment, that of the pipeline; others are named after theirs."""
    first = f"apply-{next(iter(setup.accounts))}"
    is_another = identity.name.startswith("apply") and identity.name != first
    return f"ftops-{identity.name}" if is_another else identity.jobs[0]


def _azure_parts(setup: Setup) -> tuple[str, str, str]:
    """The options of `az devops` for the project, the project, and the repository in it."""
    organization, project, *rest = setup.repository.split("/")
    url = f"{setup.server}/{organization}"
    where = f"--organization {quote(url)} --project {quote(project)}"
    return where, project, rest[0] if rest else project


def _azure_settings(setup: Setup, found: tuple[Identity, ...]) -> Iterator[Section]:
    where, _, repository = _azure_parts(setup)
    create = f"az pipelines create {where} --name ftops --repository {quote(repository)}"
    commands = [
        f"{create} --repository-type tfsgit --branch {quote(setup.branch)} "
        "--yml-path .azure-pipelines/ftops.yml --skip-first-run true"
    ]
    if setup.state_url:
        add = f"az pipelines variable create {where} --pipeline-name ftops"
        commands.append(f"{add} --name FTOPS_STATE --value {quote(setup.state_url)}")
    connections = [_azure_connection(setup, each) for each in found if each.name.startswith("apply")]
    yield Section("The pipeline, and where its state is", tuple(commands))
    yield Section(
        f"By hand, in the settings of the project: an approval for {_gates(setup)}; branch control "
        f"({setup.branch} only) and an exclusive lock for the service connection {', '.join(connections)}; a "
        f"policy of the branch {setup.branch} that runs the pipeline",
        (),
    )


def _gates(setup: Setup) -> str:
    return ", ".join(f"ftops-{environment}" for environment in setup.accounts)


CI_SETUPS: Mapping[str, CiSetup] = {
    "github": CiSetup(_github_job, _github_trust, _github_settings),
    "gitlab": CiSetup(_gitlab_job, _gitlab_trust, _gitlab_settings),
    "azure": CiSetup(_azure_job, _azure_trust, _azure_settings),
}
