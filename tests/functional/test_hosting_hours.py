"""Hosting hours: what apply and reconcile create and delete, and when; and what nobody approved.

The service is an emulator. Commands are told the time of a reconcile; sessions have a clock of their own.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.applying.run import Settings
from ftops.config.loader import load
from ftops.core.address import Address
from ftops.planning.plan import Action, Plan
from ftops.planning.saved.plan_digest import plan_digest
from ftops.session.apply import apply_plan
from ftops.session.session import Session
from ftops.state.backends.local import LocalStore
from ftops.state.state import State
from tests.contract.azure_cloud import BASE_MODEL, Cloud, until
from tests.golden.cli import Done, Folder
from tests.support.command import run
from tests.support.gated import Lab, emptied

COPILOT = Address("deployment", "copilot")
NOON, NIGHT = datetime(2026, 12, 1, 12, tzinfo=UTC), datetime(2026, 12, 1, 22, tzinfo=UTC)
DAYTIME = "Mon-Fri 08:00-18:00 UTC"


def around_now(start: int, end: int) -> str:
    """Hours of every day that begin and end so many hours after now."""
    now = datetime.now(UTC)
    first, last = (now + timedelta(hours=number) for number in (start, end))
    return f"Mon-Sun {first:%H:%M}-{last:%H:%M} UTC"


ON, OFF = around_now(-3, 3), around_now(3, 6)
"""Hours that have begun, and hours that haven't."""
LATER = (datetime.now(UTC) + timedelta(hours=4.5)).isoformat()
"""When it is the other way round."""


@dataclass(frozen=True)
class Office:
    """A spec with a deployment that has hours, and its account."""

    folder: Folder
    cloud: Cloud

    def spec(
        self, hours: str = ON, *, model: str = "gpt-4o-mini", more: str = "", rest: str = "", url: str = ""
    ) -> None:
        provider = f"{{type: emulator, url: '{url or self.cloud.url}', api_key: '{self.cloud.key}'}}"
        hosting = f", hosting: {{hours: '{hours}'}}" if hours else ""
        self.folder.write(
            "ftops.yaml",
            f"ftops: {{name: office}}\nproviders: {{here: {provider}}}\n"
            f"deployments:\n  copilot: {{model: {model}{hosting}{more}}}\n{rest}",
        )

    def run(self, *words: str) -> Done:
        return self.folder.run(*words)

    def apply(self, *words: str) -> str:
        return self.folder.ok("apply", "-y", *words)

    def reconcile(self, code: int = 0, at: str = "") -> list[Any]:
        """What it has switched."""
        done = self.run("reconcile", "-o", "json", *(("--as-of", at) if at else ()))
        assert done.code == code, done
        return list(done.json["switched"])

    def plan(self, *words: str) -> Any:
        return self.run("plan", "-o", "json", *words).json

    def deployments(self) -> dict[str, str]:
        return {one["name"]: one["model"] for one in self.cloud.admin("GET", "objects")["deployments"]}

    def created(self) -> int:
        return int(self.cloud.admin("GET", "objects")["created"]["deployments"])

    @property
    def state(self) -> State:
        return LocalStore(self.folder.path / "state", "office", "default").read()

    def session(self, at: datetime) -> Session:
        session = Session.open(load(self.folder.path, environ={}))
        session.wall_clock = lambda: at
        return session

    def planned(self, at: datetime) -> Plan:
        with self.session(at) as session:
            return session.plan(preflight=False)

    def applied(self, at: datetime) -> Plan:
        """As of that time."""
        with self.session(at) as session, session.locked("apply"):
            plan = session.plan(preflight=False)
            report = apply_plan(session, plan, Settings(), lambda event: None)
        assert report.result == "done"
        return plan


@pytest.fixture
def office(tmp_path: Path, account: Cloud) -> Iterator[Office]:
    with emptied(account) as cloud:
        office = Office(Folder.make(tmp_path / "here"), cloud)
        office.spec()
        yield office


