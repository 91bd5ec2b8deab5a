"""Several accounts in one spec: two emulators, the loader, the engine, and the wire between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ftops.applying.events import ChangeFinished, Event
from ftops.applying.run import Report
from ftops.core.address import Address
from ftops.core.errors import Permanent, SpecError
from ftops.planning.plan import Action, Mode
from ftops.providers.azure.provider import AzureProvider
from ftops.state.state import Status
from tests.conformance import facts
from tests.conformance.schemas import from_types
from tests.contract.azure_cloud import (
    Cloud,
    dataset,
    deployment,
    gone,
    job,
    made,
    running_cloud,
)
from tests.contract.sessions import Project, done, inputs_of
from tests.contract.wire import Wire, tapped

AZURE = "{type: azure_openai, endpoint: %s, subscription_id: s, resource_group: g, account: a%s}"
SPEC = f"""
providers:
  sweden: {AZURE % ("http://127.0.0.1:1", ", default: true")}
  france: {AZURE % ("http://127.0.0.1:2", "")}
datasets:
  train: {{path: train.jsonl}}
  valid: {{path: valid.jsonl}}
jobs:
  copilot:
    model: gpt-4o-mini-2024-07-18
    training: train
    validation: valid
    hyperparameters: {{n_epochs: 3, batch_size: 4}}
    seed: 7
deployments:
  near: {{model: "${{job.copilot.fine_tuned_model}}"}}
  far: {{model: "${{job.copilot.fine_tuned_model}}", provider: france}}
"""


@dataclass(frozen=True)
class World:
    """Two accounts, and what goes over the wire to the second one."""

    sweden: Cloud
    france: Cloud
    wire: Wire
    project: Project

    def asked(self, name: str) -> Any:
        return self.wire.sent("PUT", f"/deployments/{name}")[-1]


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Cloud]]:
    folder = tmp_path_factory.mktemp("accounts")
    with ExitStack() as stack:
        names = ("sweden", "france")
        sweden, france = (
            stack.enter_context(running_cloud(folder / name, "--account", name)) for name in names
        )
        yield sweden, france


@pytest.fixture
def world(clouds: tuple[Cloud, Cloud], tmp_path: Path) -> Iterator[World]:
    sweden, france = clouds
    with tapped(Wire(france.url)) as wire:
        there = france.settings() | {"control_plane": {"endpoint": wire.url, "token": france.key}}
        project = Project(tmp_path, {"sweden": sweden.settings(), "france": there})
        yield World(sweden, france, wire, project)
        for cloud in clouds:
            cloud.clear_faults()
        project.apply(SPEC, mode=Mode.DESTROY)


def test_a_model_of_one_account_is_deployed_in_another(world: World) -> None:
    planned = inputs_of(world.project.plan(SPEC), "deployment.far")
    assert str(planned["source"]) == "${job.copilot.account}"
    report = done(world.project.apply(SPEC))
    account = world.sweden.provider().account.id
    assert account.endswith("/providers/Microsoft.CognitiveServices/accounts/sweden")
    trained = report.state.resources[Address("job", "copilot")]
    far = report.state.resources[Address("deployment", "far")]
    assert trained.outputs["account"] == account
    assert far.inputs["source"] == account
    model = {"format": "OpenAI", "name": trained.outputs["fine_tuned_model"], "version": "1"}
    assert world.asked("far").json["properties"]["model"] == {**model, "source": account}
    assert "source" not in report.state.resources[Address("deployment", "near")].inputs
    assert world.project.plan(SPEC).is_empty
    kept = [d["name"] for d in world.france.admin("GET", "objects")["deployments"]]
    assert kept == ["far"]


def test_both_answer_alike(world: World) -> None:
    done(world.project.apply(SPEC))
    replies = []
    for cloud, name in ((world.sweden, "near"), (world.france, "far")):
        provider = cloud.provider()
        reply = provider._clients.data.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "turn 1"}]
        )
        replies.append((reply.model, reply.choices[0].message.content))
        provider.close()
    assert replies[0] == replies[1]


def test_a_retrained_model_is_replaced_in_both(world: World) -> None:
    before = done(world.project.apply(SPEC)).state
    changed = SPEC.replace("seed: 7", "seed: 8")
    plan = world.project.plan(changed)
    assert {c.step: c.action for c in plan.changes}["deployment.far"] is Action.REPLACE
    after = done(world.project.apply(changed)).state
    far = Address("deployment", "far")
    assert after.resources[far].inputs["model"] != before.resources[far].inputs["model"]
    assert after.resources[far].inputs["source"] == before.resources[far].inputs["source"]
    assert world.project.plan(changed).is_empty


def test_a_checkpoint_is_deployed_in_another_account(world: World) -> None:
    spec = SPEC.replace(
        'far: {model: "${job.copilot.fine_tuned_model}"', 'far: {model: "${job.copilot.checkpoint.3}"'
    )
    report = done(world.project.apply(spec))
    assert str(report.state.resources[Address("deployment", "far")].outputs["model"]).endswith(":ckpt-step-3")
    assert world.project.plan(spec).is_empty


def test_accounts_do_not_wait_for_each_other(world: World) -> None:
    """The first account's deployment ends only once that of the second is done."""
    ready = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, ChangeFinished) and event.step == "deployment.far":
            ready.set()
            world.sweden.admin("PATCH", "settings", {"deployment_seconds": 0})
            world.sweden.admin("POST", "clock", {"advance": 4000})

    with world.sweden.set(deployment_seconds=3600.0):
        reports: list[Report] = []
        run = threading.Thread(target=lambda: reports.append(world.project.apply(SPEC, emit=emit)))
        run.start()
        parallel = ready.wait(300)
        if not parallel:
            world.sweden.admin("POST", "clock", {"advance": 4000})
        run.join(300)
    assert parallel, "the deployment in the other account waited"
    done(reports[0])


