"""ftops data check"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ftops import dataset
from ftops.cli.check_flow import check
from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.core.address import Json
from ftops.core.errors import UsageError
from ftops.core.suggestions import did_you_mean
from ftops.dataset.rules.catalogue import SETTINGS, grade_of, names


@click.command("check")
@click.argument("paths", metavar="[FILE|SPEC]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--env", "environment", metavar="NAME", help="The environment of a spec.")
@click.option("--format", type=click.Choice(dataset.FORMATS), help="Expected format of the examples.")
@click.option(
    "--severity",
    "settings",
    multiple=True,
    metavar="RULE=GRADE",
    help="Set the severity of a rule: error, warning, note or off. RULE can be a group such as "
    "secret/*. Repeatable.",
)
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.option("--rules", is_flag=True, help="List all rules and their severities.")
@screen_options
def command(
    screen: Screen,
    paths: tuple[Path, ...],
    environment: str | None,
    format: str | None,
    settings: tuple[str, ...],
    strict: bool,
    rules: bool,
) -> int:
    """Check every example in JSON Lines FILEs, or in the datasets of SPECs. No service is contacted.

    Exits with 1 if there is an error. docs/data-rules.md explains every rule.
    """
    severity = _severity(settings)
    if rules:
        return _list_rules(screen, severity)
    return check(
        screen, paths, environment=environment, format=format or "", severity=severity, strict=strict
    )


def _severity(settings: tuple[str, ...]) -> dict[str, str]:
    known = names()
    chosen = {}
    for setting in settings:
        rule, equals, grade = setting.partition("=")
        if not equals or grade not in SETTINGS:
            raise UsageError(
                f"--severity {setting} needs the form RULE=GRADE", "", f"the grades are {', '.join(SETTINGS)}"
            )
        if rule not in known:
            raise UsageError(f"there is no rule {rule}", "", did_you_mean(rule, known))
        chosen[rule] = grade
    return chosen


def _list_rules(screen: Screen, severity: Mapping[str, str]) -> int:
    from ftops.dataset.rules.catalogue import RULES

    grades = {id: grade_of(id, severity) for id in RULES}
    if screen.json:
        rows: list[Json] = [
            {"rule": id, "severity": grades[id], "what": rule.what, "why": rule.why, "fix": rule.fix}
            for id, rule in RULES.items()
        ]
        screen.document({"format_version": 1, "rules": rows})
    else:
        width = max(map(len, RULES))
        screen.text("".join(f"{id:{width}}  {grades[id]:7}  {rule.what}\n" for id, rule in RULES.items()))
    return 0
