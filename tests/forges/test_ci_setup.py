"""`ftops ci setup`: its commands are run by a shell, with programs that note how they are called."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.forges.conftest import TOKEN
from tests.forges.github_api import GitHub
from tests.forges.stand_in import Account, Fault
from tests.golden.cli import Done, Folder, golden

SPEC = """\
ftops:
  name: drone
  state:
    backend: azure_blob
    account_url: https://acmestate.blob.core.windows.net
    container: ftops
    path: models
providers:
  azure:
    type: azure_openai
    default: true
    endpoint: https://acme.openai.azure.com/
    subscription_id: 11111111-2222-3333-4444-555555555555
    resource_group: rg-ai
    account: acme
environments: {prod: {}}
datasets: {train: {path: data/train.jsonl}}
"""
ACCOUNT = (
    "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-ai"
    "/providers/Microsoft.CognitiveServices/accounts/acme"
)
CONTAINER = "/subscriptions/s/storage/blobServices/default/containers/ftops"
REPOSITORIES = {
    "github": "contoso/models",
    "gitlab": "contoso/ai/models",
    "azure": "contoso/my project/models",
}
PROGRAM = r"""#!/bin/sh
{
    printf '%s\0' "${0##*/}" "$@"
    case " $* " in *" --input - "*) cat; printf '\0' ;; esac
    printf '\1\0'
} >> LOG
case "$1 $*" in
    account*) echo tenant-id ;;
    storage*) echo /subscriptions/s/storage ;;
    cognitiveservices*) echo /subscriptions/s/resourceGroups/found/providers/Microsoft.CognitiveServices/x ;;
    *Issuer) echo https://login.example/v2.0 ;;
    *Subject) echo /eid1/sc/org/connection ;;
    *) echo "id-of-$2" ;;
esac
"""
"""Notes its words and its input, and prints what a script needs of it."""


@pytest.fixture
def spec(tmp_path: Path) -> Folder:
    return Folder.make(tmp_path / "drone", SPEC)


def setup(spec: Folder, service: str, *words: str, environ: Mapping[str, str] | None = None) -> Done:
    named = () if "--repository" in words else ("--repository", REPOSITORIES[service])
    return spec.run("ci", "setup", service, *named, *words, environ=environ)


def called(script: str, folder: Path, shell: str = "bash") -> list[list[str]]:
    """The words of each call of the programs that a script calls."""
    place, log = folder / "programs", folder / "calls"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    log.write_text("")
    for name in ("az", "gh", "glab"):
        program = place / name
        program.write_text(PROGRAM.replace("LOG", shlex.quote(str(log))))
        program.chmod(0o755)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    path = f"{place}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", script], cwd=scratch, env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    calls = log.read_text("utf-8").split("\1\0")[:-1]
    return [call.split("\0")[:-1] for call in calls]


def after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def credentials(calls: list[list[str]]) -> Iterator[tuple[str, str, str]]:
    """Identity, issuer and subject."""
    for words in calls:
        if words[1:4] == ["ad", "app", "federated-credential"]:
            fields = json.loads(after(words, "--parameters"))
            assert fields["audiences"] == ["api://AzureADTokenExchange"]
            yield after(words, "--id"), fields["issuer"], fields["subject"]


def assignments(calls: list[list[str]]) -> set[tuple[str, str]]:
    return {
        (after(words, "--role"), after(words, "--scope"))
        for words in calls
        if words[1:4] == ["role", "assignment", "create"]
    }


@pytest.mark.parametrize("service", REPOSITORIES)
def test_the_commands(spec: Folder, tmp_path: Path, service: str) -> None:
    done = setup(spec, service, "--dry-run")
    assert done.code == 0, done
    golden(f"ci-setup-{service}", done.out, ".sh")
    calls = called(done.out, tmp_path)
    assert calls == called(done.out, tmp_path, "sh")
    role = f"ftops plan {REPOSITORIES[service].replace('/', ' ')}"
    assert assignments(calls) == {
        ("Reader", ACCOUNT),
        (role, ACCOUNT),
        ("Storage Blob Data Reader", CONTAINER),
        ("Cognitive Services OpenAI Contributor", ACCOUNT),
        ("Storage Blob Data Contributor", CONTAINER),
    }
    (defined,) = (words for words in calls if words[1:3] == ["role", "definition"])
    definition = json.loads(after(defined, "--role-definition"))
    assert definition["AssignableScopes"] == [ACCOUNT.partition("/providers/")[0]]
    assert (definition["Name"], definition["Actions"]) == (role, [])
    assert all(action.endswith("/read") for action in definition["DataActions"])
    assert not [subject for _, _, subject in credentials(calls) if set("*?") & {*subject}]
    assert "claimsMatchingExpression" not in done.out
    document = setup(spec, service, "-o", "json").json
    lines = [line for section in document["sections"] for line in section["commands"]]
    assert lines == [line for line in done.out.splitlines() if line and not line.startswith(("#", "set "))]
    assert [each["name"] for each in document["identities"]] == ["plan", "apply-prod"]


PREFIXES = {
    "immutable": ("repo:contoso@9919/models@77", {"use_immutable_subject": False}),
    "legacy": ("repo:contoso/models", {"use_immutable_subject": False}),
    "not said": ("repo:contoso/models", None),
}
"""The name doesn't follow from the flag."""


