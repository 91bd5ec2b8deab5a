"""A state that is encrypted at rest. Each text is bound to what it is: a snapshot to its spec, environment,
lineage and serial, a line of the journal to its lineage and serial. So none of them can stand in for another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ftops.state.codec import entry_to_json
from ftops.state.encryption import Keys, altered_or_plain
from ftops.state.file_format import PLAIN, check_version, parse_snapshot, sealed_line, snapshot_text
from ftops.state.state import STATE_VERSION, Entry, State


class EncryptedCodec(Struct, frozen=True):
    """See `file_format.Form`. Without a key to seal with it writes in the clear, and reads sealed text."""

    keys: Keys

    @property
    def is_changing(self) -> bool:
        return bool(self.keys.fallbacks or self.keys.accept_plain)

    def snapshot(self, state: State, spec: str, environment: str) -> str:
        text = snapshot_text(state, spec, environment)
        if self.keys.key is None:
            return text
        outside = {
            "environment": environment,
            "lineage": state.lineage,
            "serial": state.serial,
            "spec": spec,
            "version": STATE_VERSION,
        }
        sealed = self.keys.encrypt(text, _of_snapshot(outside))
        return json.dumps({**outside, "sealed": sealed}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    def parse(self, text: str, file: str, spec: str, environment: str) -> State:
        raw = _object(text)
        if raw is None or not isinstance(raw.get("sealed"), str):
            state = parse_snapshot(text, file, spec, environment)  # says what is wrong with it, if anything
            if not self.keys.accept_plain and self.keys.key is not None:
                raise altered_or_plain(file)
            return state
        check_version(raw, file)
        return parse_snapshot(
            self.keys.decrypt(raw["sealed"], _of_snapshot(raw), file), file, spec, environment
        )

    def line(self, serial: int, entry: Entry, lineage: str) -> str:
        if self.keys.key is None:
            return PLAIN.line(serial, entry, lineage)
        body = json.dumps(entry_to_json(entry), ensure_ascii=False)
        return sealed_line(serial, self.keys.encrypt(body, _of_entry(lineage, serial)))

    def entry(self, row: Mapping[str, Any], lineage: str, file: str) -> Entry:
        sealed = row.get("sealed")
        if not isinstance(sealed, str):
            if not self.keys.accept_plain and self.keys.key is not None:
                raise altered_or_plain(file)
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
        elif not self.keys.accept_plain and self.keys.key is not None:
            raise altered_or_plain(file)


def taking_plain(form: EncryptedCodec) -> EncryptedCodec:
    """The same, for a state that may not be encrypted yet."""
    return EncryptedCodec(replace(form.keys, accept_plain=True))


def _of_snapshot(outside: Mapping[str, Any]) -> str:
    names = ("spec", "environment", "lineage", "serial")
    return "snapshot:" + json.dumps([outside.get(name) for name in names])


def _of_entry(lineage: str, serial: int) -> str:
    return "entry:" + json.dumps([lineage, serial])


def _object(text: str) -> dict[str, Any] | None:
    try:
        raw = json.loads(text)
    except ValueError:
        return None
    return raw if isinstance(raw, dict) else None
