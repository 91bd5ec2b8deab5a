"""The contents that data files may have: what they say, and how that is spelled."""

from __future__ import annotations

import json
from hashlib import sha256

from msgspec import Struct


class Content(Struct, frozen=True):
    """`text` are the bytes of a file, `meaning` what its examples say, `name` what a history calls it."""

    name: str
    text: str
    meaning: str

    @property
    def digest(self) -> str:
        return f"sha256:{sha256(self.text.encode()).hexdigest()}"

    @property
    def identity(self) -> str:
        return f"sha256:{sha256(f'examples {self.meaning}'.encode()).hexdigest()}"


def _examples(meaning: str, separators: tuple[str, str] | None = None) -> str:
    """A file that a service trains on."""
    rows = (
        {
            "messages": [
                {"role": "user", "content": f"{n}"},
                {"role": "assistant", "content": f"{meaning} {n}"},
            ]
        }
        for n in range(10)
    )
    return "".join(json.dumps(row, separators=separators) + "\n" for row in rows)


CONTENTS = (
    *(Content(meaning, _examples(meaning), meaning) for meaning in ("1", "2", "3")),
    Content("1 spelled otherwise", _examples("1", (",", ":")), "1"),
)
_BY_DIGEST = {content.digest: content for content in CONTENTS}


def by_digest(digest: str) -> Content:
    return _BY_DIGEST[digest]
