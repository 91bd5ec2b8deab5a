"""Settings of a spec that take no expressions: one is told with its place, by every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cli import Folder

FIELDS = {
    "name": "name: {}",
    "required_version": "required_version: {}",
    "state.backend": "state: {{backend: {}}}",
    "state.path": "state: {{path: {}}}",
    "state.container": (
        'state: {{backend: azure_blob, account_url: "https://a.blob.core.windows.net", container: {}}}'
    ),
    "budget": "budget: {}",
    "budget.training": "budget: {{training: {}}}",
    "budget.hosting_per_hour": "budget: {{hosting_per_hour: {}}}",
    "checks.severity": "checks: {{severity: {}}}",
    "checks.severity of a rule": "checks: {{severity: {{data/duplicate: {}}}}}",
    "drift.changed": "drift: {{changed: {}}}",
    "drift.vanished": "drift: {{vanished: {}}}",
    "budget of an environment": "name: drone}}\nenvironments: {{default: {{budget: {{training: {}}}}}",
    "variables of an environment": "name: drone}}\nenvironments: {{default: {{variables: {{v: {}}}}}",
    "provider of an environment": "name: drone}}\nenvironments: {{default: {{provider: {}}}",
}
COMMANDS = (
    ("validate",),
    ("validate", "--untrusted"),
    ("plan",),
    ("plan", "--untrusted"),
    ("plan", "--untrusted", "--destroy"),
    ("plan", "--destroy"),
)
SPEC = """\
ftops: {{{}}}
providers: {{m: {{type: memory}}}}
datasets: {{train: {{path: data/train.jsonl}}}}
variables: {{v: {{default: a}}}}
"""


@pytest.mark.parametrize("value", ["${env.B}", "x-${env.B}", "${var.v}"])
@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS.keys())
def test_an_expression_is_told(tmp_path: Path, field: str, value: str) -> None:
    folder = Folder.make(tmp_path / "here", SPEC.format(field.format(f'"{value}"')))
    for argv in COMMANDS:
        done = folder.run(*argv, environ={"B": "canary-3c1f"})
        assert done.code == 1, (argv, done)
        assert "t allowed here" in done.err or "expressions are not evaluated here" in done.err, (
            argv,
            done,
        )
        assert done.err.count("--> ftops.yaml:") == 1, (argv, done)
        assert "canary-3c1f" not in done.out + done.err


RECORD = (("state", "list"), ("show",), ("destroy", "-y"))


@pytest.mark.parametrize("field", ["state.backend", "state.path"])
@pytest.mark.parametrize("argv", RECORD, ids=lambda argv: argv[0])
def test_what_looks_at_the_record_tells_it_too(tmp_path: Path, field: str, argv: tuple[str, ...]) -> None:
    folder = Folder.make(tmp_path / "here", SPEC.format(FIELDS[field].format('"${env.B}"')))
    done = folder.run(*argv, environ={"B": "canary-3c1f"})
    assert done.code == 1
    assert "environment variables aren't allowed here" in done.err


@pytest.mark.parametrize("setting", ["bucket", "region", "endpoint_url", "history", "lease"])
def test_a_bucket_that_is_not_set_is_told_before_all_is_deleted(tmp_path: Path, setting: str) -> None:
    settings = {"bucket": "b", setting: '"${env.NOT_SET}"'}
    state = ", ".join(f"{name}: {value}" for name, value in settings.items())
    folder = Folder.make(tmp_path / "here", SPEC.format(f"name: drone, state: {{backend: s3, {state}}}"))
    for argv in (("plan", "--destroy"), ("destroy", "-y"), ("state", "list")):
        done = folder.run(*argv)
        assert done.code == 1
        assert "the environment variable NOT_SET is not set" in done.err, done
