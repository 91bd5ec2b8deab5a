"""What a spec means: each row is a spec, and a part of the Config that it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ftops.config.config import Config, Lifecycle, Resource, StateSettings
from ftops.config.graph import build
from ftops.config.loader import load
from ftops.core.address import Address, Reference, Secret, Template
from ftops.core.errors import SpecError

DATA = "datasets: {train: {path: train.jsonl}}\n"


def config(folder: Path, text: str, environ: dict[str, str] | None = None, **options: Any) -> Config:
    file = folder / "ftops.yaml"
    file.write_text(text, "utf-8")
    return load(file, environ=environ or {}, **options)


def resource(found: Config, address: str) -> Resource:
    return next(r for r in found.resources if str(r.address) == address)


def reference(text: str) -> Reference:
    address, _, attribute = text.partition(":")
    return Reference(Address.parse(address), attribute)


INPUTS = {
    "dataset: defaults": (
        DATA,
        "dataset.train",
        {"path": "train.jsonl", "purpose": "fine-tune"},
    ),
    "dataset: path is normalised": (
        "datasets: {train: {path: ./data//x/../train.jsonl}}",
        "dataset.train",
        {"path": "data/train.jsonl", "purpose": "fine-tune"},
    ),
    "dataset: url": (
        "datasets: {train: {url: 'https://example.com/a.jsonl', purpose: evals}}",
        "dataset.train",
        {"url": "https://example.com/a.jsonl", "purpose": "evals"},
    ),
    "job: defaults, bare name": (
        DATA + "jobs: {a: {model: gpt-4o-mini-2024-07-18, training: train}}",
        "job.a",
        {
            "model": "gpt-4o-mini-2024-07-18",
            "method": "supervised",
            "training": reference("dataset.train:id"),
            "training_type": "standard",
        },
    ),
    "job: everything": (
        DATA
        + """
hyperparameters: {careful: {n_epochs: 3, batch_size: auto, learning_rate_multiplier: 0.5}}
jobs:
  base: {model: gpt-4o, training: train}
  a:
    model: ${job.base.fine_tuned_model}
    training: ${dataset.train.id}
    validation: train
    hyperparameters: {use: careful, n_epochs: 4}
    training_type: GlobalStandard
    seed: 105
    suffix: team_a-1
    integrations: [{type: wandb, wandb: {project: ftops, entity: acme, tags: [1, x, 1.5, yes]}}]
