"""Clients for Python: LiteLLM, LangChain, azure-ai-projects and azure-ai-evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.clients.account import QUESTIONS, environment
from tests.clients.conftest import Did
from tests.clients.install import Client, from_pypi
from tests.clients.manual import script
from tests.emulator.samples import jsonl, lines, text
from tests.emulator.server import MODEL, STANDARD, Emulator, deployment, ended, upload
from tests.emulator.talking import GREETING, SKY


def data(folder: Path) -> Path:
    path = folder / "train.jsonl"
    path.write_bytes(jsonl(lines(12)))
    return path


def ran(client: Client, section: str, name: str, emulator: Emulator, **environ: str) -> Any:
    """What a script printed after the code of a section: the last line, because clients print, too."""
    given = {**environment(emulator), "QUESTIONS": json.dumps(QUESTIONS), **environ}
    done = client.run("python", script(client, section, name), **given)
    assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def test_litellm(account: Emulator, tmp_path: Path, did: Did) -> None:
    client = from_pypi("LiteLLM", "litellm")
    did(client, "completes, streams, calls tools, answers by a JSON schema")
    did(client, "uploads a file, creates, reads and lists jobs")
    found = ran(
        client, "LiteLLM", "with_litellm.py", account,
        DATA=str(data(tmp_path)), LITELLM_LOCAL_MODEL_COST_MAP="True",
    )  # fmt: skip
    assert found["first"]
    assert (found["hello"], found["stream"]) == (GREETING, GREETING)
    assert found["call"] == ["set_colour", {"colour": "red"}]
    assert found["sky"] == SKY
    assert found["bytes"] == data(tmp_path).stat().st_size
    assert found["model"].startswith("gpt-4o-mini-2024-07-18.ft-")
    assert (found["jobs"], found["refused"]) == (1, 400)


def test_langchain(account: Emulator, did: Did) -> None:
    client = from_pypi("LangChain (langchain-openai)", "langchain-openai")
    found = ran(client, "LangChain", "with_langchain.py", account)
    did(
        client,
        "invokes, streams, calls tools, gives structured output: AzureChatOpenAI, and ChatOpenAI on v1",
    )
    for name in ("AzureChatOpenAI", "ChatOpenAI"):
        said = found[name]
        assert (said["hello"], said["stream"]) == (GREETING, GREETING)
        assert said["call"] == ["set_colour", {"colour": "red"}]
        assert said["sky"] == said["json"] == SKY
        assert said["tokens"] > 5


def test_azure_ai_projects(account: Emulator, tmp_path: Path, did: Did) -> None:
    client = from_pypi("azure-ai-projects", "azure-ai-projects", "azure-identity")
    did(client, "lists deployments and connections of a project, with the key of one", "over HTTPS only")
    did(client, "uploads a file, trains and gets responses by get_openai_client", "over HTTPS only")
    tls, certificate = str(account.place["tls_url"]), str(account.place["ca"])
    found = ran(
        client, "azure-ai-projects", "with_projects.py", account,
        DATA=str(data(tmp_path)), PROJECT_ENDPOINT=f"{tls}/api/projects/support",
        SSL_CERT_FILE=certificate, REQUESTS_CA_BUNDLE=certificate,
        IDENTITY_ENDPOINT=f"{account.url}/msi/token", IDENTITY_HEADER=account.key,
    )  # fmt: skip
    assert set(found["deployments"]) == {"base", "copilot"}
    assert found["deployments"]["base"] == "gpt-4o-mini"
    assert (found["publisher"], found["sku"]) == ([], "Standard")
    assert found["connections"] == [["emulator", "AzureOpenAI", True]]
    assert found["key"] == account.key
    assert found["base_url"].startswith(f"{tls}/api/projects/support/openai/v1")
    assert found["model"].startswith("gpt-4o-mini-2024-07-18.ft-")
    assert found["hello"] == GREETING


def test_azure_ai_evaluation(emulator: Emulator, tmp_path: Path, did: Did) -> None:
    client = from_pypi("azure-ai-evaluation", "azure-ai-evaluation")
    did(client, "evaluates rows by checks, similarity, labels and scores, as evals of the service")
    labels = {"Paris": "city", "Peru": "country", "Mars": "a planet"}
    scores = {"Paris": "7", "Peru": '{"score": 2.5}', "Mars": "10"}
    known = {f"label {k}": v for k, v in labels.items()} | {f"score {k}": v for k, v in scores.items()}
    with emulator.data() as sdk, emulator.control() as control:
        job = sdk.fine_tuning.jobs.create(
            model=MODEL,
            training_file=upload(sdk, jsonl([text(*pair) for pair in known.items()] * 8)),
            hyperparameters={"n_epochs": 20},
            extra_body=STANDARD,
        )
        body = deployment(str(ended(sdk, job.id).fine_tuned_model))
        control.deployments.begin_delete("rg-emulator", "emulator", "copilot").result()
        emulator.advance(600)
        control.deployments.begin_create_or_update("rg-emulator", "emulator", "copilot", body).result()
    emulator.advance(60)
    rows = [{"answer": k, "expected": "Paris"} for k in labels]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(rows))
    found = ran(client, "azure-ai-evaluation", "with_evaluation.py", emulator, DATA=str(path))
    assert found["metrics"]["exact.pass_rate"] == 1 / 3
    assert found["metrics"]["city.pass_rate"] == 1 / 2, "the label that can't be read counts in neither"
    assert found["metrics"]["alike.pass_rate"] == 2 / 3, "Mars is like Paris"
    assert found["metrics"]["size.pass_rate"] == 2 / 3
    assert [row["outputs.size.score"] for row in found["rows"]] == [7.0, 2.5, 10.0]
    assert [row["outputs.exact.passed"] for row in found["rows"]] == [True, False, False]
    assert [row["outputs.city.score"] for row in found["rows"]][:2] == [1.0, 0.0]
