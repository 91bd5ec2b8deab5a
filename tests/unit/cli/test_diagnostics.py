"""Hints that fit the command line: their commands are for its spec."""

from __future__ import annotations

import pytest

from ftops.cli.diagnostics import fitted
from ftops.core.confined_files import ALLOW_HINT
from ftops.core.errors import Diagnostic

WORDS = ("'my specs'", "--env", "prod", "--var", "size=…")
ADDED = "'my specs' --env prod --var size=…"
HINTS = {
    "plan again: `ftops plan`": f"plan again: `ftops plan {ADDED}`",
    "`ftops plan --offline`: `ftops drift`": f"`ftops plan --offline {ADDED}`: `ftops drift {ADDED}`",
    "`ftops state pull > state.json`": f"`ftops state pull {ADDED} > state.json`",
    "`ftops state replace-provider m NAME`": f"`ftops state replace-provider m NAME {ADDED}`",
    "`ftops state push FILE`": f"`ftops state push FILE {ADDED}`",
    "`ftops state show 'job.a[\"fr\"]'`": f"`ftops state show 'job.a[\"fr\"]' {ADDED}`",
}  # fmt: skip
AS_THEY_ARE = (
    "", "Write `4`.", "`ftops init` writes an example.", "`ftops apply specs/x`", "`ftops plan --env dev`",
    "`ftops apply plan.ft`", "`ftops apply --replace ADDRESS`", "`ftops state rm` forgets them",
    "see `ftops plan --help`", "`ftops state show`", "ftops plan", "`ftops planet`", "`ftops data check F`",
)  # fmt: skip


def hint(text: str, *words: str, is_untrusted: bool = False) -> str:
    (done,) = fitted([Diagnostic("wrong", "", text)], words, is_untrusted=is_untrusted)
    return done.hint


@pytest.mark.parametrize(("text", "wanted"), HINTS.items())
def test_commands_are_for_the_spec_of_the_command_line(text: str, wanted: str) -> None:
    assert hint(text, *WORDS) == wanted
    assert hint(wanted, *WORDS) == wanted
    assert hint(text) == text


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_what_takes_no_spec_or_names_one_stays(text: str) -> None:
    assert hint(text, *WORDS) == text


def test_an_untrusted_spec_is_told_what_helps() -> None:
    assert hint(ALLOW_HINT) == ALLOW_HINT
    said = hint(ALLOW_HINT, is_untrusted=True)
    assert "remove --untrusted" in said and ALLOW_HINT not in said