""",
        "job.a",
        {
            "model": reference("job.base:fine_tuned_model"),
            "method": "supervised",
            "training": reference("dataset.train:id"),
            "validation": reference("dataset.train:id"),
            "hyperparameters": {"n_epochs": 4, "learning_rate_multiplier": 0.5},
            "training_type": "global_standard",
            "seed": 105,
            "suffix": "team_a-1",
            "integrations": [
                {
                    "type": "wandb",
                    "wandb": {"project": "ftops", "entity": "acme", "tags": ["1", "x", "1.5", "yes"]},
                }
            ],
        },
    ),
    "job: only auto": (
        DATA + "jobs: {a: {model: m, training: train, hyperparameters: {n_epochs: auto}}}",
        "job.a",
        {
            "model": "m",
            "method": "supervised",
            "training": reference("dataset.train:id"),
            "training_type": "standard",
        },
    ),
    "job: dpo": (
        "datasets: {p: {path: p.jsonl, format: preference}}\n"
        "jobs: {a: {model: m, training: p, method: dpo, beta: 0.1}}",
        "job.a",
        {
            "model": "m",
            "method": "dpo",
            "training": reference("dataset.p:id"),
            "training_type": "standard",
            "beta": 0.1,
        },
    ),
    "job: reinforcement": (
        "datasets: {p: {path: p.jsonl, format: reinforcement}}\n"
        "jobs: {a: {model: m, training: p, validation: p, method: reinforcement, "
        "hyperparameters: {eval_samples: 3}, grader: {type: python, name: 5, pass_threshold: 0.5, "
        "source: 'def grade(sample, item): return 1'}, response_format: "
        "{type: json_schema, json_schema: {name: sum, strict: true, "
        "schema: {type: object, minProperties: 1}}}}}",
        "job.a",
        {
            "model": "m",
            "method": "reinforcement",
            "training": reference("dataset.p:id"),
            "training_type": "standard",
            "validation": reference("dataset.p:id"),
            "hyperparameters": {"eval_samples": 3},
            "grader": {
                "type": "python",
                "name": "5",
                "pass_threshold": 0.5,
                "source": "def grade(sample, item): return 1",
            },
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "sum",
                    "schema": {"type": "object", "minProperties": 1},
                    "strict": True,
                },
            },
        },
    ),
    "deployment: defaults": (
        "deployments: {chat-a: {model: gpt-4o}}",
        "deployment.chat-a",
        {
            "name": "chat-a",
            "model": "gpt-4o",
            "sku": {"name": "Standard", "capacity": 1},
            "replace": "recreate",
        },
    ),
    "deployment: everything": (
        "deployments: {a: {name: Chat.1, model: gpt-4o, version: 2024-08-06, sku: {name: GlobalStandard, "
        "capacity: 50}, version_upgrade_option: NoAutoUpgrade, rai_policy: strict, "
        "tags: {cost: 007, on: no}, replace: blue_green}}",
        "deployment.a",
        {
            "name": "Chat.1",
            "model": "gpt-4o",
            "version": "2024-08-06",
            "sku": {"name": "GlobalStandard", "capacity": 50},
            "version_upgrade_option": "NoAutoUpgrade",
            "rai_policy": "strict",
            "tags": {"cost": "007", "on": "no"},
            "replace": "blue_green",
        },
    ),
    "deployment: a key without value is not set": (
        "deployments: {a: {model: gpt-4o, sku: {name: null, capacity: ~}, tags: }}",
        "deployment.a",
        {"name": "a", "model": "gpt-4o", "sku": {"name": "Standard", "capacity": 1}, "replace": "recreate"},
    ),
    "deployment: checkpoint": (
        DATA + "jobs: {a: {model: m, training: train}}\n"
        "deployments: {a: {model: '${job.a.checkpoint.80}'}, b: {model: '${job.a.checkpoint.best}'}}",
        "deployment.b",
        {
            "name": "b",
            "model": reference("job.a:checkpoint.best"),
            "sku": {"name": "Standard", "capacity": 1},
            "replace": "recreate",
        },
    ),
    "merge keys": (
        "deployments:\n  a: &a {model: gpt-4o, rai_policy: strict}\n  b: {<<: *a, rai_policy: loose}\n",
        "deployment.b",
        {
            "name": "b",
            "model": "gpt-4o",
            "rai_policy": "loose",
            "sku": {"name": "Standard", "capacity": 1},
            "replace": "recreate",
        },
    ),
}


@pytest.mark.parametrize(("text", "address", "inputs"), INPUTS.values(), ids=INPUTS.keys())
def test_inputs(tmp_path: Path, text: str, address: str, inputs: dict[str, Any]) -> None:
    assert resource(config(tmp_path, text), address).inputs == inputs


WRITTEN = {
    "no": "no",
    "1e3": "1e3",
    "2024-10-21": "2024-10-21",
    "0o17": "0o17",
    "12:30:45": "12:30:45",
    "'null'": "null",
    "true": "true",
    "$${var.x}": "${var.x}",
    '"a $${b} c"': "a ${b} c",
    "|\n      two\n      lines": "two\nlines\n",
}


@pytest.mark.parametrize(("written", "text"), WRITTEN.items())
def test_text_is_taken_as_written(tmp_path: Path, written: str, text: str) -> None:
    found = config(tmp_path, f"deployments:\n  a:\n    model: gpt-4o\n    rai_policy: {written}\n")
    assert resource(found, "deployment.a").inputs["rai_policy"] == text


VARIABLE = "variables: {%s}\noutputs: {o: '${var.v}', text: 'is ${var.v}'}\n"
VARIABLES = {
    "integer": ("v: {type: integer, default: 0x10}", [], 16),
    "number": ("v: {type: number, default: 1e3}", [], 1000.0),
    "boolean": ("v: {type: boolean, default: TRUE}", [], True),
    "string": ("v: {type: string, default: no}", [], "no"),
    "string from a number in quotes": ("v: {type: string, default: '1'}", [], "1"),
    "list": ("v: {type: list, default: [fr, 1]}", [], ["fr", 1]),
    "any: number": ("v: {default: 1}", [], 1),
    "any: text": ("v: {default: no}", [], "no"),
    "any: from outside": ("v: {default: 1}", ["v=2"], "2"),
    "integer from outside": ("v: {type: integer}", ["v=50"], 50),
    "list from outside": ("v: {type: list}", ["v=[fr, 'de', 3]"], ["fr", "de", 3]),
    "text with an equals sign": ("v: {type: string}", ["v=a=b"], "a=b"),
    "text that looks like an expression": ("v: {type: string}", ["v=${env.X}"], "${env.X}"),
    "limits": ("v: {type: integer, minimum: 1, maximum: 3, default: 3}", [], 3),
    "allowed": ("v: {type: string, allowed: [eu, 1], default: 1}", [], "1"),
    "pattern": ("v: {type: string, pattern: '[a-z]+', default: abc}", [], "abc"),
}


@pytest.mark.parametrize(("declared", "given", "value"), VARIABLES.values(), ids=VARIABLES.keys())
def test_variables(tmp_path: Path, declared: str, given: list[str], value: Any) -> None:
    text = VARIABLE % declared
    if isinstance(value, list):
        text = text.replace(", text: 'is ${var.v}'", "")
    found = config(tmp_path, text, variables=given)
    assert found.outputs[0].value == value
    assert type(found.outputs[0].value) is type(value)


def test_who_sets_a_variable(tmp_path: Path) -> None:
    """Default < environment < FTOPS_VAR_ < file < argument."""
    (tmp_path / "more.yml").write_text("v: file\n")
    text = VARIABLE % "v: {type: string, default: default}" + "environments: {dev: {variables: {v: env}}}\n"
    outside: dict[str, Any] = {"environ": {"FTOPS_VAR_v": "environ"}}
    given = [
        {},
        {"environment": "dev"},
        {"environment": "dev", **outside},
        {"environment": "dev", **outside, "variable_files": [tmp_path / "more.yml"]},
        {**outside, "variable_files": [tmp_path / "more.yml"], "variables": ["v=first", "v=argument"]},
    ]
    found = [config(tmp_path, text, **options).variables["v"] for options in given]
    assert found == ["default", "env", "environ", "file", "argument"]


def test_expressions_inside_text(tmp_path: Path) -> None:
    text = (
        DATA
        + """