def actions(plan: Any) -> dict[str, str]:
    return {change["step"]: change["action"] for change in plan["changes"]}


# a day


def test_a_day(office: Office) -> None:
    office.apply()
    assert office.deployments() == {"copilot": "gpt-4o-mini"}
    assert office.reconcile() == []
    (off,) = office.reconcile(at=LATER)
    assert (off["address"], off["is_on"], off["result"]) == ("deployment.copilot", False, "done")
    assert (office.deployments(), office.state.resources[COPILOT].is_off) == ({}, True)
    assert office.reconcile(at=LATER) == []
    (on,) = office.reconcile()
    assert (on["is_on"], on["result"]) == (True, "done")
    assert (office.deployments(), office.created()) == ({"copilot": "gpt-4o-mini"}, 2)
    assert office.run("plan", "--detailed-exitcode").code == 0
    assert [run["operation"] for run in office.run("audit", "-o", "json").json["runs"]] == [
        "apply",
        "reconcile",
        "reconcile",
    ]


def test_before_its_hours_it_is_declared_and_absent(office: Office) -> None:
    office.spec(OFF)
    plan = office.run("plan")
    assert "deployment.copilot is off until" in plan.out
    assert "(hosting hours)" in plan.out
    assert "off until" in office.apply()
    assert (office.deployments(), office.created()) == ({}, 0)
    again = office.run("plan", "--detailed-exitcode")
    assert (again.code, "is off until" in again.out) == (0, True)
    assert office.run("plan", "--refresh-only", "--detailed-exitcode").code == 0
    assert "deployment.copilot  (off: hosting hours)" in office.folder.ok("state", "list")
    assert [one["is_on"] for one in office.reconcile(at=LATER)] == [True]
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_apply_switches_too(office: Office) -> None:
    office.apply()
    office.reconcile(at=LATER)
    plan = office.run("plan", "--detailed-exitcode")
    assert (plan.code, "will be switched on because its hosting hours have begun" in plan.words) == (2, True)
    assert "1 switched" in office.apply()
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_the_same_hours_written_otherwise_change_nothing(office: Office) -> None:
    office.spec("Mon-Fri 08:00-18:00 Europe/Berlin")
    office.apply()
    office.spec("mon - fri  8:00-12:00,12:00-18:00  Europe/Berlin")
    assert office.run("plan", "--detailed-exitcode").code == 0


# approvals


@pytest.mark.parametrize("edit", ["first", "capacity", "model", "hours"])
def test_a_plan_has_one_digest_in_and_out_of_hours(office: Office, edit: str) -> None:
    office.spec(DAYTIME)
    if edit != "first":
        office.applied(NOON)
        changed = {
            "capacity": {"more": ", sku: {capacity: 3}"},
            "model": {"model": "gpt-4o"},
            "hours": {"hours": "Mon-Fri 07:00-19:00 UTC"},
        }[edit]
        office.spec(**{"hours": DAYTIME, **changed})
    digests = {plan_digest(office.planned(at)) for at in (NOON, NIGHT)}
    if edit != "first":
        with office.session(NIGHT) as session, session.locked("reconcile"):
            apply_plan(session, session.plan_switches([COPILOT]), Settings(), lambda event: None)
        assert office.deployments() == {}
        digests |= {plan_digest(office.planned(at)) for at in (NOON, NIGHT)}
    assert len(digests) == 1


def test_a_plan_that_was_saved_before_the_hours_is_applied_after_their_beginning(office: Office) -> None:
    office.apply()
    office.reconcile(at=LATER)
    office.spec(more=", sku: {capacity: 3}")
    office.folder.ok("plan", "--out", "plan.ft")
    assert "switch" not in office.folder.ok("show", "plan.ft")
    office.reconcile()
    office.folder.ok("apply", "plan.ft")
    assert office.cloud.control("GET", path="/deployments/copilot").json()["sku"]["capacity"] == 3
    assert office.created() == 2


