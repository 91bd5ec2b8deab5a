"""The contents that data files may have: what they say, and how that is spelled."""

from __future__ import annotations

from hashlib import sha256

from msgspec import Struct


class Content(Struct, frozen=True):
    """`text` are the bytes of a file, `meaning` what its examples say."""

    text: str
    meaning: str

    @property
    def digest(self) -> str:
        return f"sha256:{sha256(self.text.encode()).hexdigest()}"

    @property
    def identity(self) -> str:
        return f"sha256:{sha256(f'examples {self.meaning}'.encode()).hexdigest()}"


CONTENTS = tuple(Content(text, text[0]) for text in ("1", "2", "3", "1 spelled otherwise"))
_BY_DIGEST = {content.digest: content for content in CONTENTS}


def by_digest(digest: str) -> Content:
    return _BY_DIGEST[digest]