variables: {n: {default: 3}, on: {default: true}, map: {default: {a: {b: [x, y]}}}}
outputs:
  scalars: n=${var.n} on=${ var.on } ${var.map.a.b.1}
  literal: $${var.n} ${var.n}
  reference: file ${dataset.train.id}!
"""
    )
    found = {o.name: o.value for o in config(tmp_path, text).outputs}
    assert found["scalars"] == "n=3 on=true y"
    assert found["literal"] == "${var.n} 3"
    assert found["reference"] == Template(("file ", reference("dataset.train:id"), "!"))


FOR_EACH = {
    "list": ("[fr, 1.0]", {"1.0": 1.0, "fr": "fr"}),
    "mapping": ("{fr: French, de: [1, x]}", {"de": [1, "x"], "fr": "French"}),
    "empty": ("[]", {}),
    "variable": ("'${var.langs}'", {"de": "de", "fr": "fr"}),
    "matrix": (
        "{matrix: {n: [1, 2], lr: [0.1]}}",
        {"lr=0.1,n=1": {"lr": 0.1, "n": 1}, "lr=0.1,n=2": {"lr": 0.1, "n": 2}},
    ),
}


@pytest.mark.parametrize(("for_each", "values"), FOR_EACH.values(), ids=FOR_EACH.keys())
def test_for_each(tmp_path: Path, for_each: str, values: dict[str, Any]) -> None:
    text = f"""
variables: {{langs: {{default: [fr, de]}}}}
datasets: {{p: {{path: p.jsonl}}, q: {{path: q.jsonl}}}}
jobs:
  a:
    for_each: {for_each}
    model: base-${{each.key}}
    method: reinforcement
    training: p
    validation: q
    grader: {{type: string_check, name: x, operation: eq, input: "{{{{sample.output_text}}}}", reference: a}}
    response_format:
      type: json_schema
      json_schema: {{name: x, schema: {{examples: ["${{each.key}}", "${{each.value}}"]}}}}
"""
    found = config(tmp_path, text)
    jobs: dict[str | None, Any] = {
        r.address.key: r.inputs["response_format"] for r in found.resources if r.address.kind == "job"
    }
    schemas = {key: found["json_schema"]["schema"]["examples"] for key, found in jobs.items()}
    assert schemas == {key: [key, value] for key, value in values.items()}


def test_references_between_for_each(tmp_path: Path) -> None:
    text = """