@pytest.mark.parametrize("name", PREFIXES)
def test_pitfall_25_subjects_begin_as_github_says(
    github: GitHub, spec: Folder, tmp_path: Path, name: str
) -> None:
    prefix, flags = PREFIXES[name]
    github.subject = {"use_default": True} | ({"sub_claim_prefix": prefix, **flags} if flags else {})
    done = setup(spec, "github", environ={"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.api})
    assert (done.code, done.err) == (0, "")
    assert TOKEN not in done.out
    issuer = "https://token.actions.githubusercontent.com"
    assert {*credentials(called(done.out, tmp_path))} == {
        ("id-of-app", issuer, f"{prefix}:environment:ftops-{job}") for job in ("plan", "prod", "reconcile")
    }
    assert github.seen == ["GET /repos/contoso/models/actions/oidc/customization/sub 200"]


def refused(github: GitHub) -> None:
    github.accounts[TOKEN] = Account(41, "ci[bot]", frozenset())


def hostile(github: GitHub) -> None:
    github.subject = {"use_default": True, "sub_claim_prefix": "repo:*/*:environment:x' ; rm -rf / #"}


def custom(github: GitHub) -> None:
    github.subject = {"use_default": False, "include_claim_keys": ["repository_owner", "context"]}


def down(github: GitHub) -> None:
    github.faults.append(Fault("GET", "customization", 404, {"message": "Not Found"}))


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (refused, "GitHub answered 403"),
        (down, "GitHub answered 404"),
        (hostile, "which isn't one"),
        (custom, "from other claims: repository_owner, context"),
    ],
)
def test_without_an_answer_the_usual_prefix_comes_with_a_warning(
    github: GitHub, spec: Folder, prepare: Any, said: str
) -> None:
    prepare(github)
    done = setup(spec, "github", environ={"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.api})
    assert done.code == 0
    words = " ".join(done.err.split())
    assert "warning: GitHub wasn't asked how subjects of contoso/models begin" in words
    assert said in words
    assert "AADSTS700213" in words
    assert '"repo:contoso/models:environment:ftops-prod"' in done.out
    assert "rm -rf" not in done.out


def test_a_prefix_can_be_given(spec: Folder, tmp_path: Path) -> None:
    done = setup(spec, "github", "--subject-prefix", "repo:contoso@1/models@2")
    assert (done.code, done.err) == (0, "")
    assert "repo:contoso@1/models@2:environment:ftops-prod" in done.out
    for wrong in ("repo:*", "repo:a b", ""):
        assert setup(spec, "github", "--subject-prefix", wrong).code == 1
    assert setup(spec, "gitlab", "--subject-prefix", "repo:a/b").code == 1


def test_hostile_names_are_words(tmp_path: Path) -> None:
    """They reach the programs as they are, and nothing else is called."""
    evil = "$(touch pwned)`touch pwned`'\"; touch pwned; %s"
    spec = Folder.make(
        tmp_path / "drone",
        SPEC.replace("rg-ai", json.dumps(f"{evil}")).replace(
            "container: ftops", f"container: {json.dumps(evil)}"
        ),
    )
    for service in REPOSITORIES:
        branch = "main;touch${IFS}pwned;'\"$(touch${IFS}pwned)"
        done = setup(spec, service, "--branch", branch, "--preview-account", evil, "--preview-storage", evil)
        assert done.code == 0, done
        calls = called(done.out, tmp_path)
        assert not [*tmp_path.rglob("pwned")]
        flat = [word for words in calls for word in words]
        assert any(f"/resourceGroups/{evil}/providers" in word for word in flat)
        assert any(word.endswith(f"/containers/{evil}") for word in flat)
        assert f"[?name=='{evil.replace(chr(39), chr(92) + chr(39))}'].id | [0]" in flat
        assert any(branch in word for word in flat)


def test_names_in_other_scripts(spec: Folder, tmp_path: Path) -> None:
    done = setup(spec, "azure", "--repository", "contoso/größe 5/модели")
    calls = called(done.out, tmp_path)
    assert {after(words, "--project") for words in calls if "--project" in words} == {"größe 5"}
    file = json.loads((tmp_path / "scratch" / "ftops-plan.json").read_text("utf-8"))
    (reference,) = file["serviceEndpointProjectReferences"]
    assert reference["projectReference"] == {"id": "id-of-project", "name": "größe 5"}
    assert file["authorization"]["parameters"] == {"tenantid": "tenant-id", "serviceprincipalid": "id-of-app"}


def test_several_environments_and_previews(tmp_path: Path) -> None:
    west = "  west: {type: azure_openai, endpoint: https://west.openai.azure.com/}\n"
    environments = "environments: {dev: {provider: west}, prod: {}, pr: {pattern: pr-*}}"
    text = SPEC.replace("environments: {prod: {}}", west + environments)
    spec = Folder.make(tmp_path / "drone", text)
    done = setup(spec, "github", "--preview-account", "acme-dev", "--preview-storage", "previews")
    assert done.code == 0, done
    calls = called(done.out, tmp_path)
    names = [after(words, "--display-name") for words in calls if "--display-name" in words]
    assert names == [
        f"ftops {name} contoso/models" for name in ("plan", "apply-prod", "apply-dev", "preview")
    ]
    assert "[?properties.endpoint=='https://west.openai.azure.com/'].id | [0]" in [
        w for c in calls for w in c
    ]
    assert '\'{"name": "ftops-preview"' in done.out
    connections = setup(spec, "azure").out
    for name, connection in (("prod", "ftops-apply"), ("dev", "ftops-apply-dev")):
        section = connections.partition(f"# apply-{name}")[2].partition("\n\n")[0]
        assert f"> {connection}.json" in section
    one = setup(spec, "github", "--env", "dev", "--preview-account", "acme-dev")
    assert "apply-prod" not in one.out
    assert "the identity of previews gets no state" in one.err
    assert "PREVIEW_STATE" not in one.out
    assert setup(spec, "github", "--env", "test").code == 1


def test_an_environment_changes_only_the_accounts_that_it_uses(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    here = Folder(tmp_path)
    here.ok("init", "--ci", "github")
    environ = {"AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000"}
    done = here.run("ci", "setup", "github", "--repository", "contoso/models", environ=environ)
    assert done.code == 0, done
    assert "apply-prod" in done.out
    assert "dev" not in done.out + done.err
    named = here.run("ci", "setup", "github", "--repository", "contoso/models", "--env", "dev")
    assert "no environment uses an Azure OpenAI account" in named.err


def test_branches_of_gitlab_only_read(spec: Folder, tmp_path: Path) -> None:
    assert "jobs for merge requests can't sign in" in setup(spec, "gitlab").err
    done = setup(spec, "gitlab", "--all-branches")
    assert (done.code, done.err) == (0, "")
    (call,) = (words for words in called(done.out, tmp_path) if words[1] == "rest")
    assert after(call, "--url").endswith("(appId='id-of-app')/federatedIdentityCredentials")
    expression = json.loads(after(call, "--body"))["claimsMatchingExpression"]["value"]
    assert expression == "claims['sub'] matches 'project_path:contoso/ai/models:ref_type:branch:ref:*'"
    head, _, tail = done.out.partition("# apply-prod")
    assert ("az rest" in head, "az rest" in tail) == (True, False)
    own = setup(spec, "gitlab", "--all-branches", "--server", "https://git.contoso.com")
    assert (own.code, "--all-branches can't be used here" in own.err) == (1, True)


REMOTES = {
    "https://github.com/contoso/models.git": ("github", "repo:contoso/models:environment"),
    "git@github.com:contoso/models.git": ("github", "repo:contoso/models:environment"),
    "ssh://git@github.contoso.com/ai/models": ("github", "https://github.contoso.com/_services/token"),
    "https://contoso.ghe.com/ai/models": ("github", "https://token.actions.contoso.ghe.com"),
    "git@gitlab.com:contoso/ai/models.git": ("gitlab", "project_path:contoso/ai/models:ref_type"),
    "https://user:pass@git.contoso.com/ai/models.git": ("gitlab", '"issuer": "https://git.contoso.com"'),
    "https://contoso@dev.azure.com/contoso/my%20project/_git/models": ("azure", "--project 'my project'"),
    "git@ssh.dev.azure.com:v3/contoso/shop/models": ("azure", "--repository models"),
    "https://github.com/contoso": ("github", ""),
    "/srv/models.git": ("gitlab", ""),
    "https://github.com/con*so/models": ("github", ""),
    "https://github.com/contoso/..": ("github", ""),
    "https://dev.azure.com/contoso/_git/..": ("azure", ""),
}


@pytest.mark.parametrize("remote", REMOTES)
def test_the_repository_of_the_remote(spec: Folder, remote: str) -> None:
    service, said = REMOTES[remote]
    for words in (("init", "-q"), ("remote", "add", "origin", remote)):
        subprocess.run(["git", *words], cwd=spec.path, check=True)
    done = spec.run("ci", "setup", service)
    assert "pass@" not in done.out + done.err
    if said:
        assert (done.code, said in done.out) == (0, True), done
    else:
        assert (done.code, "can't tell which repository it is" in done.err) == (1, True)


def test_the_token_goes_to_no_server_that_a_remote_names(github: GitHub, spec: Folder) -> None:
    remote = f"{github.url.replace('127.0.0.1', 'localhost')}/contoso/models"
    for words in (("init", "-q"), ("remote", "add", "origin", remote)):
        subprocess.run(["git", *words], cwd=spec.path, check=True)
    done = spec.run("ci", "setup", "github", environ={"GITHUB_TOKEN": TOKEN})
    assert done.code == 0, done
    assert "which only the remote names: --server names it" in " ".join(done.err.split())
    assert (github.seen, TOKEN in done.out + done.err) == ([], False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--repository", "contoso/*"), "`contoso/*` isn't a repository"),
        (("--repository", "contoso/.."), "`contoso/..` isn't a repository"),
        (("--repository", "models"), "Name it: --repository OWNER/NAME"),
        (("--branch", "ma in"), "isn't the name of a branch"),
        (("--branch", "--force"), "isn't the name of a branch"),
        (("--server", "http://git.contoso.com"), "--server is"),
        (("--all-branches",), "--all-branches can't be used here"),
    ],
)
def test_what_is_refused(spec: Folder, words: tuple[str, ...], said: str) -> None:
    done = setup(spec, "github", *words)
    assert (done.code, said in " ".join(done.err.split())) == (1, True), done


LOCAL = SPEC.partition("  state:")[0] + "providers:" + SPEC.partition("providers:")[2]
MEMORY = "providers: {m: {type: memory}}\ndatasets: {train: {path: data/train.jsonl}}\n"


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (LOCAL, 0, "warning: the commands give no access to the state"),
        (MEMORY, 1, "error: no environment uses an Azure OpenAI account"),
        (SPEC.replace("acmestate", "${env.NOWHERE}"), 1, "NOWHERE"),
        (SPEC.replace("11111111-2222-3333-4444-555555555555", "${env.NOWHERE}"), 0, ""),
    ],
    ids=["local state", "no account", "state from the environment", "subscription from the environment"],
)
def test_what_a_spec_lacks(tmp_path: Path, text: str, code: int, said: str) -> None:
    done = setup(Folder.make(tmp_path / "drone", text), "github", "--subject-prefix", "repo:a/b")
    assert (done.code, said in done.err) == (code, True), done
    assert ("STATE=" in done.out) == (code == 0 and text != LOCAL)
