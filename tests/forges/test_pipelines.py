"""`ftops init --ci gitlab` and `--ci azure`: the pipelines are as in the golden files and as the schemas of
their vendors say, may do little, and run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from ftops.cli.ci_runners import COUNTS, DOTENV
from ftops.cli.commands.ci_job import COMMANDS
from tests.forges.conftest import TOKEN, Job
from tests.forges.stand_in import PUBLISHED, StandIn, running
from tests.forges.test_ci_runners import of_dotenv, of_log
from tests.forges.test_services import ROWS, Forge
from tests.forges.test_workflows import REVIEWED, init
from tests.golden.cli import ROOT, SPEC, Folder, golden
from tests.support.command import run

WRITTEN = {
    "gitlab": [".gitlab-ci.yml"],
    "azure": [".azure-pipelines/ftops.yml", ".azure-pipelines/ftops-steps.yml"],
}
SCHEMAS = {"gitlab": "gitlab-ci", "azure": "azure-pipelines"}
PREVIEW = ".gitlab/ftops-preview.yml"
COMPONENT = ROOT / "templates" / "ftops.yml"


@pytest.fixture(scope="module", params=WRITTEN)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def root(service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files."""
    root = tmp_path_factory.mktemp(service)
    done = init(root, REVIEWED, service=service)[1]
    assert done.code == 0, done
    assert "ftops ci setup" in done.out
    return root


def loaded(path: Path) -> Any:
    """All scalars as text, as Azure Pipelines reads them."""
    return yaml.load(path.read_text("utf-8"), yaml.BaseLoader)


def of_gitlab(root: Path) -> dict[str, dict[str, Any]]:
    """The jobs, with what they extend."""
    raw = loaded(root / ".gitlab-ci.yml")
    if (root / PREVIEW).exists():
        raw |= loaded(root / PREVIEW)

    def extended(job: dict[str, Any]) -> dict[str, Any]:
        common = extended(raw[job["extends"]]) if "extends" in job else {"variables": {}}
        return {**common, **job, "variables": {**common["variables"], **job.get("variables", {})}}

    shown = (name for name in raw if not name.startswith("."))
    return {name.removeprefix("ftops "): extended(raw[name]) for name in shown}


def of_azure(root: Path) -> Any:
    """The pipeline with its templates filled in."""
    raw = loaded(root / WRITTEN["azure"][0])

    def walked(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: walked(value) for name, value in node.items()}
        if isinstance(node, list):
            return [step for item in node for step in (steps(item) if is_template(item) else [walked(item)])]
        return node

    def is_template(item: Any) -> bool:
        return isinstance(item, dict) and "template" in item

    def steps(use: Mapping[str, Any]) -> list[Any]:
        template = loaded(root / use["template"].removeprefix("/"))
        given = {row["name"]: row.get("default") for row in template["parameters"]}
        assert use["parameters"].keys() <= given.keys()
        given |= use["parameters"]
        assert None not in given.values()
        with_connection, without = (f"${{{{ {word} }}}}" for word in (CONDITION, "else"))
        found: list[Any] = []
        for step in template["steps"]:
            if with_connection in step:
                found += step[with_connection] if given["connection"] else []
            elif without in step:
                found += [] if given["connection"] else step[without]
            else:
                found.append(step)
        text = re.sub(
            r"\$\{\{ parameters\.(\w+) \}\}", lambda m: json.dumps(given[m[1]])[1:-1], json.dumps(found)
        )
        filled: list[Any] = json.loads(text)
        return filled

    return walked(raw)


CONDITION = "if ne(parameters.connection, '')"


def azure_jobs(root: Path) -> dict[str, Mapping[str, Any]]:
    """Stage → its one job with its steps."""
    found: dict[str, Mapping[str, Any]] = {}
    for stage in of_azure(root)["stages"]:
        (job,) = stage["jobs"]
        steps = job["steps"] if "steps" in job else job["strategy"]["runOnce"]["deploy"]["steps"]
        found[stage["stage"]] = {**job, "steps": steps, "stage": stage}
    return found