def test_an_approval_by_digest_switches_nothing_else(office: Office) -> None:
    office.apply()
    office.reconcile(at=LATER)
    office.spec(rest="  other: {model: gpt-4o}\n")
    digest = office.plan("--target", "deployment.other")["digest"]
    assert office.plan()["digest"] == digest
    office.folder.ok("apply", "--expect-digest", digest)
    assert office.deployments() == {"other": "gpt-4o"}
    assert office.state.grants == {}


def test_the_applied_hours_count_not_those_of_the_working_copy(office: Office) -> None:
    office.apply()
    for hours in (OFF, ""):
        office.spec(hours)
        assert office.reconcile() == []
    office.spec(OFF, model="gpt-4o")
    office.reconcile(at=LATER)
    office.reconcile()
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_hours_in_somebody_elses_checkout_are_refused(office: Office, tmp_path: Path) -> None:
    office.apply()
    office.reconcile(at=LATER)
    other = Office(Folder(shutil.copytree(office.folder.path, tmp_path / "clone")), office.cloud)
    (refused,) = other.reconcile(3)
    assert refused["result"] == "refused"
    assert "can't be trusted here" in refused["diagnostics"][0]["summary"]
    assert (office.created(), other.run("reconcile").code) == (1, 3)
    digest = other.plan()["digest"]
    other.run("apply", "--expect-digest", digest)
    assert office.created() == 1
    other.apply()
    assert (office.created(), other.reconcile(), other.reconcile(at=LATER)[0]["result"]) == (2, [], "done")


def test_hours_of_another_object_are_refused(office: Office) -> None:
    """A branch with a state in Git, in which the deployment that is deleted in the evening is another one."""
    office.spec(ON, rest="  vital: {model: gpt-4o-mini}\n")
    office.apply()
    state, vital = office.state, Address("deployment", "vital")
    records = {**state.resources}
    records[COPILOT] = replace(records[COPILOT], remote_id=records.pop(vital).remote_id)
    store = LocalStore(office.folder.path / "state", "office", "default")
    store.write(replace(state, resources=records))
    (one,) = office.reconcile(3, LATER)
    assert "can't be trusted here" in one["diagnostics"][0]["summary"]
    assert office.deployments().keys() == {"copilot", "vital"}


def test_hours_at_another_account_are_refused(office: Office) -> None:
    office.apply()
    office.spec(url="http://127.0.0.1:9")
    refused = office.run("reconcile", "--as-of", LATER)
    assert (refused.code, "no provider of the spec reaches" in refused.words) == (3, True)
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_a_secret_that_is_not_known_is_refused(office: Office) -> None:
    office.spec(more=', tags: {owner: "${env.OWNER}"}')
    assert office.folder.run("apply", "-y", environ={"OWNER": "canary-7"}).code == 0
    (refused,) = office.reconcile(3, at=LATER)
    assert "the value of ${env.OWNER} isn't known" in refused["diagnostics"][0]["summary"]
    known = {"OWNER": "canary-7"}
    for at in (("--as-of", LATER), ()):
        assert office.folder.run("reconcile", *at, environ=known).code == 0
    assert office.cloud.control("GET", path="/deployments/copilot").json()["tags"]["owner"] == "canary-7"
    assert "canary" not in (office.folder.path / "state" / "office" / "default.json").read_text()


def test_another_time_is_only_for_rehearsals(office: Office) -> None:
    office.apply()
    account = "subscription_id: s, resource_group: r, account: a"
    office.folder.edit("type: emulator, url:", f"type: azure_openai, {account}, endpoint:")
    done = office.run("reconcile", "--as-of", LATER)
    assert (done.code, "--as-of is for a rehearsal" in done.words) == (1, True)
    done = office.run("reconcile", "--as-of", "tomorrow")
    assert (done.code, "isn't a time" in done.words) == (1, True)


# changes


