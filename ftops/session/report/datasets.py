"""Data of a report: statistics of recorded datasets, from what was measured, and what changed since the
version before. Reads a data file only if it was never measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from ftops.catalog import Catalog
from ftops.config.config import Config
from ftops.core.address import Address
from ftops.core.confined_files import opened
from ftops.core.errors import FtopsError
from ftops.core.model_names import base_of
from ftops.dataset.profile.diff import difference
from ftops.dataset.profile.example_digest import rows
from ftops.dataset.profile.profile_store import find_version, recall, summary
from ftops.dataset.profile.profiler import Measured
from ftops.dataset.profile.statistics import statistics
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding
from ftops.planning.estimate import DataChange
from ftops.session.report.history import Runs, earlier_states
from ftops.session.report.values import ReportedData
from ftops.session.session import Session
from ftops.state.state import ResourceState

_NOT_THERE = "the version that was applied isn't here, neither measured nor as a file nor in Git"


def reported_data(
    session: Session, records: Collection[ResourceState], runs: Runs, known: Catalog
) -> Iterator[ReportedData]:
    """Recorded datasets with their statistics."""
    if not records:
        return
    config = session.config
    models = _models(session)
    former = _former(session, records)
    for record in records:
        model = known.find(models.get(record.identities.get("content", ""), ""))
        encoding = (model.encoding if model else "") or ENCODINGS[0]
        limit = model.example_tokens if model else None
        path = str(record.inputs.get("file") or record.inputs.get("path") or "")
        shown = str(record.inputs.get("path") or "")
        digest = str(record.outputs.get("digest") or record.inputs.get("content") or "")
        measured = _measured(config, path, digest, encoding)
        if measured is None:
            yield ReportedData(record, shown, note=_NOT_THERE, run=runs.of(record))
            continue
        lengths = Counter(row.tokens for row in rows(measured.rows))
        before, until = former.get(record.address, ("", ""))
        change = _change(config, record, before, measured, encoding) if until else None
        yield ReportedData(
            record, shown, statistics(measured, limit), lengths, limit, "", change, until, runs.of(record)
        )


def _models(session: Session) -> dict[str, str]:
    """The base model that is trained on each digest of examples."""
    found: dict[str, str] = {}
    for record in session.state.resources.values():
        for role in ("validation", "training"):
            if digest := record.identities.get(role):
                found[digest] = base_of(str(record.inputs.get("model") or ""))
    return found


def _former(session: Session, records: Collection[ResourceState]) -> Mapping[Address, tuple[str, str]]:
    """The digest of the file that each dataset had before, and until when, by kept versions of the state."""
    left = {one.address: one for one in records}
    found: dict[Address, tuple[str, str]] = {}
    for at, state in earlier_states(session):
        for address, record in list(left.items()):
            earlier = state.resources.get(address)
            if earlier and earlier.identities.get("content") != record.identities.get("content"):
                found[address] = str(earlier.outputs.get("digest") or ""), at
                del left[address]
        if not left:
            break
    return found


def _measured(config: Config, path: str, digest: str, encoding: str) -> Measured | None:
    """The version with this digest: as it was measured, else from its file, else from Git."""
    if not digest:
        return None
    known = recall(config.project, digest, encoding)
    if known is not None:
        return known
    file = config.folder / path
    with suppress(FtopsError, OSError, NoEncoding):
        if path and _has_digest(file, config.project, digest):
            return summary(file, digest, encoding, config.project)
    return find_version(config.project, file, digest, encoding)


def _has_digest(file: Path, project: Path, digest: str) -> bool:
    with opened(file, project) as stream:
        return f"sha256:{file_digest(stream, 'sha256').hexdigest()}" == digest


def _change(config: Config, record: ResourceState, before: str, new: Measured, encoding: str) -> DataChange:
    """The difference to the version whose bytes have the digest `before`."""
    path = str(record.inputs.get("path") or "")
    old = find_version(config.project, config.folder / path, before, encoding) if before else None
    if old is None:
        note = "the version before is neither measured nor in Git"
        return DataChange(record.address, examples=new.sums.examples, note=note)
    found = difference(old, new)
    is_counted = bool(old.sums.tokens and new.sums.tokens)
    return DataChange(
        record.address,
        added=len(found.added),
        removed=len(found.removed),
        edited=len(found.edited),
        examples=new.sums.examples,
        tokens=found.tokens if is_counted else None,
        reordered=found.reordered,
    )
