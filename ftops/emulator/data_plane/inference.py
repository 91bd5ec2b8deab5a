"""Inference: what answers a request, and what a server remembers of those before it.

Nothing of this is kept on disk: after a restart, the same requests get the same answers.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from random import Random
from typing import TYPE_CHECKING

from ftops.emulator.account.cloud import Cloud, TunedModel, derived_hex
from ftops.emulator.data_plane.prompt_cache import PromptCache
from ftops.emulator.data_plane.rate_limits import RateLimits
from ftops.emulator.data_plane.recordings import Recordings
from ftops.emulator.trainer import base_model, noise
from ftops.emulator.trainer.examples import Context, Reply

if TYPE_CHECKING:
    from ftops.emulator.trainer.model import Model

_MAX_LOADED = 4


class LoadedModels:
    """The tuned models that were used last, in memory."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Model] = OrderedDict()

    def get(self, cloud: Cloud, tuned: TunedModel) -> Model:
        # Imported here: numpy is loaded by the first request for a tuned model.
        from ftops.emulator.trainer import model

        loaded = self._loaded.pop(tuned.weights, None)
        self._loaded[tuned.weights] = loaded or model.load(cloud.weights(tuned.weights))
        while len(self._loaded) > _MAX_LOADED:
            self._loaded.popitem(last=False)
        return self._loaded[tuned.weights]


class Memory:
    """Of one server, since it was started or reset."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.models = LoadedModels()
        self.limits = RateLimits()
        self.prompts = PromptCache()
        self.recordings = Recordings()
        self._asked: Counter[tuple[str, str]] = Counter()

    def count(self, model: str, request: str) -> int:
        """How often this model was asked this before."""
        self._asked[model, request] += 1
        return self._asked[model, request] - 1


def answer(
    cloud: Cloud, models: LoadedModels, tuned: TunedModel | None, context: Context, calls: bool, texts: bool
) -> Reply:
    """By the tuned model, or else by the rules for base models."""
    learned = None
    if tuned is not None:
        from ftops.emulator.trainer import model

        learned = model.answer(models.get(cloud, tuned), context, texts=texts, calls=calls)
    return learned or base_model.answer(context, texts=texts, calls=calls)


def with_noise(reply: Reply, context: Context, share: float, seed: tuple[str, str, int]) -> Reply:
    """Another reply for a ``share`` of the seeds: a model, a request, and how often it came before."""
    random = Random(derived_hex(*seed))  # noqa: S311 - not for secrets
    return noise.other(reply, context, random) if random.random() < share else reply
