"""Promotion: an environment takes what another one trained. Real commands and a real emulator."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.support.gated import WORDS, Lab, actions, emptied

PROD = 'name: "${var.name}", gate: {evaluation: exam}'
MORE = """\
variables:
  name: {type: string, default: chat}
environments:
  staging: {variables: {name: chat-staging}}
  prod: {promote: staging, variables: {name: chat}}
"""


def declared(lab: Lab, more: str = MORE, prod: str = PROD, exam: str = "") -> None:
    lab.spec(exam, prod, more)


def staged(lab: Lab) -> str:
    """The model that staging has trained, evaluated and deployed."""
    declared(lab)
    lab.apply("--env", "staging")
    lab.forget_log()
    return model_of(lab, "staging")


def state(lab: Lab, environment: str) -> Any:
    return lab.run("state", "pull", "--env", environment).json


def model_of(lab: Lab, environment: str) -> str:
    return str(state(lab, environment)["resources"]["job.copilot"]["outputs"]["fine_tuned_model"])


def planned(lab: Lab, environment: str = "prod") -> Any:
    done = lab.run("plan", "--env", environment, "-o", "json")
    assert done.code == 0, done
    return done.json


def refused(lab: Lab, command: str, *words: str, environment: str = "prod") -> str:
    """Why; and nothing is trained or asked."""
    before = lab.created("jobs"), lab.asked()
    done = lab.run(command, "--env", environment, *words)
    assert done.code == 3, done
    assert (lab.created("jobs"), lab.asked()) == before
    return " ".join(done.err.split())


def test_what_staging_trained_is_deployed_without_training_or_asking(lab: Lab) -> None:
    model = staged(lab)
    jobs, asked = lab.created("jobs"), lab.asked()
    plan = planned(lab)
    assert actions(plan) == {
        "dataset.train": "adopt",
        "job.copilot": "adopt",
        "evaluation.exam": "adopt",
        "deployment.prod": "create",
    }
    assert plan["estimate"]["training_total"] == 0
    job = next(change for change in plan["changes"] if change["address"] == "job.copilot")
    assert job["promoted"]["environment"] == "staging"
    assert job["promoted"]["model"] == model
    assert job["reason"]["text"].startswith("promoted from staging (trained ")
    assert job["reason"]["text"].endswith(", evaluation.exam 1 vs 0), $0")
    lab.apply("--env", "prod")
    assert lab.deployments() == {"chat": model, "chat-staging": model}
    assert (lab.created("jobs"), lab.asked()) == (jobs, asked), "nothing is trained or asked again"
    assert lab.run("plan", "--env", "prod", "--detailed-exitcode").code == 0
    assert lab.run("plan", "--env", "staging", "--detailed-exitcode").code == 0


def test_the_plan_shows_what_is_promoted(lab: Lab) -> None:
    staged(lab)
    shown = lab.run("plan", "--env", "prod").out
    promoted = r"promoted from staging \(trained [\d-]+, evaluation.exam 1 vs 0\), \$0"
    assert re.search(rf"  ≡ job\.copilot  \(ftjob-\w+\)  {promoted}", shown)
    markdown = lab.run("plan", "--env", "prod", "-o", "markdown").out
    assert "1 model promoted" in markdown
    assert "promoted from staging" in markdown


# refused


def other_data(lab: Lab) -> None:
    lab.train_half()


def other_settings(lab: Lab) -> None:
    lab.folder.edit("n_epochs: 8", "n_epochs: 7")


def other_prompts(lab: Lab) -> None:
    lab.prompts(WORDS[1:])


def no_job(lab: Lab) -> None:
    lab.folder.ok("state", "rm", "job.copilot", "--env", "staging")


def no_evaluation(lab: Lab) -> None:
    lab.folder.ok("state", "rm", "evaluation.exam", "--env", "staging")


def deleted_model(lab: Lab) -> None:
    model = model_of(lab, "staging")
    lab.folder.ok("destroy", "--env", "staging", "--target", "deployment.prod", "-y")
    headers = {"api-key": lab.cloud.key}
    reply = requests.delete(f"{lab.cloud.url}/openai/v1/models/{model}", headers=headers, timeout=60)
    assert reply.status_code == 200, reply.text


def destroyed(lab: Lab) -> None:
    lab.folder.ok("destroy", "--env", "staging", "-y")


def gate_fails(lab: Lab) -> None:
    lab.train_badly()
    assert lab.run("apply", "-y", "--env", "staging").code == 5
    lab.forget_log()


def too_old(lab: Lab) -> None:
    text = MORE.replace("promote: staging", "promote: staging, promote_max_age: 0s")
    declared(lab, text)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (other_data, "Training is other data than in staging, which trained on 12 examples"),
        (other_settings, "hyperparameters.n_epochs is 7, in staging 8"),
        (other_prompts, "evaluation.exam can't be promoted: prod would make another one than staging has"),
        (no_job, "job.copilot can't be promoted: staging has no job.copilot"),
        (no_evaluation, "evaluation.exam can't be promoted: staging has no evaluation.exam"),
        (deleted_model, "job.copilot can't be promoted: job.copilot of staging is gone"),
        (destroyed, "job.copilot can't be promoted: staging has no job.copilot"),
        (gate_fails, "deployment.prod can't get the promoted model: its gate doesn't pass In staging: evalu"),
        (too_old, "and `promote_max_age` allows 0 days"),
    ],
)
def test_what_is_not_the_same_or_not_there_is_refused(
    lab: Lab, change: Callable[[Lab], None], why: str
) -> None:
    staged(lab)
    change(lab)
    for command in (("plan",), ("apply", "-y")):
        assert why in refused(lab, *command)
    assert "chat" not in lab.deployments()


# what changes in between


def test_pitfall_25_staging_trains_again_before_the_plan_is_applied(lab: Lab) -> None:
    staged(lab)
    lab.folder.ok("plan", "--env", "prod", "--out", "prod.plan")
    digest = planned(lab)["digest"]
    lab.apply("--env", "staging", "--replace", "job.copilot")
    jobs = lab.created("jobs")
    stale = lab.run("apply", "prod.plan")
    assert stale.code == 3
    assert "the saved plan is stale" in stale.err
    again = planned(lab)
    assert again["digest"] != digest
    assert lab.run("apply", "--env", "prod", "--expect-digest", digest).code == 3
    lab.apply("--env", "prod")
    assert model_of(lab, "prod") == model_of(lab, "staging")
    assert lab.created("jobs") == jobs


def test_pitfall_25_staging_destroys_the_model_before_the_plan_is_applied(lab: Lab) -> None:
    staged(lab)
    lab.folder.ok("plan", "--env", "prod", "--out", "prod.plan")
    destroyed(lab)
    jobs = lab.created("jobs")
    done = lab.run("apply", "prod.plan")
    assert done.code == 3
    assert "staging has no job.copilot" in done.err
    assert lab.created("jobs") == jobs


def test_pitfall_25_staging_is_still_training(lab: Lab) -> None:
    declared(lab)
    with lab.cloud.set(min_training_seconds=3600):
        assert lab.run("apply", "--env", "staging", "-y", "--no-wait").code == 4
        assert "staging is still working on job.copilot" in refused(lab, "plan")
        lab.cloud.admin("POST", "clock", {"advance": 3600})
    lab.apply("--env", "staging")
    lab.apply("--env", "prod")


# what staging may delete


def test_staging_is_not_destroyed_while_prod_uses_its_model(lab: Lab) -> None:
    model = staged(lab)
    lab.apply("--env", "prod")
    why = refused(lab, "destroy", "-y", environment="staging")
    assert "job.copilot can't be destroyed: the environment prod uses its model" in why
    lab.folder.ok("destroy", "-y", "--env", "staging", "--exclude", "job.copilot")
    assert lab.deployments() == {"chat": model}
    lab.folder.ok("destroy", "-y", "--env", "prod")
    lab.folder.ok("destroy", "-y", "--env", "staging")
    assert not lab.objects()["models"]


def test_a_model_that_staging_replaces_is_kept_until_prod_has_the_new_one(lab: Lab) -> None:
    old = staged(lab)
    lab.apply("--env", "prod")
    lab.train_half()
    declared(
        lab, prod=PROD.replace("{evaluation: exam}", "{evaluation: exam, require: {score: {at_least: 0.5}}}")
    )
    out = lab.apply("--env", "staging")
    assert "the old object of job.copilot is kept: the environment prod still uses it" in out
    assert old in lab.deployments().values()
    lab.apply("--env", "prod")
    new = model_of(lab, "staging")
    assert lab.deployments() == {"chat": new, "chat-staging": new}
    lab.apply("--env", "staging")
    assert {one["id"].partition(":")[0] for one in lab.objects()["models"]} == {new}


def test_a_job_that_is_no_longer_declared_stays_in_staging_while_prod_uses_it(lab: Lab) -> None:
    staged(lab)
    lab.apply("--env", "prod")
    provider = lab.folder.path.joinpath("ftops.yaml").read_text(encoding="utf-8").partition("datasets:")[0]
    lab.folder.write("ftops.yaml", provider + MORE)
    words = ("--allow-empty", "--env", "staging")
    assert "job.copilot is kept: the environment prod still uses it" in lab.apply(*words)
    lab.apply("--allow-empty", "--env", "prod")
    lab.apply(*words)
    assert not lab.objects()["models"]


# one job, once


ONCE = MORE.replace("promote: staging, ", "")


def test_promote_takes_a_job_once(lab: Lab) -> None:
    declared(lab, ONCE)
    lab.apply("--env", "staging")
    jobs, asked = lab.created("jobs"), lab.asked()
    words = ("promote", "job.copilot", "--from", "staging", "--to", "prod")
    waiting = lab.run(*words)
    assert waiting.code == 1
    assert "`ftops promote job.copilot --from staging --env prod -y`" in " ".join(waiting.err.split())
    assert "chat" not in lab.deployments()
    lab.folder.ok(*words, "--out", "once.plan")
    lab.folder.ok("apply", "once.plan")
    model = model_of(lab, "staging")
    assert lab.deployments() == {"chat": model, "chat-staging": model}
    assert (lab.created("jobs"), lab.asked()) == (jobs, asked)
    assert lab.run("plan", "--env", "prod", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("job.copilot",), "--from is missing"),
        (("job.copilot", "--from", "prod", "--to", "prod"), "prod can't take a model from itself"),
        (("job.copilot", "--from", "stagin", "--to", "prod"), "there is no environment stagin"),
        (("job.copilto", "--from", "staging", "--to", "prod"), "the spec declares no job.copilto"),
        (("deployment.prod", "--from", "staging", "--to", "prod"), "the spec declares no deployment.prod"),
        (
            ("job.copilot", "--from", "staging", "--to", "prod", "--env", "staging"),
            "are different environments",
        ),
        (("job.copilot", "--from", "staging", "--to", "production"), "there is no environment `production`"),
        (("copilot", "--from", "staging", "--to", "prod"), "Write job.copilot."),
    ],
)
def test_promote_says_what_is_wrong(lab: Lab, words: tuple[str, ...], why: str) -> None:
    declared(lab, ONCE)
    done = lab.run("promote", *words)
    assert done.code in (1, 2)
    assert why in done.err


# another account


@pytest.fixture(scope="module")
def west(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("west"), "--account", "west") as cloud:
        yield cloud


@pytest.fixture
def elsewhere(west: Cloud) -> Iterator[Cloud]:
    """Another account, which is empty."""
    with emptied(west) as cloud:
        yield cloud


def served(cloud: Cloud) -> dict[str, str]:
    return {one["name"]: one["model"] for one in cloud.admin("GET", "objects")["deployments"]}


def in_two_accounts(lab: Lab, west: Cloud, more: str = MORE, prod: str = PROD) -> None:
    there = f"  there: {{type: emulator, url: '{west.url}', api_key: '{west.key}'}}\n"
    declared(lab, more.replace("prod: {", "prod: {provider: there, "), prod)
    lab.folder.edit("datasets:\n", f"{there}datasets:\n")


def test_a_model_is_deployed_in_another_account(lab: Lab, elsewhere: Cloud) -> None:
    in_two_accounts(lab, elsewhere)
    lab.apply("--env", "staging")
    model, jobs = model_of(lab, "staging"), lab.created("jobs")
    lab.apply("--env", "prod")
    objects = elsewhere.admin("GET", "objects")
    assert served(elsewhere) == {"chat": model}
    assert objects["created"]["jobs"] == objects["created"]["files"] == 0
    assert lab.created("jobs") == jobs
    inputs = state(lab, "prod")["resources"]["deployment.prod"]["inputs"]
    assert inputs["source"] == state(lab, "staging")["resources"]["job.copilot"]["outputs"]["account"]
    assert lab.run("plan", "--env", "prod", "--detailed-exitcode").code == 0
    assert "the environment prod uses its model" in refused(lab, "destroy", "-y", environment="staging")


def test_a_job_cannot_be_taken_once_into_another_account(lab: Lab, elsewhere: Cloud) -> None:
    in_two_accounts(lab, elsewhere, ONCE)
    lab.apply("--env", "staging")
    done = lab.run("promote", "job.copilot", "--from", "staging", "--to", "prod", "-y")
    assert done.code == 3
    assert "Write `environments: {prod: {promote: staging}}`" in " ".join(done.err.split())


def test_prod_goes_back_to_a_model_that_staging_has_kept(lab: Lab, elsewhere: Cloud) -> None:
    passing = PROD.replace("{evaluation: exam}", "{evaluation: exam, require: {score: {at_least: 0.5}}}")
    in_two_accounts(lab, elsewhere, prod=f"{passing}, keep_models: 1")
    lab.apply("--env", "staging")
    lab.apply("--env", "prod")
    old = model_of(lab, "prod")
    lab.train_half()
    for environment in ("staging", "prod", "staging"):
        lab.apply("--env", environment)
    assert served(elsewhere) == {"chat": model_of(lab, "prod")}
    lab.folder.ok("rollback", "deployment.prod", "--env", "prod", "-y")
    assert served(elsewhere) == {"chat": old}
    lab.apply("--env", "staging")
    lab.apply("--env", "prod")
    assert served(elsewhere) == {"chat": old}
    assert lab.run("plan", "--env", "prod", "--detailed-exitcode").code == 0