variables: {first: {default: fr}}
datasets: {train: {for_each: [fr, de], path: "${each.key}.jsonl"}}
jobs:
  a: {for_each: [fr, de], model: m, training: "${dataset.train[each.key].id}"}
  b: {model: m, training: '${dataset.train["de"].id}', depends_on: [job.a]}
  c: {model: m, training: "${dataset.train[var.first].id}"}
deployments:
  d: {for_each: {x y: fr}, model: "${job.a[each.value].fine_tuned_model}"}
"""
    found = config(tmp_path, text)
    assert resource(found, 'job.a["fr"]').inputs["training"] == reference('dataset.train["fr"]:id')
    assert resource(found, "job.b").inputs["training"] == reference('dataset.train["de"]:id')
    assert resource(found, "job.b").depends_on == (Address("job", "a", "de"), Address("job", "a", "fr"))
    assert resource(found, "job.c").inputs["training"] == reference('dataset.train["fr"]:id')
    deployment = resource(found, 'deployment.d["x y"]')
    assert deployment.inputs["name"] == "d-x-y"
    assert deployment.inputs["model"] == reference('job.a["fr"]:fine_tuned_model')


def test_disabled_resources_are_left_out(tmp_path: Path) -> None:
    text = """
variables: {on: {type: boolean, default: false}}
deployments:
  a: {model: gpt-4o, enabled: "${var.on}"}
  b: {model: gpt-4o, enabled: "${each.value}", for_each: {x: true, y: false}}
  c: {model: gpt-4o, enabled: true, depends_on: [deployment.b]}
"""
    found = config(tmp_path, text)
    assert [str(r.address) for r in found.resources] == ['deployment.b["x"]', "deployment.c"]
    assert resource(found, "deployment.c").depends_on == (Address("deployment", "b", "x"),)


def test_places_of_references(tmp_path: Path) -> None:
    text = """datasets:
  train: {path: train.jsonl}
hyperparameters:
  h:
    n_epochs: ${job.b.seed}
jobs:
  a:
    model: m
    training: train
    hyperparameters: h
    depends_on: [job.c]
  b: {model: m, training: train}
  c: {model: m, training: train}
"""
    found = resource(config(tmp_path, text), "job.a")
    assert found.place is not None
    assert (found.place.line, found.place.column) == (7, 3)
    places = {str(a): (p.line, p.column) for a, p in found.reference_places.items()}
    assert places == {"dataset.train": (9, 15), "job.b": (5, 15), "job.c": (11, 18)}
    assert found.sources == {"hyperparameters": "h"}


def test_secrets_stay_data(tmp_path: Path) -> None:
    text = (
        DATA
        + """
variables: {key: {type: string, sensitive: true, default: s3cret}, n: {type: integer, sensitive: true}}
jobs:
  a: {model: "${env.MODEL}", training: train, seed: "${env.SEED}"}
deployments:
  b: {model: gpt-4o, sku: {capacity: "${var.n}"}, tags: {key: "${var.key}"}, rai_policy: "x-${env.TEAM}"}
outputs: {o: "${var.key}"}
"""
    )
    environ = {"MODEL": "gpt-4o", "SEED": "007", "TEAM": "blue", "FTOPS_VAR_n": "4"}
    found = config(tmp_path, text, environ)
    job, deployment = resource(found, "job.a"), resource(found, "deployment.b")
    assert job.inputs["model"] == Secret("env", "MODEL")
    assert job.inputs["seed"] == Secret("env", "SEED")
    assert deployment.inputs["rai_policy"] == Template(("x-", Secret("env", "TEAM")))
    assert deployment.inputs["tags"] == {"key": Secret("var", "key")}
    assert found.outputs[0].value == Secret("var", "key")
    assert found.outputs[0].sensitive
    assert found.variables == {}
    assert found.secrets == {
        Secret("env", "MODEL"): "gpt-4o",
        Secret("env", "SEED"): 7,
        Secret("env", "TEAM"): "blue",
        Secret("var", "n"): 4,
        Secret("var", "key"): "s3cret",
    }
    assert "s3cret" not in repr(found)


def test_no_finding_shows_a_secret(tmp_path: Path) -> None:
    text = (
        DATA
        + """
variables:
  n: {type: integer, sensitive: true}
  m: {type: integer}
providers:
  azure: {type: azure_openai, endpoint: "https://x.openai.azure.com", default: "${env.KEY}"}
jobs:
  a: {model: m, training: train, seed: "${env.KEY}", method: "${env.KEY}"}
  b: {model: m, training: train, enabled: "${env.KEY}", for_each: ["${env.KEY}"]}
