"""Specs applied by the loader and the engine themselves, at servers that tests start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.applying.events import Event
from ftops.applying.run import Report, Settings
from ftops.config.config import Config
from ftops.config.data_files import with_data
from ftops.config.loader import load
from ftops.core.address import Json
from ftops.planning.plan import Mode, Options, Plan
from ftops.session.apply import apply_plan
from ftops.session.connection import connection_environment
from ftops.session.session import Session
from tests.contract.azure_cloud import chat_file

Settled = Mapping[str, Mapping[str, Json]]


@dataclass
class Project:
    """A folder with a spec and data for it. `settings` of providers go before those of the spec.

    Plans are made without preflight, unless it is asked for: it knows dates, and time goes on.
    """

    folder: Path
    settings: Settled
    environ: Mapping[str, str] = field(default_factory=dict)
    preflight: bool = False

    def __post_init__(self) -> None:
        for name in ("train", "valid"):
            chat_file(self.folder / f"{name}.jsonl")

    def config(self, text: str, environment: str | None = None) -> Config:
        (self.folder / "ftops.yaml").write_text(text, "utf-8")
        read = load(self.folder / "ftops.yaml", environment=environment, environ=self.environ)
        config, _ = with_data(read, str)
        providers = {
            name: replace(found, settings={**found.settings, **self.settings.get(name, {})})
            for name, found in config.providers.items()
        }
        return replace(config, project=self.folder, providers=providers)

    def plan(self, text: str, environment: str | None = None) -> Plan:
        with Session.open(self.config(text, environment)) as session:
            return session.plan(preflight=self.preflight)

    def apply(
        self,
        text: str,
        environment: str | None = None,
        emit: Callable[[Event], None] = lambda event: None,
        mode: Mode = Mode.NORMAL,
        wait: bool = True,
    ) -> Report:
        with Session.open(self.config(text, environment)) as session, session.locked("test"):
            made = session.plan(Options(mode=mode), preflight=self.preflight)
            return apply_plan(session, made, Settings(wait=wait, retry_base=0.01), emit)

    def outputs(self, text: str, environment: str | None = None) -> dict[str, Any]:
        with Session.open(self.config(text, environment)) as session:
            return {name: output.value for name, output in session.outputs().items()}

    def programs(self, text: str, provider: str) -> dict[str, str]:
        """The environment that other programs get."""
        with closing(_Open(Session.open(self.config(text)))) as opened:
            session = opened.session
            return connection_environment(session.config, session.providers, provider)


@dataclass(frozen=True)
class _Open:
    session: Session

    def close(self) -> None:
        self.session.providers.close()


def done(report: Report) -> Report:
    """The report of a run that came to its end."""
    assert report.result == "done", [(f.step, f.error.summary, f.error.detail) for f in report.failures]
    return report


def inputs_of(plan: Plan, address: str) -> dict[str, Any]:
    """What a plan wants of a resource, as people see it."""
    return next(dict(c.after) for c in plan.changes if c.step == address)