def test_the_source_has_to_have_the_model(world: World, tmp_path: Path) -> None:
    france = world.france.provider()
    here = world.sweden.provider().account.id
    absent = deployment(tmp_path, "absent", f"gpt-4o-mini-2024-07-18.ft-{'0' * 32}", source=here)
    with pytest.raises(Permanent, match="can't be deployed here"):
        france.create(absent)
    france.close()


def test_a_source_that_is_the_account_itself_is_not_sent(world: World, tmp_path: Path) -> None:
    provider = tapped_provider(world)
    name = str(provider.account.id)
    asked = deployment(tmp_path, "own", "gpt-4o-mini-2024-07-18", source=name.upper())
    resource = made(provider, asked)
    assert "source" not in world.asked("own").json["properties"]["model"]
    assert gone(provider, resource)
    provider.close()


def tapped_provider(world: World) -> AzureProvider:
    """The second account, by way of the wire."""
    settings = world.project.settings["france"]
    return AzureProvider(settings, name="france")


@facts.needed
@pytest.mark.parametrize("tenant", ["", "11111111-0000-0000-0000-000000000000"])
def test_another_tenant(world: World, tmp_path: Path, tenant: str) -> None:
    """The form of the request; that Azure takes it, no test here can show."""
    sweden = world.sweden.provider()
    training = made(sweden, dataset(tmp_path)).remote_id
    trained = made(sweden, job(tmp_path, training))
    more = {"source_tenant": tenant} if tenant else {}
    model, account = str(trained.outputs["fine_tuned_model"]), trained.outputs["account"]
    asked = deployment(tmp_path, "abroad", model, source=account, **more)
    provider = tapped_provider(world)
    resource = made(provider, asked)
    sent = world.asked("abroad")
    assert resource.status is Status.READY, resource.message
    assert sent.json["properties"]["model"].get("sourceAccount") == (account if tenant else None)
    assert sent.headers.get("x-ms-authorization-auxiliary") == (
        f"Bearer {world.france.key}" if tenant else None
    )
    types = facts.load("arm/types-2025-09-01.json")
    document = from_types(types)
    index = next(n for n, entry in enumerate(types) if entry.get("name") == "DeploymentModel")
    found = document.check(document.root[index], sent.json["properties"]["model"])
    assert (found.problems, found.undeclared) == ([], set())
    remote = provider.read(resource)
    assert remote is not None and remote.inputs["source"] == account
    assert gone(provider, resource) and gone(sweden, trained)
    provider.close()
    sweden.close()


