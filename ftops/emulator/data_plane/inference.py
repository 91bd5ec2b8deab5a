"""Inference: what answers a request, and what a server remembers of those before it.

Nothing of this is kept on disk: after a restart, the same requests get the same answers.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from ftops.emulator.account.cloud import Cloud, TunedModel, derived_hex
from ftops.emulator.data_plane.rate_limits import RateLimits
from ftops.emulator.data_plane.recordings import Recordings
from ftops.emulator.trainer import base_model
from ftops.emulator.trainer.examples import Call, Context, Reply

if TYPE_CHECKING:
    from ftops.emulator.trainer.model import Model

_MAX_LOADED = 4


@lru_cache(maxsize=_MAX_LOADED)
def _loaded(weights: Path) -> Model:
    # Imported here: numpy is loaded by the first request for a tuned model.
    from ftops.emulator.trainer import model

    return model.load(weights)


class Memory:
    """Of one server, since it was started or reset."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        _loaded.cache_clear()
        self.limits = RateLimits()
        self.prompts = PromptCache()
        self.recordings = Recordings()
        self._asked: Counter[tuple[str, str]] = Counter()

    def count(self, model: str, request: str) -> int:
        """How often this model was asked this before."""
        self._asked[model, request] += 1
        return self._asked[model, request] - 1


def answer(cloud: Cloud, tuned: TunedModel | None, context: Context, calls: bool, texts: bool) -> Reply:
    """By the tuned model, or else by the rules for base models."""
    learned = None
    if tuned is not None:
        from ftops.emulator.trainer import model

        learned = model.answer(_loaded(cloud.weights(tuned.weights)), context, texts=texts, calls=calls)
    return learned or base_model.answer(context, texts=texts, calls=calls)


def with_noise(reply: Reply, context: Context, share: float, seed: tuple[str, str, int]) -> Reply:
    """Another reply for a ``share`` of the seeds: a model, a request, and how often it came before."""
    random = Random(derived_hex(*seed))  # noqa: S311 - not for secrets
    return _other(reply, context, random) if random.random() < share else reply


def _other(reply: Reply, context: Context, random: Random) -> Reply:
    """A call of another function that is offered; if there is none, the call without arguments. Of a text,
    the words in another order."""
    if not reply.calls:
        return Reply(_shuffled(reply.text, random))
    called = {call.name for call in reply.calls}
    others = [function for function in context.functions if function.name not in called]
    if others:
        return reply._replace(calls=(base_model.call(random.choice(others), context.prompt),))
    return reply._replace(calls=tuple(Call(call.name, {}) for call in reply.calls))


def _shuffled(text: str, random: Random) -> str:
    parts = text.split()
    shuffled = " ".join(random.sample(parts, len(parts)))
    return shuffled if shuffled != " ".join(parts) else f"{text} {text}"


_FEWEST = 1024
_STEP = 128
_SECONDS = 600.0  # of the virtual clock, since it was last used
_MOST = 20_000  # beginnings that are remembered


class PromptCache:
    """How many tokens of a prompt a model has already read, as ``cached_tokens`` in the usage.

    As the service documents: the beginning of a prompt, from 1,024 tokens on, in steps of 128, for some
    minutes.
    """

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
