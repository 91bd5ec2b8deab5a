"""What is said about a secret that can't be used: where it stands, and nothing of what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ftops.cli.diagnostics import with_lines
from ftops.config.loader import load
from ftops.core.errors import SpecError
from ftops.views.diagnostics import draw, to_json
from ftops.views.paint import PLAIN

CANARY = "8512349"
SPEC = """\
variables:
  token: {type: string, sensitive: true, pattern: "t-.*", default: t-0}
  pin: {type: integer, sensitive: true, maximum: 9999, default: 1}
  open: {type: integer, default: 1}
providers:
  m: {type: memory}
datasets:
  train: {path: train.jsonl}
"""

FILES = {
    "limit": f"pin: {CANARY}\n",
    "pattern": f"token: {CANARY}\n",
    "quoted-number": f'pin: "{CANARY}"\n',
    "word-for-number": f"pin: x{CANARY}\n",
    "list": f"token: [{CANARY}]\n",
    "expression": f"token: pass${{{CANARY}}}\n",
    "name-misspelt": f"tokn: {CANARY}\n",
    "beside-another-mistake": f'{{"open": "x", "token": "t-{CANARY}"}}\n',
    "quote-not-closed": f'token: "t-{CANARY}\n',
    "alias": f"token: *{CANARY}\n",
    "tag": f"token: !{CANARY}\n",
    "reserved": f"token: @{CANARY}\n",
    "colon": f"token: a: {CANARY}\n",
    "twice": f"token: t-1\ntoken: t-{CANARY}\n",
    "no-mapping": f"{CANARY}\n",
}


def said(folder: Path, *, environ: dict[str, str] | None = None, files: tuple[Path, ...] = ()) -> str:
    with pytest.raises(SpecError) as refused:
        load(folder, environ=environ or {}, variable_files=files)
    found = with_lines(refused.value.diagnostics)
    return draw(found, PLAIN) + json.dumps([to_json(d) for d in found])


@pytest.mark.parametrize("case", FILES)
def test_a_file_of_variables(tmp_path: Path, case: str) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "secret").mkdir()
    file = tmp_path / "secret" / "values.yaml"
    file.write_text(FILES[case], encoding="utf-8")
    text = said(tmp_path, files=(file,))
    assert f"{file}:" in text
    assert CANARY not in text


def test_a_file_is_shown_where_nothing_is_sensitive(tmp_path: Path) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC.replace(", sensitive: true", ""), encoding="utf-8")
    file = tmp_path.parent / f"{tmp_path.name}.values.yaml"
    file.write_text(FILES["limit"], encoding="utf-8")
    assert f"1 | {FILES['limit']}" in said(tmp_path, files=(file,))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("default: t-0", f"default: {CANARY}"),
        ("default: 1}", f'default: "{CANARY}"}}'),
        ("providers:", f"environments: {{default: {{variables: {{pin: {CANARY}}}}}}}\nproviders:"),
    ],
    ids=["default", "default-in-quotes", "environment"],
)
def test_the_spec_itself(tmp_path: Path, before: str, after: str) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC.replace(before, after, 1), encoding="utf-8")
    assert CANARY not in said(tmp_path)


SETTINGS = {
    "whole": "{type: memory, default: '${var.token}'}",
    "inside-text": "{type: memory, default: 'x ${var.token}'}",
    "environment-inside-text": "{type: memory, default: 'x ${env.FTOPS_VAR_token}'}",
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_a_secret_does_not_fit(tmp_path: Path, case: str) -> None:
    """From a file too, where a value is as it was written."""
    spec = SPEC.replace("{type: memory}", SETTINGS[case])
    (tmp_path / "ftops.yaml").write_text(spec, encoding="utf-8")
    file = tmp_path.parent / f"{tmp_path.name}.values.yaml"
    file.write_text(f'token: "t-{CANARY}"\n', encoding="utf-8")
    for files in ((), (file,)):
        text = said(tmp_path, environ={"FTOPS_VAR_token": f"t-{CANARY}"}, files=files)
        assert "`default` must be" in text
        assert CANARY not in text