def ours(job: Mapping[str, Any]) -> Mapping[str, Any]:
    (step,) = (step for step in job["steps"] if step.get("name") == "ftops")
    assert isinstance(step, dict)
    return step


def test_the_files(service: str, root: Path) -> None:
    texts = {path: (root / path).read_text("utf-8") for path in WRITTEN[service]}
    for path, text in texts.items():
        golden(f"{service}-{Path(path).stem.removeprefix('.')}", text, ".yml")
        assert "ENVIRONMENT" not in text.replace("OWNER/REPOSITORY", "")
        assert not re.search(r"FOLDER|\[\[|secret|password", text)
    everything = "\n".join(texts.values())
    assert re.search(r"^ *(IN_POLICY_REF|policyRef): ", everything, re.M)
    assert ("OWNER/REPOSITORY" in everything, "0" * 40 in everything) == (True, True)
    assert everything.count("--require-hashes") == 1


@cache
def schema(name: str) -> Any:
    return json.loads((PUBLISHED / f"{name}.json").read_text("utf-8"))


def test_they_are_as_the_vendor_says(service: str, root: Path) -> None:
    valid = schema(SCHEMAS[service])
    if service == "gitlab":
        documents = [yaml.safe_load((root / ".gitlab-ci.yml").read_text("utf-8"))]
        documents += yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    else:
        documents = [of_azure(root)]
    for document in documents:
        jsonschema_rs.validate(valid, document)
    for word, other in (("artifacts", "artefacts"), ("when", "wenn"), ("scriptType", "scriptKind")):
        text = json.dumps(documents[0])
        if f'"{word}"' in text:
            assert not jsonschema_rs.is_valid(valid, json.loads(text.replace(f'"{word}"', f'"{other}"')))


def test_the_component_is_what_init_writes() -> None:
    assert COMPONENT.read_bytes() == (ROOT / "ftops/cli/starter/gitlab/ftops.yml").read_bytes()
    head, body = yaml.safe_load_all(COMPONENT.read_text("utf-8"))
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", json.dumps(body)))
    assert used == head["spec"]["inputs"].keys()


def test_a_job_of_gitlab_may_do_little(tmp_path: Path) -> None:
    init(tmp_path, REVIEWED, service="gitlab")
    jobs = of_gitlab(tmp_path)
    assert jobs.keys() == {"plan", "fork", "apply", "reconcile", "drift"}
    for name, job in jobs.items():
        assert job["variables"]["IN_COMMAND"] in COMMANDS
        assert job["artifacts"]["access"] == "developer"
        changes = name in ("apply", "reconcile")
        assert changes == ("FTOPS_APPLY_CLIENT_ID" in str(job)) == (job.get("resource_group") == "ftops-prod")
        assert (name == "fork") == ("id_tokens" not in job) == ("environment" not in job)
        if "id_tokens" in job:
            assert job["id_tokens"] == {"FTOPS_ID_TOKEN": {"aud": "api://AzureADTokenExchange"}}
        rules = [rule["if"] for rule in job["rules"]]
        assert changes <= all("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH" in rule for rule in rules)
    assert jobs["apply"]["rules"][0]["when"] == "manual"
    assert jobs["apply"]["needs"] == ["ftops plan"]
    assert jobs["apply"]["environment"] == {"name": "ftops-prod"}
    assert jobs["fork"]["variables"]["IN_UNTRUSTED"] == "true"


