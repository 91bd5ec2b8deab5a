"""A model is evaluated, held, deployed by override, trained again, passes, and is taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.azure_cloud import Cloud, running_cloud
from tests.support.gated import ASKED, WORDS, Lab, actions, emptied, held

GATE = "gate: {evaluation: exam, require: {verdict: better, slices.hard.accuracy: {at_least: 0.9}}}"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with running_cloud(tmp_path / "account") as account, emptied(account) as cloud:
        yield Lab.make(tmp_path / "spec", cloud)


def serves(cloud: Cloud, word: str) -> str:
    """What the deployment answers."""
    import requests

    reply = requests.post(
        f"{cloud.url}/openai/deployments/prod/chat/completions",
        params={"api-version": "2024-10-21"},
        headers={"api-key": cloud.key},
        json={"messages": [{"role": "user", "content": f"say {word}"}]},
        timeout=120,
    )
    return str(reply.json()["choices"][0]["message"]["content"])


def test_from_held_to_passed_and_back(lab: Lab) -> None:
    rows = [
        {"prompt": f"say {word}", "expect": {"text": word}, "slice": "hard" if i % 4 == 0 else "easy"}
        for i, word in enumerate(WORDS)
    ]
    lab.folder.write("prompts.json", json.dumps(rows))
    lab.train_half()  # wrong for what is hard
    lab.spec(prod=GATE, more="outputs: {verdict: '${evaluation.exam.verdict}'}\n")

    out = lab.apply(code=5)
    assert "slices.hard.accuracy is 0, at least 0.9 is required" in out
    assert "1 held" in out
    assert lab.result()["verdict"] == "better"
    assert (lab.deployments(), lab.asked()) == ({}, ASKED)
    first = lab.tuned()

    plan = lab.plan()
    assert (actions(plan), list(held(plan))) == ({}, ["deployment.prod"])
    assert lab.asked() == ASKED

    lab.apply("--override-gate", "deployment.prod", "--reason", "the hard ones come later")
    assert lab.deployments() == {"prod": first}
    assert lab.is_settled()
    row = lab.run("audit", "-o", "json").json["runs"][-1]
    assert row["overrides"] == {"deployment.prod": "the hard ones come later"}

    lab.train_well()
    lab.apply()
    second = lab.tuned()
    assert lab.deployments() == {"prod": second}
    assert lab.asked() == ASKED + len(WORDS), "the base model isn't asked again"
    assert serves(lab.cloud, WORDS[0]) == WORDS[0]
    assert lab.is_settled()

    lab.train_half()  # the old spec
    lab.apply(code=5)
    assert lab.deployments() == {"prod": second}, "it didn't pass then, and doesn't now"
    lab.apply("--override-gate", "deployment.prod", "--reason", "back to the first")
    assert serves(lab.cloud, WORDS[0]) == "no"
    assert lab.asked() <= ASKED + 2 * len(WORDS) + 2
    assert lab.is_settled()


def test_a_held_change_that_is_undone(lab: Lab) -> None:
    """The model that is served, its job and its evaluation are as before, and nothing is paid again."""
    lab.apply()
    served, jobs = lab.tuned(), lab.created("jobs")
    lab.train_badly()
    lab.apply(code=5)
    lab.apply(code=5)
    lab.train_well()
    lab.forget_log()
    plan = lab.plan()
    assert actions(plan)["job.copilot"] == "restore"
    assert held(plan) == {}
    lab.apply()
    assert lab.tuned() == served
    assert lab.deployments() == {"prod": served}
    assert lab.created("jobs") == jobs + 1, "only the one that was held"
    assert (lab.asked(), lab.temporary()) == (0, [])
    assert lab.result()["verdict"] == "better"
    assert lab.is_settled()
    assert lab.objects()["counts"]["jobs"] == 1
