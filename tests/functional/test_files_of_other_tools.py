"""Files of other tools beside a spec are skipped with a note, and defaults come from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.golden.cli import Folder

OTHERS: Mapping[str, str] = {
    "environment.yml": "name: ml\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n",
    "azure.yaml": "name: app\nservices:\n  web: {host: appservice}\n",
    "params.yaml": "lr: 0.1\ntrain: {epochs: 3}\n",
    "dvc.yaml": "stages:\n  train: {cmd: python train.py}\n",
    "compose.yaml": "services: {}\nvolumes: {}\n",
    "chart.yaml": "replicas: {{ .Values.replicas }}\n",
    "notes.yml": "only text\n  and: [\n",
}
LIKE_SECTIONS: Mapping[str, str] = {
    "azure-pipelines.yml": "trigger: [main]\nvariables: {python: '3.11'}\njobs:\n- job: test\n  steps: []\n",
    "workflow.yml": "on: push\njobs:\n  test: {runs-on: ubuntu-latest, steps: [{run: make}]}\n",
    "action.yml": "name: a\ninputs: {}\noutputs: {x: {value: z}}\nruns: {using: composite}\n",
    "environment.yml": "name: ml\ndependencies: [python]\nvariables: {OMP_NUM_THREADS: 1}\n",
    "pubspec.yaml": "name: app\nenvironment: {sdk: '>=3.0.0'}\ndependencies: {}\n",
    "serverless.yml": "service: app\nprovider: {name: aws, runtime: python3.12}\nfunctions: {}\n",
    "promptfooconfig.yaml": "prompts: [a]\nproviders: [openai:gpt-4o]\ntests: []\n",
    "dvc.yaml": "stages: {}\ndatasets:\n- {name: a, url: b}\nmetrics: []\n",
    "params.yaml": "hyperparameters: {lr: 0.1}\ntrain: {epochs: 3}\n",
    "axolotl.yaml": "base_model: m\ndatasets:\n- {path: d.jsonl, type: chat_template}\n",
    "llama_factory.yaml": "stage: sft\ndataset: identity\nmodel_name_or_path: m\n",
    "databricks.yml": "bundle: {name: b}\nvariables: {a: {default: 1, description: x}}\ntargets: {}\n",
    "helmfile.yaml": "environments: {default: {values: [a.yaml]}}\nreleases: []\n",
    "Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
    "kustomization.yaml": "resources: [a.yaml]\nkind: Kustomization\n",
    "mkdocs.yml": "site_name: a\nplugins: [search]\nmarkdown_extensions: [!!python/name:a.b {}]\n",
    "openapi.yaml": "openapi: 3.1.0\ninfo: {title: a, version: '1'}\npaths: {}\n",
    "docker-compose.yml": "services: {web: {image: a, environment: {A: b}}}\nconfigs: {}\n",
}
"""Some of their keys are sections, or nearly."""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    here = Folder(tmp_path)
    here.ok("init")
    return here


_ALL = [*OTHERS.items(), *LIKE_SECTIONS.items()]


@pytest.mark.parametrize(("name", "text"), _ALL, ids=[name for name, _ in _ALL])
def test_a_file_of_another_tool_is_skipped(folder: Folder, name: str, text: str) -> None:
    folder.write(name, text)
    done = folder.run("validate")
    assert (done.code, done.out) == (0, folder.ok("validate"))
    assert f"note: {name} is skipped" in done.err
    folder.write("ftops.yaml", (folder.path / "ftops.yaml").read_text() + "\n")
    assert folder.run("plan").code == 0


@pytest.mark.parametrize(("text", "code"), [("name: café\n", 0), ("jobs: {}\n", 1)], ids=["another", "ours"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_skipped_unless_it_has_sections(
    folder: Folder, encoding: str, text: str, code: int
) -> None:
    (folder.path / "other.yml").write_bytes(f"{text}# é\n".encode(encoding))
    done = folder.run("validate")
    assert done.code == code
    assert ("is skipped" if code == 0 else "error: the file is not UTF-8 text") in done.err


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 0),
        (b"\x1f\x8b\x08\0\xff\xff", 0),
        (b"jobs\n  a: {\n", 1),
        (b" deployment\n  \xff", 1),
        ("jobs:\n  a: {}\n".encode("utf-16-le"), 1),
    ],
    ids=["image", "archive", "no colon", "indented", "UTF-16 without its mark"],
)
def test_a_file_without_keys_is_skipped_unless_it_may_have_sections(
    folder: Folder, raw: bytes, code: int
) -> None:
    (folder.path / "other.yml").write_bytes(raw)
    done = folder.run("validate")
    assert done.code == code
    assert ("note: other.yml is skipped" in done.err) == (code == 0)


def test_several_are_one_note_without_their_lines(folder: Folder) -> None:
    for name, text in OTHERS.items():
        folder.write(name, text)
    said = folder.run("validate").err
    assert said.count("note: ") == 1
    assert (
        "note: azure.yaml, chart.yaml, compose.yaml, dvc.yaml, environment.yml, notes.yml and 1 more are"
        in said
    )
    assert "conda-forge" not in said


def test_values_of_variables_beside_the_spec_are_not_taken_by_themselves(folder: Folder) -> None:
    folder.write("prod.yaml", "capacity: 77\n")
    done = folder.run("plan")
    assert (done.code, "77" in done.out) == (0, False)
    assert "note: prod.yaml is skipped" in done.err and "--var-file prod.yaml" in done.err
    passed = folder.run("plan", "--var-file", "prod.yaml")
    assert "sku.capacity = 77" in passed.out and "skipped" not in passed.err


_MISSPELLED = ("job:\n  a: {}\n", "jbos: {}\n", "deployment: {}\n", "polcy: {}\n", "Jobs: {}\n")


@pytest.mark.parametrize("text", _MISSPELLED)
def test_a_misspelled_section_is_an_error(folder: Folder, text: str) -> None:
    folder.write("more.yaml", text)
    done = folder.run("validate")
    assert done.code == 1 and f"unknown section `{text.partition(':')[0]}`" in done.err


_PARTS = {
    "jobs": "jobs:\n  b: {model: gpt-4o-mini-2024-07-18, training: train}\nnotes: 1\n",
    "job": "job:\n  b: {model: gpt-4o-mini-2024-07-18, training: train}\nnotes: 1\n",
    "providers": "providers:\n  b: {type: azure_openai}\nnotes: 1\n",
    "environments": "environments:\n  b: {provider: local}\nnotes: 1\n",
    "ftops": "ftops: {state: {path: elsewhere}}\nnotes: 1\n",
}


@pytest.mark.parametrize("name", _PARTS)
def test_a_part_of_the_spec_is_not_skipped_for_a_key_that_is_none(folder: Folder, name: str) -> None:
    folder.write("more.yaml", _PARTS[name])
    done = folder.run("validate")
    assert done.code == 1 and "unknown section `notes`" in done.err


def test_without_a_file_of_the_usual_name_every_file_is_read(folder: Folder) -> None:
    (folder.path / "ftops.yaml").rename(folder.path / "chat.yaml")
    folder.write("params.yaml", OTHERS["params.yaml"])
    done = folder.run("validate")
    assert done.code == 1 and "unknown section `lr`" in done.err


def test_defaults_from_the_environment(folder: Folder) -> None:
    spec = (folder.path / "ftops.yaml").read_text()
    folder.write("ftops.yaml", spec + "\nenvironments:\n  staging: {variables: {capacity: 33}}\n")
    outside = Folder(folder.path.parent)
    environ = {"FTOPS_ENV": "staging", "FTOPS_SPEC": folder.path.name}
    assert "sku.capacity = 33" in outside.run("plan", environ=environ).out
    given = outside.run("plan", folder.path.name, "--env", "default", environ={"FTOPS_ENV": "staging"})
    assert "sku.capacity = 10" in given.out
    wrong = outside.run("plan", environ={**environ, "FTOPS_ENV": "stagin"})
    assert wrong.code == 1 and "Did you mean `staging`?" in wrong.err