def test_a_job_of_azure_may_do_little(tmp_path: Path) -> None:
    init(tmp_path, REVIEWED, service="azure")
    jobs = azure_jobs(tmp_path)
    assert jobs.keys() == {"plan", "fork", "apply", "reconcile", "drift"}
    for name, job in jobs.items():
        step = ours(job)
        connection = step.get("inputs", {}).get("azureSubscription", "")
        kinds = {"apply": "ftops-apply", "reconcile": "ftops-apply", "fork": ""}
        assert connection == kinds.get(name, "ftops-plan")
        checkout = job["steps"][0]
        assert (checkout["checkout"], checkout["persistCredentials"]) == ("self", "false")
        assert ("SYSTEM" in str(step).upper()) == (name != "fork")
        assert step["env"].get("IN_UNTRUSTED", "") == ("true" if name == "fork" else "")
        changes = name in ("apply", "reconcile")
        assert changes == (job["stage"].get("lockBehavior") == "sequential") == ("deployment" in job)
        assert "${{" not in str(step) + str(job["steps"][2].get("bash"))
    assert jobs["apply"]["environment"] == "ftops-prod"
    for word in ("'refs/heads/main'", "ne(variables['Build.Reason'], 'PullRequest')", "outputs['plan.ftops."):
        assert word in jobs["apply"]["stage"]["condition"]


def repository(root: Path) -> Folder:
    who = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
    (root / ".git").rmdir()
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "models")):
        subprocess.run(["git", *who, *words], cwd=root, check=True)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=root, check=True)
    return Folder(root / "models")


@pytest.fixture
def stand_in(service: str) -> Iterator[StandIn]:
    with running(ROWS["azure-devops" if service == "azure" else service].make()) as forge:
        yield forge


def test_pitfalls_1_12_and_13_the_jobs_run(service: str, stand_in: StandIn, tmp_path: Path) -> None:
    """From a pull request to an apply of the plan of the merge, which is checked out in another folder."""
    assert isinstance(stand_in, Forge)
    init(tmp_path / "checkout", REVIEWED, service=service)
    folder = repository(tmp_path / "checkout")
    row = ROWS["azure-devops" if service == "azure" else service]
    kinds: Mapping[str, type[Jobs]] = {"gitlab": GitLabJobs, "azure": AzureJobs}
    jobs = kinds[service](folder, {**row.variables(stand_in, tmp_path), "FTOPS_CI_TOKEN": TOKEN})
    jobs.run("fork")
    assert stand_in.writes == []
    reviewed = jobs.run("plan")["digest"]
    assert len(stand_in.writes) == 1
    merged = tmp_path / "s"
    shutil.copytree(folder.path.parent, merged, ignore=shutil.ignore_patterns("state", DOTENV, COUNTS))
    jobs.folder = Folder(merged / "models")
    assert jobs.run("plan")["digest"] == reviewed
    jobs.folder.edit("default: 20", "default: 30")  # another merge came in between
    assert jobs.run("apply", code=3)["exit-code"] == "3"
    jobs.folder.edit("default: 30", "default: 20")
    jobs.given["digest"] = reviewed
    assert jobs.run("apply")["exit-code"] in ("0", "4")
    jobs.run("reconcile")
    assert jobs.run("drift")["exit-code"] == "0"