@pytest.mark.parametrize("blue_green", [False, True])
def test_a_change_while_it_is_off_is_made_when_it_is_on_again(office: Office, blue_green: bool) -> None:
    more = ", replace: blue_green" * blue_green
    office.spec(DAYTIME, more=more)
    office.applied(NOON)
    office.applied(NIGHT)
    assert office.deployments() == {}
    office.spec(DAYTIME, more=f"{more}, sku: {{name: GlobalStandard, capacity: 2}}")
    plan = office.applied(NIGHT)
    assert Action.REPLACE in {change.action for change in plan.changes}
    assert (office.deployments(), office.created()) == ({}, 1)
    assert office.planned(NIGHT).is_empty
    office.applied(NOON)
    (name,) = office.deployments()
    assert name.startswith("copilot")
    assert office.cloud.control("GET", path=f"/deployments/{name}").json()["sku"]["name"] == "GlobalStandard"
    assert office.planned(NOON).is_empty
    assert not office.state.deposed


@pytest.mark.parametrize("blue_green", [False, True])
def test_a_change_while_it_is_on_after_its_hours_leaves_it_off(office: Office, blue_green: bool) -> None:
    more = ", replace: blue_green" * blue_green
    office.spec(DAYTIME, more=more)
    office.applied(NOON)
    office.spec(DAYTIME, more=f"{more}, sku: {{name: GlobalStandard}}")
    office.applied(NIGHT)
    assert (office.deployments(), office.created()) == ({}, 1)
    assert not office.state.deposed


def test_an_update_after_its_hours_leaves_it_off(office: Office) -> None:
    office.spec(DAYTIME)
    office.applied(NOON)
    office.spec(DAYTIME, more=", sku: {capacity: 3}")
    office.applied(NIGHT)
    assert office.deployments() == {}
    assert office.state.resources[COPILOT].inputs["sku"] == {"name": "Standard", "capacity": 3}
    office.applied(NOON)
    assert office.cloud.control("GET", path="/deployments/copilot").json()["sku"]["capacity"] == 3


def test_without_its_hours_it_is_always_there(office: Office) -> None:
    office.spec(DAYTIME)
    office.applied(NIGHT)
    office.spec("")
    plan = office.applied(NIGHT)
    assert [change.action for change in plan.changes] == [Action.UPDATE]
    assert office.deployments() == {"copilot": "gpt-4o-mini"}
    assert not office.state.resources[COPILOT].is_off
    office.spec(DAYTIME)
    office.applied(NIGHT)
    assert office.deployments() == {}


def test_a_protected_deployment_has_hours_too(office: Office) -> None:
    """Nothing of it is lost: it is created again as it was."""
    office.spec(more=", lifecycle: {prevent_destroy: true}")
    office.apply()
    office.reconcile(at=LATER)
    assert office.deployments() == {}
    assert office.run("destroy", "-y").code == 3
    office.reconcile()
    assert office.state.resources[COPILOT].prevent_destroy
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


@pytest.mark.parametrize("how", ["destroy", "undeclared"])
def test_it_ends_while_it_is_off(office: Office, how: str) -> None:
    office.apply()
    office.reconcile(at=LATER)
    office.cloud.admin("DELETE", "log")
    if how == "destroy":
        office.folder.ok("destroy", "-y")
    else:
        office.folder.edit("deployments:\n  copilot: ", "deployments:\n  other: ")
        office.folder.edit(f"hosting: {{hours: '{ON}'}}", f"hosting: {{hours: '{OFF}'}}")
        office.apply()
    assert COPILOT not in office.state.resources
    writes = [r for r in office.cloud.admin("GET", "log")["requests"] if r["method"] in ("PUT", "DELETE")]
    assert writes == []
    assert office.reconcile() == []


def test_a_target_leaves_others_as_they_are(office: Office) -> None:
    office.spec(rest="  other: {model: gpt-4o}\n")
    office.apply()
    office.reconcile(at=LATER)
    assert actions(office.plan("--target", "deployment.other")) == {}
    office.apply("--target", "deployment.other")
    assert office.deployments() == {"other": "gpt-4o"}