"""
    )
    environ = {"KEY": "s3cret", "FTOPS_VAR_n": "s3cret", "FTOPS_VAR_m": "s3cret"}
    with pytest.raises(SpecError) as refused:
        config(tmp_path, text, environ)
    assert len(refused.value.diagnostics) >= 6
    assert "s3cret" not in repr(refused.value.diagnostics)


PROVIDERS = """
providers:
  azure:
    type: azure_openai
    default: true
    endpoint: https://acme.openai.azure.com/
    api_key: ${env.KEY}
    control_plane: {api_version: 2024-10-01}
  local: {type: emulator, data: emulated, settings: {jobs_limit: 10}}
  remote: {type: emulator, url: "http://127.0.0.1:9000"}
environments: {dev: {provider: local}}
datasets: {a: {path: a.jsonl}, b: {path: b.jsonl, provider: remote}}
"""


def test_providers(tmp_path: Path) -> None:
    found = config(tmp_path, PROVIDERS, {"KEY": "k"})
    assert {str(r.address): r.provider for r in found.resources} == {
        "dataset.a": "azure",
        "dataset.b": "remote",
    }
    assert found.providers["azure"].settings == {
        "endpoint": "https://acme.openai.azure.com/",
        "api_key": "k",
        "api_version": "v1",
        "control_plane": {"api_version": "2024-10-01"},
    }
    assert found.providers["local"].settings == {
        "data": str(tmp_path / "emulated"),
        "settings": {"jobs_limit": 10},
    }
    assert found.providers["remote"].settings == {"url": "http://127.0.0.1:9000"}


def test_a_provider_that_nothing_uses_may_be_incomplete(tmp_path: Path) -> None:
    found = config(tmp_path, PROVIDERS, environment="dev")
    assert {str(r.address): r.provider for r in found.resources} == {
        "dataset.a": "local",
        "dataset.b": "remote",
    }
    assert sorted(found.providers) == ["local", "remote"]


def test_without_providers_there_is_the_emulator(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "specs" / "chat").mkdir(parents=True)
    found = config(tmp_path / "specs" / "chat", DATA)
    assert found.providers["local"].type == "emulator"
    assert found.providers["local"].settings == {"data": str(tmp_path / ".ftops/emulator")}
    assert (found.name, found.environment) == ("chat", "default")
    assert (found.folder, found.project) == (tmp_path / "specs" / "chat", tmp_path)


@pytest.mark.parametrize(
    ("folder", "settings", "name", "state"),
    [
        ("My Models_2", "", "my-models-2", StateSettings()),
        ("x", "ftops: {name: chat, required_version: '>=0.1, !=0.2, ~>0.1'}", "chat", StateSettings()),
        ("x", "ftops: {state: {path: else/where}}", "x", StateSettings("local", "else/where")),
        (
            "x",
            "ftops: {state: {backend: s3, path: ft, bucket: models, region: eu-west-1}}",
            "x",
            StateSettings("s3", "ft", {"bucket": "models", "region": "eu-west-1"}),
        ),
    ],
)
def test_settings(tmp_path: Path, folder: str, settings: str, name: str, state: StateSettings) -> None:
    (tmp_path / folder).mkdir()
    found = config(tmp_path / folder, f"{settings}\n{DATA}")
    assert (found.name, found.state) == (name, state)


def test_lifecycle(tmp_path: Path) -> None:
    text = (
        "variables: {p: {default: true}}\n"
        "deployments: {a: {model: gpt-4o, lifecycle: {prevent_destroy: '${var.p}', ignore_changes: "
        "[tags, sku.capacity], create_before_destroy: false, on_destroy: retain}}, b: {model: gpt-4o}}"
    )
    found = config(tmp_path, text)
    assert resource(found, "deployment.a").lifecycle == Lifecycle(
        True, ("sku.capacity", "tags"), False, "retain"
    )
    assert resource(found, "deployment.b").lifecycle == Lifecycle()


def test_a_folder_is_one_spec(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("jobs: {a: {model: m, training: train}}\nftops: {name: both}\n")
    (tmp_path / "a.yaml").write_text("\ufeff" + DATA, "utf-8")
    (tmp_path / "empty.yaml").write_text("# later\n")
    (tmp_path / "prod.yaml").write_text("unrelated: 1\n")
    (tmp_path / ".hidden.yaml").write_text("nonsense: 1\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.yaml").write_text("nonsense: 1\n")
    with pytest.raises(SpecError):
        load(tmp_path, environ={})
    (tmp_path / "prod.yaml").unlink()
    found = load(tmp_path, environ={})
    assert [str(r.address) for r in found.resources] == ["dataset.train", "job.a"]
    assert found.name == "both"
    assert len(found.files) == 3


def test_a_file_of_variables_may_lie_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VARIABLE % "v: {}")
    (tmp_path / "prod.yaml").write_text("v: 7\n")
    assert load(tmp_path, environ={}, variable_files=[tmp_path / "prod.yaml"]).variables == {"v": "7"}


def test_outputs(tmp_path: Path) -> None:
    text = DATA + "outputs: {b: {value: 1, description: One}, a: {nested: ['${dataset.train.id}']}}\n"
    a, b = config(tmp_path, text).outputs
    assert (a.name, a.value) == ("a", {"nested": [reference("dataset.train:id")]})
    assert (b.name, b.value, b.description, b.sensitive) == ("b", 1, "One", False)


def test_files_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    with file.open("wb") as stream:
        stream.truncate(65 * 1024 * 1024)
    with pytest.raises(SpecError, match="1 error") as refused:
        load(file, environ={})
    assert refused.value.diagnostics[0].summary == "the file is too large for a spec"
    assert "65 MB" in refused.value.diagnostics[0].detail


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as refused:
        load(tmp_path / "nothing.yaml", environ={})
    assert refused.value.diagnostics[0].summary.startswith("there is no ")


VERSIONS = {
    ">=0.1": True,
    ">0.1": False,
    "==0.1.0": True,
    "0.1": True,
    "<=0.1": True,
    "<0.1": False,
    "!=0.1": False,
    "~>0.1": True,
    "~>0.1.0": True,
    "~>0.2": False,
    "~>1.0": False,
    ">=0.1, <1": True,
    ">=0.1,<0.1.0": False,
}


@pytest.mark.parametrize(("required", "fits"), VERSIONS.items())
def test_required_version(required: str, fits: bool) -> None:
    from ftops.config.loader.versions import unmet

    assert (unmet(required, "0.1.0") is None) is fits


COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


KEYED = """variables: {v: {type: list, default: [@]}}
datasets:
  d: {for_each: EACH, path: a.jsonl}