class Jobs:
    """Runs jobs in a checkout; `given` are the outputs of the last one."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        self.folder, self.given = folder, dict[str, str]()
        self._environ = dict(environ)

    def run(self, name: str, code: int = 0) -> dict[str, str]:
        raise NotImplementedError


class GitLabJobs(Jobs):
    """Runs the scripts with bash, as a runner does after it has installed ftops."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        super().__init__(folder, environ)
        self._environ |= {"FTOPS_PLAN_CLIENT_ID": "p", "FTOPS_APPLY_CLIENT_ID": "a"}
        self._environ["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = "HEAD"
        binaries = folder.path.parent.parent / "place" / "venv" / "bin"
        binaries.mkdir(parents=True)
        (binaries / "ftops").symlink_to(Path(sys.executable).parent / "ftops")
        self._place = binaries.parent.parent

    def run(self, name: str, code: int = 0) -> dict[str, str]:
        root = self.folder.path.parent
        job = of_gitlab(root)[name]
        known = {**self._environ, "CI_PROJECT_DIR": str(root), "PLACE": str(self._place)}
        known |= {"FTOPS_" + key.upper().replace("-", "_"): value for key, value in self.given.items()}
        variables = {
            key: re.sub(r"\$(\w+)", lambda m: known.get(m[1], ""), value)
            for key, value in job["variables"].items()
        }
        (root / DOTENV).unlink(missing_ok=True)
        done = run(["bash", "-ec", "\n".join(job["script"])], root, {**known, **variables})
        assert done.returncode == code, done
        assert TOKEN not in done.stdout + done.stderr
        assert (root / COUNTS).exists() >= ("terraform" in job["artifacts"]["reports"])
        self.given = of_dotenv(root, "")
        return self.given


class AzureJobs(Jobs):
    """Runs the step of a job with the variables that the pipeline maps."""

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        super().__init__(folder, environ)
        self._scratch = folder.path.parent.parent / "temp"
        self._scratch.mkdir()

    def run(self, name: str, code: int = 0) -> dict[str, str]:
        root = self.folder.path.parent
        env = ours(azure_jobs(root)[name])["env"]
        known = {"System.AccessToken": TOKEN, "digest": self.given.get("digest", "")}
        given = {key: re.sub(r"\$\((.*?)\)", lambda m: known[m[1]], value) for key, value in env.items()}
        folders = {"BUILD_SOURCESDIRECTORY": str(root), "AGENT_TEMPDIRECTORY": str(self._scratch)}
        given = {**self._environ, **folders, **given}
        done = Job(self.folder, given).ftops("-C", "..", "ci", "run", code=code)
        self.given = of_log(self._scratch, done.out)
        return self.given


def test_a_preview_of_gitlab_comes_and_goes(tmp_path: Path) -> None:
    """With its merge request, as an environment that GitLab stops; and by the schedule."""
    spec = REVIEWED.replace("prod: {}", 'prod: {}, pr: {pattern: "pr-*", ttl: 72h}')
    _, done = init(tmp_path / "checkout", spec, service="gitlab")
    assert f"add `include: [{{local: {PREVIEW}}}]` to .gitlab-ci.yml" in done.out
    text = (tmp_path / "checkout" / PREVIEW).read_text("utf-8")
    golden("gitlab-preview", text, ".yml")
    jsonschema_rs.validate(schema("gitlab-ci"), yaml.safe_load(text))
    folder = repository(tmp_path / "checkout")
    with running(ROWS["gitlab"].make()) as forge:
        assert isinstance(forge, Forge)
        environ = {**ROWS["gitlab"].variables(forge, tmp_path), "FTOPS_CI_TOKEN": TOKEN}
        jobs = GitLabJobs(folder, {**environ, "CI_MERGE_REQUEST_IID": "12", "FTOPS_PREVIEW_CLIENT_ID": "d"})
        jobs.run("preview plan")
        assert jobs.run("preview")["exit-code"] == "0"
        assert "pr-12-copilot" in folder.ok("show", "--env", "pr-12")
        jobs.run("gc")  # it hasn't expired
        assert "pr-12-copilot" in folder.ok("show", "--env", "pr-12")
        jobs.run("preview end")
        assert "pr-12-copilot" not in folder.ok("show", "--env", "pr-12")


def test_a_pipeline_of_the_user_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("test: {script: make}\n")
    done = init(tmp_path, SPEC, service="gitlab")[1]
    assert "add `include: [{local: .gitlab/ftops.yml}]` to .gitlab-ci.yml" in done.out
    assert (tmp_path / ".gitlab-ci.yml").read_text() == "test: {script: make}\n"
    written = (tmp_path / ".gitlab" / "ftops.yml").read_text("utf-8")
    assert "# IN_POLICY_REF:" in written  # without a policy in the spec, the base has none either
    again = Folder(tmp_path / "models").run("init", "--ci", "gitlab")
    assert (again.code, "ftops.yml already exists" in again.err) == (1, True)


@pytest.mark.parametrize("service", WRITTEN)
def test_the_files_are_no_part_of_a_spec_at_the_root(tmp_path: Path, service: str) -> None:
    here = Folder(tmp_path)
    assert here.run("init", "--ci", service).code == 0
    assert here.run("validate").code == 0
