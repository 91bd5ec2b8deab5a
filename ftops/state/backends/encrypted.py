"""Encrypted codec: a state that is encrypted at rest.

A snapshot is bound to its spec, environment, lineage and serial, a line of the journal to its lineage and
serial, so that none can be used in place of another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ftops.core.errors import StateError
from ftops.state.codec import entry_to_json
from ftops.state.encryption import Keys
from ftops.state.file_format import PLAIN, check_version, checked_line, parse_snapshot, snapshot_text
from ftops.state.state import STATE_VERSION, Entry, State


class EncryptedCodec(Struct, frozen=True):
    """See `file_format.StateCodec`. Without a main key it writes plain text, but reads encrypted text."""

    keys: Keys

    @property
    def is_changing(self) -> bool:
        return bool(self.keys.fallbacks or self.keys.accept_plain)

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        text = snapshot_text(state, spec, environment)
        if self.keys.key is None:
            return text
        header = {
            "environment": environment,
            "lineage": state.lineage,
            "serial": state.serial,
            "spec": spec,
            "version": STATE_VERSION,
        }
        sealed = self.keys.encrypt(text, _of_snapshot(header))
        return json.dumps({**header, "sealed": sealed}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        try:
            raw = json.loads(text)
        except ValueError:
            raw = None
        if isinstance(raw, dict) and isinstance(raw.get("sealed"), str):
            check_version(raw, file)
            text = self.keys.decrypt(raw["sealed"], _of_snapshot(raw), file)
            return parse_snapshot(text, file, spec, environment)
        state = parse_snapshot(text, file, spec, environment)  # first, because its errors are more specific
        self._refuse_plain(file)
        return state

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        if self.keys.key is None:
            return PLAIN.line(serial, entry, lineage)
        body = json.dumps(entry_to_json(entry), ensure_ascii=False)
        return checked_line({"serial": serial, "sealed": self.keys.encrypt(body, _of_entry(lineage, serial))})

    def entry(self, row: Mapping[str, Any], lineage: str, file: str) -> Entry:
        sealed = row.get("sealed")
        if not isinstance(sealed, str):
            self._refuse_plain(file)
            return PLAIN.entry(row, lineage, file)
        body = self.keys.decrypt(sealed, _of_entry(lineage, row["serial"]), file)
        return PLAIN.entry({"serial": row["serial"], **json.loads(body)}, lineage, file)

    def digest_key(self, spec: str, environment: str) -> str:
        return self.keys.key.derived(f"digests of secrets:{spec}/{environment}") if self.keys.key else ""

    def mark(self, text: str) -> str:
        return self.keys.encrypt("", f"head:{text}") if self.keys.key else ""

    def check(self, text: str, mark: str, file: str) -> None:
        if mark:
            self.keys.decrypt(mark, f"head:{text}", file)
        else:
            self._refuse_plain(file)

    def _refuse_plain(self, file: str) -> None:
        if self.keys.accept_plain or self.keys.key is None:
            return
        raise StateError(
            f"the state isn't encrypted, but the spec requires encryption: {file}",
            "either it was never encrypted, or it was replaced by another one.",
            "to encrypt it from now on, set `accept_plain: true` under `encryption` for one apply",
        )


def _of_snapshot(header: Mapping[str, Any]) -> str:
    names = ("spec", "environment", "lineage", "serial")
    return "snapshot:" + json.dumps([header.get(name) for name in names])


def _of_entry(lineage: str, serial: int) -> str:
    return "entry:" + json.dumps([lineage, serial])
