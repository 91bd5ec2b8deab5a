"""Objects that exist already and come under management by an `import` block."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ftops.config.config import Config, Import, Refactorings
from ftops.config.graph import build
from ftops.core.errors import SpecError
from ftops.planning.desired import Desired
from ftops.planning.imports import arrived, check_imports, to_read
from ftops.state.state import Observed, RemoteObject, Status
from tests.support.records import DATA, JOB, intent, record, state_of
from tests.support.specs import config, dataset, job


def importing(*imports: Import) -> Config:
    return replace(
        config(dataset("train", "1"), job("copilot", "train")), refactorings=Refactorings(imports=imports)
    )


IMPORTS = (Import(DATA, "file-9"), Import(JOB, "ftjob-9"))


@pytest.mark.parametrize(
    ("state", "read"),
    [
        (state_of(), [DATA, JOB]),
        (state_of([record(DATA)]), [JOB]),
        (state_of(pending=[intent(JOB)]), [DATA]),
    ],
)
def test_only_what_is_not_on_record_is_read(state: object, read: list[object]) -> None:
    spec = importing(*IMPORTS)
    found = to_read(spec, build(spec), state)  # type: ignore[arg-type]
    assert [one.address for one in found] == read


def test_an_import_of_what_is_not_declared_is_left_alone() -> None:
    spec = importing(Import(DATA._replace(name="gone"), "file-1"))
    assert to_read(spec, build(spec), state_of()) == []


def test_references_of_what_is_read_say_nothing_yet() -> None:
    spec = importing(*IMPORTS)
    read = {one.address: one for one in to_read(spec, build(spec), state_of())}
    assert read[JOB].inputs["training"] == ""
    assert read[DATA].inputs["purpose"] == "fine-tune"


def seen(**remote_ids: str | None) -> Observed:
    there = {"data": DATA, "job": JOB}
    return Observed(
        imported={there[name]: RemoteObject(i, Status.READY) if i else None for name, i in remote_ids.items()}
    )


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        (seen(data=None), "there is no dataset file-9"),
        (seen(data="file-owned"), "is already managed as dataset.other"),
        (seen(data="file-old"), "is managed as the old object of dataset.other"),
    ],
)
def test_what_is_refused(observed: Observed, said: str) -> None:
    other = DATA._replace(name="other")
    recorded = {other: record(other, "file-owned")}
    deposed = {(other, "0a"): record(other, "file-old")}
    with pytest.raises(SpecError) as refused:
        check_imports(IMPORTS[:1], recorded, deposed, observed)
    assert said in refused.value.diagnostics[0].summary


def test_two_imports_of_one_object_are_refused() -> None:
    with pytest.raises(SpecError):
        check_imports(IMPORTS, {}, {}, seen(data="same", job="same"))


def test_what_the_service_does_not_report_is_taken_from_the_spec() -> None:
    resource = job("copilot", "train", seed=7)
    desired = Desired({**resource.inputs, "training": "file-1"}, {"training": "digest"}, "print")
    remote = RemoteObject("ftjob-9", Status.READY, {"fine_tuned_model": "m"}, {"seed": 8})
    found = arrived(resource, desired, remote, (DATA,), "azure:acme")
    assert found.inputs["seed"] == 8
    assert found.inputs["method"] == "supervised"
    assert found.identities == {"training": "digest"}
    assert (found.dependencies, found.account) == ((DATA,), "azure:acme")


def test_other_data_than_declared_is_not_taken_for_it() -> None:
    resource = job("copilot", "train")
    desired = Desired({**resource.inputs, "training": "file-1"}, {"training": "digest"}, "print")
    remote = RemoteObject("ftjob-9", Status.READY, {}, {"training": "file-2"})
    assert arrived(resource, desired, remote, (), "").identities == {}
    marked = replace(remote, fingerprint="print")
    assert arrived(resource, desired, marked, (), "").identities == {"training": "digest"}
