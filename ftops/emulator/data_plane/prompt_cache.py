"""Prompt cache: how many tokens of a prompt a model has already read, as ``cached_tokens`` in the usage.

As the service documents: the beginning of a prompt, from 1,024 tokens on, in steps of 128, for some minutes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

_FEWEST = 1024
_STEP = 128
_SECONDS = 600.0  # of the virtual clock, since it was last used
_MOST = 20_000  # beginnings that are remembered


class PromptCache:
    def __init__(self) -> None:
        self._used: OrderedDict[bytes, float] = OrderedDict()

    def read(self, model: str, tokens: Sequence[str], now: float) -> int:
        """The number of cached tokens; the whole prompt is cached from then on."""
        digest, cached = hashlib.sha256(model.encode()), 0
        for end in range(_STEP, len(tokens) + 1, _STEP):
            digest.update("\0".join(tokens[end - _STEP : end]).encode("utf-8", "surrogatepass"))
            if end < _FEWEST:
                continue
            key = digest.digest()
            if 0 <= now - self._used.pop(key, -_SECONDS) < _SECONDS:
                cached = end
            self._used[key] = now
        while len(self._used) > _MOST:
            self._used.popitem(last=False)
        return cached
