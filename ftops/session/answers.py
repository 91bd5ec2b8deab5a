"""Answers of a spec: kept on this machine and, if its state is in a bucket, shared there beside the state."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from msgspec import Struct

from ftops.config.config import Config
from ftops.core.errors import FtopsError, StateError
from ftops.evaluation.kept_answers import KeptAnswers
from ftops.state.backends.bucket_interface import Bucket, Conflict
from ftops.state.backends.factory import state_bucket, state_keys

if TYPE_CHECKING:
    from ftops.state.encryption import Keys

_FOLDER = "answers/"


def kept_answers(config: Config, model: str, fresh: bool = False) -> KeptAnswers:
    """Raises UsageError, StateError."""
    return KeptAnswers(config.project, model, fresh, shared_answers(config))


class Keeper:
    """Gives the kept answers of a run, by model. What isn't shared yet is shared at its end, even
    if the run was stopped during an evaluation. If that fails, the next run shares it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._given: list[KeptAnswers] = []

    def __call__(self, model: str) -> KeptAnswers:
        kept = kept_answers(self._config, model)
        self._given.append(kept)
        return kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for kept in self._given:
            with suppress(FtopsError), kept.asking(seconds=0) as is_free:
                if is_free:
                    kept.share(now=True)


def shared_answers(config: Config) -> BucketSegments | None:
    """None if the state isn't in a bucket. Makes no request. Raises StateError for an invalid key."""
    if not config.state.is_in_bucket:
        return None
    return BucketSegments(state_bucket(config), state_keys(config.project, config.state))


class BucketSegments(Struct, frozen=True):
    """Beside a state, encrypted like it. See `answer_files.Segments`."""

    bucket: Bucket
    keys: Keys | None = None

    def names(self, model: str = "") -> list[str]:
        return [name.removeprefix(_FOLDER) for name in self.bucket.names(f"{_FOLDER}{model}")]

    def get(self, name: str) -> bytes | None:
        found = self.bucket.get(_FOLDER + name)
        return self._opened(name, found.content) if found else None

    def create(self, name: str, content: bytes) -> None:
        """Replaces one that is damaged."""
        sealed = self._sealed(name, content)
        try:
            self.bucket.create(_FOLDER + name, sealed)
        except Conflict:
            found = self.bucket.get(_FOLDER + name)
            if found and self._opened(name, found.content) != content:
                with suppress(Conflict):  # another run does the same
                    self.bucket.replace(_FOLDER + name, sealed, found.tag)

    def delete(self, names: Iterable[str]) -> None:
        self.bucket.delete(_FOLDER + name for name in names)

    def renew(self) -> None:
        """Encrypts all that can be read like the state, after its encryption has changed."""
        for name in self.names():
            found = self.bucket.get(_FOLDER + name)
            content = found and self._opened(name, found.content)
            if found and content:
                with suppress(Conflict):  # another run does the same
                    self.bucket.replace(_FOLDER + name, self._sealed(name, content), found.tag)

    def _sealed(self, name: str, content: bytes) -> bytes:
        if self.keys is None or self.keys.key is None:
            return content
        return self.keys.encrypt(content.decode(), _FOLDER + name).encode()

    def _opened(self, name: str, content: bytes) -> bytes | None:
        """Bound to its name, so that no segment can be used in place of another."""
        if content.startswith(b"{"):
            is_accepted = self.keys is None or self.keys.key is None or self.keys.accept_plain
            return content if is_accepted else None
        try:
            text = content.decode()
            return self.keys.decrypt(text, _FOLDER + name, self.bucket.place).encode() if self.keys else None
        except (StateError, UnicodeDecodeError):
            return None
