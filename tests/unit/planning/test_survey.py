"""Who is asked before an apply, and what becomes of those who can't answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace

from ftops.applying.run import Settings
from ftops.config.config import ProviderConfig, Resource
from ftops.config.graph import build
from ftops.core.address import Address
from ftops.core.errors import Blocked, Diagnostic, Permanent, Place, ProviderError, Temporary
from ftops.core.project import CATALOG_VARIABLE
from ftops.planning.planner import plan
from ftops.planning.preflight import run_preflight
from ftops.providers.account_facts import Access, AccountFacts, Reach
from ftops.providers.base import Inspects, Provider
from ftops.providers.memory import MemoryProvider
from ftops.session.apply import apply_plan
from ftops.session.session import Session
from ftops.state.state import Observed, State
from tests.support.specs import config, dataset, deployment

TODAY = date(2026, 11, 21)
PLACE = Place("ftops.yaml", 3)


class Asked(MemoryProvider):
    """A provider that can be asked; it says what it is told to say."""

    def __init__(self, answer: AccountFacts | ProviderError, together: Barrier | None = None) -> None:
        self.answer = answer
        self.together = together
        self.kinds: list[frozenset[str]] = []

    def inspect(self, kinds: Collection[str]) -> AccountFacts:
        self.kinds.append(frozenset(kinds))
        if self.together is not None:
            self.together.wait(timeout=300)
        if isinstance(self.answer, ProviderError):
            raise self.answer
        return self.answer


def ask(
    resources: list[Resource], providers: dict[str, Provider], environ: dict[str, str] | None = None
) -> list[Diagnostic]:
    wanted = replace(
        config(*resources),
        providers={name: ProviderConfig(name, "memory", place=PLACE) for name in providers},
    )
    graph = build(wanted)
    made = plan(wanted, graph, State(""), Observed())
    found = run_preflight(made, wanted, graph.resources, providers.__getitem__, environ or {}, TODAY)
    return list(found.findings)


def on(provider: str, resource: Resource) -> Resource:
    return replace(resource, provider=provider)


def test_who_cannot_be_asked_is_not() -> None:
    assert not isinstance(MemoryProvider(), Inspects)
    broken = {CATALOG_VARIABLE: "/there/is/none"}
    assert ask([dataset("a", "1")], {"cloud": MemoryProvider()}, broken) == [], "nor is the catalogue read"


def test_each_account_is_asked_once_for_what_concerns_it_all_at_once() -> None:
    together = Barrier(2)
    one, two = Asked(AccountFacts(), together), Asked(AccountFacts(), together)
    resources = [on("one", dataset("a", "1")), on("one", deployment("bb", "m")), on("two", dataset("c", "2"))]
    assert ask(resources, {"one": one, "two": two}) == []
    assert one.kinds == [frozenset({"dataset", "deployment"})]
    assert two.kinds == [frozenset({"dataset"})]


@pytest.mark.parametrize(
    ("error", "severity"),
    [(Permanent("provider one: it doesn't start", "why", "do"), "error"), (Temporary("not now"), "warning")],
)
def test_where_there_is_no_account_to_ask(error: ProviderError, severity: str) -> None:
    refused = Asked(AccountFacts(training=Access(Reach.REFUSED, "no")))
    resources = [on("one", dataset("a", "1")), on("two", dataset("b", "2"))]
    first, second = ask(resources, {"one": Asked(error), "two": refused})
    assert first.summary == f"provider one: {error.summary.removeprefix('provider one: ')}"
    assert (first.severity, first.place) == (severity, PLACE)
    assert second.summary == "provider two: no", "the others are judged all the same"


def test_an_apply_of_what_would_fail_is_refused(tmp_path: Path) -> None:
    wanted = replace(config(dataset("a", "1")), folder=tmp_path, project=tmp_path)
    with Session.open(wanted) as session, session.locked("apply"):
        made = replace(session.plan(), findings=(Diagnostic("no quota"),))
        assert made.is_blocked
        with pytest.raises(Blocked, match="no quota"):
            apply_plan(session, made, Settings(), lambda event: None)
        warned = replace(made, findings=(Diagnostic("it may be slow", severity="warning"),))
        assert apply_plan(session, warned, Settings(), lambda event: None).result == "done"
        assert Address("dataset", "a") in session.state.resources