def test_an_import_gets_hours(office: Office) -> None:
    office.spec("")
    office.apply()
    office.folder.ok("state", "rm", "deployment.copilot")
    office.spec(ON, rest="import:\n- {to: deployment.copilot, id: copilot}\n")
    office.apply()
    office.reconcile(at=LATER)
    assert office.deployments() == {}
    office.reconcile()
    assert (office.deployments(), office.created()) == ({"copilot": "gpt-4o-mini"}, 2)


# what others do


def test_what_somebody_deletes_outside_its_hours_is_no_drift(office: Office) -> None:
    office.spec(DAYTIME)
    office.applied(NOON)
    office.cloud.control("DELETE", path="/deployments/copilot").raise_for_status()
    plan = office.planned(NIGHT)
    assert (plan.drift, plan.changes) == ((), ())
    assert [one.text for one in plan.off] == ["Wed 08:00 UTC"]
    office.applied(NIGHT)
    assert office.state.resources[COPILOT].is_off
    office.applied(NOON)
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_what_somebody_deletes_in_its_hours_is_drift_and_left_to_apply(office: Office) -> None:
    office.apply()
    office.cloud.control("DELETE", path="/deployments/copilot").raise_for_status()
    assert office.reconcile() == []
    assert [one["kind"] for one in office.plan()["drift"]] == ["vanished"]
    office.apply()
    assert office.created() == 2


def test_a_name_that_somebody_has_taken_meanwhile(office: Office) -> None:
    office.apply()
    office.reconcile(at=LATER)
    body = {
        "sku": {"name": "Standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": "gpt-4o", "version": "2024-08-06"}},
    }
    office.cloud.control("PUT", body, "/deployments/copilot").raise_for_status()
    (failed,) = office.reconcile(1)
    assert failed["result"] == "failed"
    assert "copilot" in failed["diagnostics"][0]["summary"]
    assert "the next run tries again" in office.run("reconcile").out
    office.cloud.control("DELETE", path="/deployments/copilot").raise_for_status()
    assert [one["result"] for one in office.reconcile()] == ["done"]
    assert office.deployments() == {"copilot": "gpt-4o-mini"}


def test_quota_that_others_have_taken_meanwhile(office: Office) -> None:
    office.apply()
    office.reconcile(at=LATER)
    office.cloud.fault(
        "PUT /subscriptions*/deployments/*", status=400, code="InsufficientQuota", times=1, message="no quota"
    )
    (failed,) = office.reconcile(1)
    assert (failed["result"], office.deployments()) == ("failed", {})
    assert [one["result"] for one in office.reconcile()] == ["done"]


# killed


@pytest.mark.parametrize("is_on", [True, False])
def test_a_kill_at_each_write_is_made_good_by_the_next_run(office: Office, is_on: bool) -> None:
    office.apply()
    at = "" if is_on else LATER
    other = LATER if is_on else ""
    for number in range(1, 9):
        office.reconcile(at=other)
        before = office.created()
        words = ["reconcile", *(("--as-of", at) if at else ())]
        kill = (sys.executable, "-m", "tests.support.kill_at", str(number), "before", "--", *words)
        killed = run(kill, office.folder.path)
        office.reconcile(at=at)
        assert bool(office.deployments()) == is_on
        assert office.created() == before + is_on
        assert office.state.resources[COPILOT].is_off != is_on
        assert not office.state.pending
        if killed.returncode == 0:
            return
    pytest.fail("it never ended by itself")


# what needs it


@pytest.fixture
def lab(account: Cloud, tmp_path: Path) -> Iterator[Lab]:
    with emptied(account) as cloud:
        yield Lab.make(tmp_path, cloud)


