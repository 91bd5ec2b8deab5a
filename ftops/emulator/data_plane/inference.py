"""Inference: what answers a request, and what a server remembers of those before it.

Nothing of this is kept on disk: after a restart, the same requests get the same answers.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from random import Random
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from ftops.emulator.account.cloud import JSON, Cloud, Deployment, TunedModel, derived_hex
from ftops.emulator.http.errors import ServiceError
from ftops.emulator.http.messages import MAX_BYTES
from ftops.emulator.trainer import base_model
from ftops.emulator.trainer.examples import Call, Context, Reply

if TYPE_CHECKING:
    from ftops.emulator.data_plane.chat_request import Question
    from ftops.emulator.trainer.model import Model
    from ftops.emulator.trainer.tokens import Token

_MAX_LOADED = 4
MODEL = "replay"
_NOT_SETTINGS = frozenset({"model", "messages", "tools", "n", "stream", "stream_options", "user"})
_encode = msgspec.json.Encoder(order="sorted").encode
PERIODS = {"requests": 10, "tokens": 60}
_LIMIT_NAMES = {"requests": "call rate limit", "tokens": "token rate limit"}
_FEWEST = 1024  # tokens of the shortest beginning of a prompt that is cached
_STEP = 128  # tokens
_SECONDS = 600.0  # of the virtual clock: how long a beginning is cached since it was last used
_MOST = 20_000  # beginnings that are remembered


@lru_cache(maxsize=_MAX_LOADED)
def _loaded(weights: Path) -> Model:
    # Imported here: numpy is loaded by the first request for a tuned model.
    from ftops.emulator.trainer import model

    return model.load(weights)


class Memory:
    """Of one server, since it was started or reset."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        _loaded.cache_clear()
        self.limits = RateLimits()
        self.prompts = PromptCache()
        self.recordings = Recordings()
        self._asked: Counter[tuple[str, str]] = Counter()

    def count(self, model: str, request: str) -> int:
        """How often this model was asked this before. For any thread."""
        with self._lock:
            self._asked[model, request] += 1
            return self._asked[model, request] - 1


def answer(
    cloud: Cloud, tuned: TunedModel | None, question: Question, fits: Callable[[str], bool] | None
) -> Reply:
    """By the tuned model, or else by the rules for base models. ``fits``: whether a text is possible."""
    context, calls, texts, learned = question.context, question.calls, question.texts, None
    if tuned is not None:
        from ftops.emulator.trainer import model

        loaded = _loaded(cloud.weights(tuned.weights))
        learned = model.answer(loaded, context, texts=texts, calls=calls, fits=fits)
    return learned or base_model.answer(context, texts=texts, calls=calls)


def probabilities(cloud: Cloud, tuned: TunedModel, context: Context, text: str, count: int) -> list[Token]:
    """Of the tokens of a text, with ``count`` others at each place."""
    from ftops.emulator.trainer import probabilities

    return probabilities.of_text(_loaded(cloud.weights(tuned.weights)), context, text, count)


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


def request_key(body: Mapping[str, Any]) -> str:
    """sha256 of ``{"messages", "settings", "tools"}`` as JSON with sorted keys and without spaces. Settings
    are the other parameters on which an answer depends."""
    settings = {name: value for name, value in body.items() if name not in _NOT_SETTINGS}
    content = {"messages": body.get("messages"), "settings": settings, "tools": body.get("tools") or []}
    try:
        text = _encode(content)
    except (msgspec.MsgspecError, UnicodeError, OverflowError):
        text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest()


class Recordings:
    """Answers of a real model in the JSONL file of the setting ``recordings``, which deployments of the model
    ``replay`` give again. It is read again when it has changed.

    A line is ``{"key", "message", "finish_reason"?, "usage"?}``. The key is that of the request; lines with
    the same key are given in turn.
    """

    def __init__(self) -> None:
        self._version: object = None
        self._lines: dict[str, list[JSON]] = {}

    def find(self, file: str, key: str) -> list[JSON]:
        """The recorded answers to a request. Raises ServiceError."""
        if not file:
            raise _no_recording(f"This emulator has no recordings (setting 'recordings'). Request: {key}")
        self._load(Path(file))
        if key not in self._lines:
            raise _no_recording(f"There is no recording of this request: {key}")
        return self._lines[key]

    def _load(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (path, found.st_mtime_ns, found.st_size, found.st_ino)
            if version == self._version:
                return
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                raise _unusable(f"The recordings '{path}' are not a file of at most {MAX_BYTES} bytes.")
            lines: dict[str, list[JSON]] = {}
            for key, line in _parsed(path):
                lines.setdefault(key, []).append(line)
        except OSError as exc:
            raise _unusable(f"The recordings '{path}' can't be read: {exc.strerror}.") from exc
        self._version, self._lines = version, lines


def _parsed(path: Path) -> Iterator[tuple[str, JSON]]:
    for number, raw in enumerate(path.read_bytes().splitlines(), 1):
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
            message = line["message"]
            if not isinstance(message, dict) or not isinstance(line["key"], str):
                raise TypeError
            for call in message.get("tool_calls") or ():
                str(call["function"]["name"] + call["function"]["arguments"])
        except (ValueError, LookupError, TypeError, RecursionError):
            raise _unusable(
                f"Line {number} of '{path}' is not a recording with 'key' and 'message'."
            ) from None
        yield line["key"], line


def _no_recording(message: str) -> ServiceError:
    return ServiceError(404, "RecordingNotFound", message)


def _unusable(message: str) -> ServiceError:
    return ServiceError(400, "BadRecordings", message)


class RateLimits:
    """Of deployments: requests in ten seconds and tokens in a minute, in proportion to the capacity.

    As the service documents: a request counts when it arrives, with the tokens of its prompt and its largest
    answer. Windows are of the virtual clock, and forgotten when the server ends. What the service's headers
    count is not documented: here it is the window.
    """

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], tuple[int, int]] = {}  # number of the window, used in it

    def take(self, cloud: Cloud, deployment: Deployment | None, tokens: int, version: str) -> dict[str, str]:
        """Count a request; the headers of its reply. Raises ServiceError if a limit is reached."""
        if deployment is None:
            return {}
        now, headers, counted = cloud.clock.now(), {}, {}
        for kind, wanted in (("requests", 1), ("tokens", tokens)):
            limit = getattr(cloud.settings, f"{kind}_per_unit") * deployment.sku["capacity"]
            if not limit:
                continue
            window = int(now // PERIODS[kind])
            start, used = self._used.get((deployment.id, kind), (window, 0))
            used = wanted + (used if start == window else 0)
            if used > limit:
                left = (window + 1) * PERIODS[kind] - now
                raise _exceeded(kind, left / (cloud.clock.rate or 1.0), version)
            counted[deployment.id, kind] = window, used
            headers[f"x-ratelimit-limit-{kind}"] = str(limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(limit - used)
        self._used |= counted
        return headers


def _exceeded(kind: str, seconds: float, version: str) -> ServiceError:
    """``seconds`` are real ones, in which the caller waits."""
    whole = max(1, ceil(seconds))
    return ServiceError(
        429,
        "429",
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {version} have "
        f"exceeded {_LIMIT_NAMES[kind]} of your current OpenAI S0 pricing tier. Please retry after {whole} "
        "seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further increase "
        "the default rate limit.",
        {
            "retry-after": str(whole),
            "retry-after-ms": str(max(1, ceil(seconds * 1000))),
            f"x-ratelimit-remaining-{kind}": "0",
        },
    )
