"""A deployment of the model `replay`: a spec names its recordings, and it gives those answers only."""

from __future__ import annotations

import json
from pathlib import Path

from ftops.emulator.data_plane.inference import request_key
from tests.support.command import FTOPS, in_process, run

SPEC = """\
providers: {local: {type: emulator, settings: {recordings: data/teacher.jsonl}}}
deployments:
  teacher: {model: replay}
"""


def test_only_recorded_answers_are_given(tmp_path: Path) -> None:
    (tmp_path / "ftops.yaml").write_text(SPEC)
    (tmp_path / "data").mkdir()
    known = [{"role": "user", "content": "Hello"}]
    line = {"key": request_key({"messages": known}), "message": {"content": "Good day."}}
    (tmp_path / "data" / "teacher.jsonl").write_text(json.dumps(line))
    rows = [{"prompt": prompt, "expect": {"text": "Good day."}} for prompt in ("Hello", "Goodbye")]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    done = in_process(tmp_path, "apply", "-y")
    assert done.returncode == 0, done.stderr
    command = [*FTOPS, "eval", "--deployment", "teacher", "--prompts", "prompts.json", "-y"]
    done = run(command, tmp_path)
    assert done.returncode == 1
    assert "1 of 1" in done.stdout
    key = request_key({"messages": [{"role": "user", "content": "Goodbye"}]})
    assert f"There is no recording of this request: {key}" in done.stdout
