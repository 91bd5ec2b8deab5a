"""Help of a command with many options: examples first, then the options under headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

_HEADINGS: Mapping[str, Sequence[str]] = {
    "What is changed": (
        *("--target", "--exclude", "--replace", "--destroy", "--refresh-only", "--no-adopt", "--allow-empty"),
        *("--from", "--to", "--list", "--release", "--discover", "--data"),
    ),
    "What is asked": (
        *("--deployment", "--against", "--prompts", "--tools", "--system", "--graders", "--setting"),
        *("--samples", "--concurrency", "--max-cost", "--fresh"),
    ),
    "Approval and policy": (
        *("--auto-approve", "--expect-digest", "--override-gate", "--policy-from", "--override", "--reason"),
    ),
    "How it runs": (
        *("--refresh", "--offline", "--wait", "--lock-timeout", "--parallelism", "--read-only", "--as-of"),
        *("--state", "--untrusted"),
    ),
    "Account": (
        "--name",
        "--type",
        "--endpoint",
        "--subscription",
        "--resource-group",
        "--account",
        "--api-version",
    ),
    "Spec": ("--env", "--var", "--var-file", "--all", "--changed-since", "--chdir"),
    "Output": (
        *("--show", "--out", "--save", "--fail-if", "--detailed-exitcode", "--output", "--limit"),
        *("--no-color", "--help"),
    ),
}
"""The options below each heading, in this order."""


class GroupedCommand(click.Command):
    """`examples` are command lines and what they do."""

    def __init__(self, *args: Any, examples: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        with formatter.section("Examples"):
            formatter.write_dl([*self.examples.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, options in self.headings(ctx).items():
            records = [record for option in options if (record := option.get_help_record(ctx))]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def headings(self, ctx: click.Context) -> Mapping[str, Sequence[click.Option]]:
        """Its options, below their headings."""
        own = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        by_name = {name: option for option in own for name in option.opts}
        found = {
            heading: [by_name[name] for name in names if name in by_name]
            for heading, names in _HEADINGS.items()
        }
        grouped = [option for options in found.values() for option in options]
        return {**found, "Other options": [option for option in own if option not in grouped]}
