"""Whatever is applied in between: a plan is applied with the outputs that it was made with, or not at all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.cli import Folder

SHARED = """\
ftops: {name: shared}
providers: {m: {type: memory}}
variables: {used: {type: integer, default: 1}, other: {type: integer, default: 1}}
outputs: {capacity: "${var.used}", other: "${var.other}"}
"""
APP = """\
ftops: {name: app}
providers: {m: {type: memory}}
states: {shared: {spec: ../shared}}
deployments:
  base:
    model: gpt-4o-mini-2024-07-18
    sku: {name: Standard, capacity: "${state.shared.outputs.capacity}"}
"""
VALUES = st.integers(1, 2)
STEPS = st.one_of(
    st.tuples(st.just("shared"), VALUES, VALUES),
    st.tuples(st.sampled_from(["plan", "saved", "digest", "apply"]), st.just(0), st.just(0)),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(STEPS, max_size=7))
def test_a_plan_is_applied_with_the_outputs_that_it_was_made_with(
    steps: list[tuple[str, int, int]],
) -> None:
    with TemporaryDirectory() as name:
        folder = Folder(Path(name))
        (folder.path / ".git").mkdir()
        folder.write("shared/ftops.yaml", SHARED)
        folder.write("app/ftops.yaml", APP)
        assert folder.run("plan", "app").code == 1
        used, planned, digest, capacity = 1, 0, "", 0
        folder.ok("apply", "shared", "-y", "--var", "used=1")
        for step, first, second in steps:
            if step == "shared":
                used = first
                folder.ok("apply", "shared", "-y", "--var", f"used={first}", "--var", f"other={second}")
            elif step == "plan":
                planned, digest = (
                    used,
                    folder.run("plan", "app", "--out", "app.ft", "-o", "json").json["digest"],
                )
            elif step == "apply":
                folder.ok("apply", "app", "-y")
                capacity = used
            elif planned:
                words = ("app.ft",) if step == "saved" else ("app", "--expect-digest", digest)
                done = folder.run("apply", *words)
                assert done.code in (0, 3), done
                if used != planned:
                    assert done.code == 3, done
                elif done.code == 0:
                    capacity = planned
            assert recorded(folder) == capacity


def recorded(folder: Folder) -> int:
    """The capacity of the deployment; 0 if there is none."""
    found = [
        one["inputs"]["sku"]["capacity"] for one in folder.run("show", "app", "-o", "json").json["resources"]
    ]
    return sum(found)
