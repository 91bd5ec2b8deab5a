"""ftops radar, and plan as of another day, on an emulated account."""

from __future__ import annotations

from pathlib import Path

from tests.contract.azure_cloud import Cloud
from tests.contract.test_preflight_cli import spec_for
from tests.golden.cli import SPEC, Folder


def test_a_spec_from_its_first_day_to_the_end_of_its_models(account: Cloud, tmp_path: Path) -> None:
    folder = Folder.make(tmp_path, spec_for(account))
    ends = folder.run("radar", "-o", "json", "--as-of", "2027-03-01").json
    assert ends["today"] == "2027-03-01"
    found = {(d["address"], d["what"]): d for d in ends["deadlines"]}
    training = found["job.copilot", "training of gpt-4o-mini-2024-07-18"]
    assert (training["days_left"], training["is_earliest"]) == (37, True)
    soon = folder.run("radar", "--as-of", "2027-03-01", "--within", "40", "--detailed-exitcode")
    assert soon.code == 2
    assert "deployment.copilot" not in soon.out
    assert folder.run("radar", "--as-of", "2026-11-01", "--within", "5", "--detailed-exitcode").code == 0
    assert "BEGIN:VEVENT" in folder.ok("radar", "-o", "ics")
    account.fault("GET /openai*", status=503, times=1)
    assert folder.ok("radar", "-o", "markdown", "--as-of", "2027-03-01").startswith("### ⚠️ `drone`: ")
    account.clear_faults()
    azure = f"{{type: azure_openai, endpoint: {account.url}, api_key: {account.key}, "
    azure += "subscription_id: s, resource_group: g, account: a}"
    folder.write("ftops.yaml", SPEC.replace("{type: memory}", azure))
    trained = ("plan", "--target", "job.copilot")
    assert "ended" not in folder.run(*trained).err
    assert (
        "training of gpt-4o-mini-2024-07-18 may have ended"
        in folder.run(*trained, "--as-of", "2027-04-08").err
    )
    for option in ("--out=plan.ft", "--save"):
        refused = folder.run("plan", "--as-of", "2028-01-01", option)
        assert (refused.code, "can't be saved" in refused.err) == (1, True), refused
    wrong = folder.run("radar", "--as-of", "tomorrow")
    assert (wrong.code, "`tomorrow` isn't a day" in wrong.err) == (1, True), wrong