jobs: {j: {model: m, training: '${dataset.d["@"].id}'}}
"""


@pytest.mark.parametrize("written", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("each", ["[@]", "{@: 1}", "'${var.v}'"])
def test_keys_have_one_form_of_unicode(tmp_path: Path, written: str, each: str) -> None:
    found = config(tmp_path, KEYED.replace("EACH", each).replace("@", written))
    assert [str(r.address) for r in found.resources] == [f'dataset.d["{COMPOSED}"]', "job.j"]
    assert resource(found, "job.j").inputs["training"] == reference(f'dataset.d["{DECOMPOSED}"]:id')


def test_the_keys_of_a_matrix_have_one_form_of_unicode(tmp_path: Path) -> None:
    text = "datasets: {d: {for_each: {matrix: {@: [@]}}, path: a.jsonl}}".replace("@", DECOMPOSED)
    assert str(config(tmp_path, text).resources[0].address) == f'dataset.d["{COMPOSED}={COMPOSED}"]'


@pytest.mark.parametrize(
    ("moved", "warned"),
    [
        ("[{from: dataset.old, to: dataset.trian}]", ["dataset.trian isn't declared"]),
        ("[{from: dataset.old, to: dataset.train}]", []),
        ("[{from: dataset.old, to: dataset.trian}, {from: dataset.trian, to: dataset.train}]", []),
        ("[{from: dataset.old, to: dataset.questions}]", []),
    ],
)
def test_a_move_to_nearly_the_name_of_a_resource_gets_a_warning(
    tmp_path: Path, moved: str, warned: list[str]
) -> None:
    found = config(tmp_path, f"{DATA}moved: {moved}\n")
    assert [warning.summary for warning in found.warnings] == warned
    assert all(w.place and w.place.text[w.place.column - 1 :].startswith("dataset.t") for w in found.warnings)


def test_a_resource_that_depends_on_itself_is_no_cycle_of_several(tmp_path: Path) -> None:
    job = "jobs: {a: {model: '${job.a.fine_tuned_model}', training: train}}\n"
    with pytest.raises(SpecError) as refused:
        build(config(tmp_path, DATA + job))
    [finding] = refused.value.diagnostics
    assert finding.summary == "job.a depends on itself"
    assert finding.place is not None
    assert finding.place.line == 2