def test_the_token_of_the_other_tenant_comes_from_an_identity(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{world.france.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", world.france.key)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    own: dict[str, Any] = {"api_key": "", "control_plane": {"endpoint": world.wire.url}}
    provider = AzureProvider({**world.project.settings["france"], **own}, name="france")
    asked = deployment(tmp_path, "signed", source=f"{provider.account.id}x", source_tenant="t2")
    resource = made(provider, asked)
    header = world.asked("signed").headers["x-ms-authorization-auxiliary"]
    assert header.startswith("Bearer ") and header.count(".") == 2
    assert gone(provider, resource)
    provider.close()


def test_a_checkpoint_that_is_not_there_is_found_out(world: World) -> None:
    """At plan time where the job is trained, else when its turn comes."""
    spec = SPEC.replace("${job.copilot.fine_tuned_model}", "${job.copilot.checkpoint.7}", 1)
    report = world.project.apply(spec)
    (failure,) = report.failures
    assert failure.step == "deployment.near"
    assert "There are: best, 3, 6, 9." in failure.error.detail
    with pytest.raises(SpecError) as caught:
        world.project.plan(spec)
    (found,) = caught.value.diagnostics
    assert found.summary == "${job.copilot.checkpoint.7} has no value"
    assert "There are: best, 3, 6, 9." in found.detail
    assert found.place is not None and "near" in SPEC.splitlines()[found.place.line - 1]


TYPES = """
providers:
  azure:
    type: azure_openai
    endpoint: http://127.0.0.1:1
    subscription_id: s
    resource_group: g
    account: a
    defaults: {training_type: developer, sku: {name: developer_tier, capacity: 3}, tags: {team: a, kind: b}}
datasets:
  train: {path: train.jsonl}
jobs:
  usual: {model: gpt-4.1-mini-2025-04-14, training: train, hyperparameters: {n_epochs: 1}}
  other:
    model: gpt-4.1-mini-2025-04-14
    training: train
    hyperparameters: {n_epochs: 2}
    training_type: global_standard
deployments:
  usual: {model: "${job.usual.fine_tuned_model}"}
  other:
    model: "${job.other.fine_tuned_model}"
    sku: {name: globalstandard}
    tags: {kind: c}
"""


def test_defaults_of_a_provider_and_training_types(world: World) -> None:
    with tapped(Wire(world.sweden.url)) as wire:
        own = world.sweden.settings()
        there = {
            **own,
            "endpoint": wire.url,
            "control_plane": {"endpoint": wire.url, "token": own["api_key"]},
        }
        project = Project(world.project.folder, {"azure": there})
        plan = project.plan(TYPES)
        assert inputs_of(plan, "job.usual")["training_type"] == "developer"
        assert inputs_of(plan, "deployment.other")["tags"] == {"team": "a", "kind": "c"}
        done(project.apply(TYPES))
        sent = [e.json["trainingType"] for e in wire.sent("POST", "/fine_tuning/jobs")]
        assert sorted(sent) == ["GlobalStandard", "developerTier"]
        skus = {e.path.rpartition("/")[2]: e.json["sku"] for e in wire.exchanges if e.method == "PUT"}
        assert skus == {
            "usual": {"name": "DeveloperTier", "capacity": 3},
            "other": {"name": "GlobalStandard", "capacity": 3},
        }
        assert project.plan(TYPES).is_empty
        larger = TYPES.replace("capacity: 3", "capacity: 4")
        changes = {c.step: c.action for c in project.plan(larger).changes}
        assert changes == {"deployment.other": Action.UPDATE, "deployment.usual": Action.UPDATE}
        done(project.apply(TYPES, mode=Mode.DESTROY))


ENVIRONMENTS = f"""
variables:
  second: {{type: string, default: france}}
providers:
  sweden: {AZURE % ("http://127.0.0.1:1", "")}
  france: {AZURE % ("http://127.0.0.1:2", "")}
environments:
  dev: {{provider: sweden, variables: {{second: sweden}}}}
  prod: {{provider: sweden}}
datasets:
  train: {{path: train.jsonl}}
jobs:
  copilot: {{model: gpt-4o-mini-2024-07-18, training: train, hyperparameters: {{n_epochs: 1}}}}
deployments:
  far:
    name: far-${{var.second}}
    provider: ${{var.second}}
    model: ${{job.copilot.fine_tuned_model}}
outputs:
  endpoint: ${{deployment.far.endpoint}}
"""


def test_environments_choose_the_accounts(world: World) -> None:
    for environment, cloud in (("dev", world.sweden), ("prod", world.france)):
        done(world.project.apply(ENVIRONMENTS, environment))
        outputs = world.project.outputs(ENVIRONMENTS, environment)
        assert outputs == {"endpoint": f"{cloud.url}/"}
        assert world.project.plan(ENVIRONMENTS, environment).is_empty
    assert "source" in world.asked("far-france").json["properties"]["model"]
    for environment in ("dev", "prod"):
        done(world.project.apply(ENVIRONMENTS, environment, mode=Mode.DESTROY))
    for cloud in (world.sweden, world.france):
        assert cloud.admin("GET", "objects")["deployments"] == []