def test_its_model_is_evaluated_outside_its_hours(lab: Lab) -> None:
    """A new model is compared with that of the deployment which is off, through temporary deployments."""
    hosted = f"hosting: {{hours: '{ON}'}}, gate: {{evaluation: exam, require: {{verdict: not_worse}}}}"
    exam = 'model: "${job.copilot.fine_tuned_model}", baseline: serving'
    lab.spec(exam, hosted.replace("not_worse", "better"))
    lab.folder.ok("apply", "-y")
    first = lab.deployments()["prod"]
    lab.folder.ok("reconcile", "--as-of", LATER)
    assert lab.deployments() == {}
    lab.spec(exam, hosted.replace(ON, OFF))
    lab.folder.edit("n_epochs: 8", "n_epochs: 9")
    lab.folder.ok("apply", "-y")
    assert lab.deployments() == {}
    assert first in lab.folder.ok("state", "show", "evaluation.exam", "-o", "json")
    lab.folder.ok("reconcile", "--as-of", LATER)
    assert lab.deployments()["prod"] not in ("", first)


def test_asking_a_deployment_that_is_off_says_so(lab: Lab) -> None:
    lab.spec("", f"hosting: {{hours: '{OFF}'}}")
    lab.folder.ok("apply", "-y")
    done = lab.folder.run("eval", "--deployment", "prod", "--prompts", "prompts.json")
    assert (done.code, "deployment prod is off" in done.words) == (1, True)


def test_a_training_that_ends_after_the_hours_deploys_nothing(lab: Lab) -> None:
    lab.spec("", f"hosting: {{hours: '{ON}'}}")
    lab.cloud.admin("PATCH", "settings", {"min_training_seconds": 3600})
    digest = json.loads(lab.folder.run("plan", "-o", "json").out)["digest"]
    assert lab.folder.run("apply", "--expect-digest", digest, "--no-wait").code == 4
    until(lambda: all(job["computed"] for job in lab.objects()["jobs"]))
    lab.cloud.admin("POST", "clock", {"advance": 7200})
    done = lab.folder.run("reconcile", "--as-of", LATER, "-o", "json")
    assert (done.code, done.json["grants"][0]["result"], done.json["switched"]) == (0, "done", [])
    assert lab.deployments() == {}
    (on,) = lab.folder.run("reconcile", "-o", "json").json["switched"]
    assert (on["is_on"], list(lab.deployments())) == (True, ["prod"])


# costs


def test_the_plan_shows_what_the_hours_save(lab: Lab) -> None:
    lab.spec("", "hosting: {hours: 'Mon-Fri 08:00-18:00 Europe/Berlin'}")
    text = lab.folder.run("plan").words
    assert "$1.70 an hour, about $369 a month in its hosting hours instead of $1,241 (saves $872)" in text
    estimate = lab.folder.run("plan", "-o", "json").json["estimate"]
    assert estimate["hosting"][0]["hours_per_month"] == pytest.approx(217.26)
    assert estimate["hosting_per_month"] == pytest.approx(369.35)
    markdown = lab.folder.ok("plan", "-o", "markdown")
    assert "hosting $1.70 an hour, about $369 a month" in markdown
    assert "saves $872" in markdown


def test_hours_of_a_deployment_that_exists_show_what_they_save(lab: Lab) -> None:
    lab.spec("", "sku: {capacity: 1}")
    lab.folder.ok("apply", "-y")
    lab.spec("", f"sku: {{capacity: 1}}, hosting: {{hours: '{ON}'}}")
    assert "saves $931" in lab.folder.run("plan").words


def test_a_policy_counts_the_hours(lab: Lab) -> None:
    policy = "policy:\n- {deny: {cost: {hosting_per_month: 500}}, name: dear}\n"
    lab.spec("", "hosting: {hours: 'Mon-Fri 08:00-18:00 Europe/Berlin'}", policy)
    assert lab.folder.run("plan").code == 0
    lab.spec("", "sku: {capacity: 1}", policy)
    assert lab.folder.run("plan").code == 3


def test_its_model_name_is_known_while_it_is_off(lab: Lab) -> None:
    more = "outputs: {name: '${deployment.prod.name}', model: '${deployment.prod.model}'}\n"
    lab.spec("", f"hosting: {{hours: '{OFF}'}}", more)
    lab.folder.ok("apply", "-y")
    outputs = lab.folder.run("output", "-o", "json").json["outputs"]
    assert outputs["name"]["value"] == "prod"
    assert outputs["model"]["value"].startswith(BASE_MODEL)
