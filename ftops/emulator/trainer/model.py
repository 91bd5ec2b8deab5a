"""Model: how the emulator represents a reply, and the probability that it gives it.

A reply is a sequence of tokens:

* calls of functions: a token for the name (one for all names of parallel calls), a key token and a value
  token for each argument, and a token for the end of the arguments;
* a text: a token for each word or mark, and one for the end of the text.

Probabilities:

* First token: a softmax over *outputs*, linear in the hashed n-grams of the context. An output is a set of
  functions to call, a text seen in training, or any other reply (output 0). If functions are offered, only
  those can be called. A call that wasn't in the training data shares the probability of output 0 with
  ``OTHER_VALUES`` others.
* Key: a logistic model for each parameter (is the argument given?), by the words of the prompt. End of the
  arguments: no parameter that was left out should have been given.
* Value: a softmax over candidates, see ``features``. A value that isn't a candidate shares the probability of
  the last one with ``OTHER_VALUES`` others.
* Word: a mixture over the remembered texts, weighted by how well each fits the context and the words so far.
  Such a text gives its next word ``1 - SLIP``; the rest is distributed by the frequencies of words in
  training replies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct, convert
from msgspec.structs import asdict

from ftops.emulator.trainer.examples import Call, Context, Example, Function, Reply, words
from ftops.emulator.trainer.features import (
    PROMPT_BUCKETS,
    SLOT_BUCKETS,
    Choice,
    Floats,
    Ints,
    Parameter,
    Sparse,
    canonical,
    choice,
    parameter_of,
    presence_features,
    prompt_vector,
    summed,
    words_of,
)

OTHER_VALUES = 1000
SLIP = 0.05
MAX_TEXTS = 256
MAX_VALUES = 64
MAX_WORDS = 20000
END, UNKNOWN = "</s>", "<unknown>"
_START_SPREAD = 0.01


class Vocabulary(Struct, frozen=True):
    """What the model has learned to say."""

    outputs: tuple[str, ...] = ("",)  # "" is any other reply, "f" or "f+g" are calls, "=…" is a text
    values: Mapping[str, tuple[Any, ...]] = {}  # by "function.parameter"
    parameters: Mapping[str, tuple[str, ...]] = {}  # by function
    counts: Mapping[str, int] = {}  # of words in replies
    legacy: bool = False

    def with_examples(self, examples: Iterable[Example]) -> Vocabulary:
        """This vocabulary, extended by ``examples``."""
        outputs = dict.fromkeys(self.outputs)
        values = {key: {canonical(v): v for v in seen} for key, seen in self.values.items()}
        parameters = {name: dict.fromkeys(keys) for name, keys in self.parameters.items()}
        counts = dict(self.counts)
        legacy = self.legacy
        texts = sum(output.startswith("=") for output in outputs)
        for example in examples:
            reply = example.reply
            name = output_of(reply)
            texts += not reply.calls and name not in outputs
            if reply.calls or texts <= MAX_TEXTS:
                outputs[name] = None
            for word in () if reply.calls else (*words(reply.text), END):
                if word in counts or len(counts) < MAX_WORDS:
                    counts[word] = counts.get(word, 0) + 1
            legacy = reply.legacy if reply.calls else legacy
            for call in reply.calls:
                known = parameters.setdefault(call.name, {})
                for key, value in call.arguments.items():
                    known[key] = None
                    seen = values.setdefault(f"{call.name}.{key}", {})
                    if len(seen) < MAX_VALUES:
                        seen.setdefault(canonical(value), value)
        return Vocabulary(
            tuple(outputs),
            {key: tuple(seen.values()) for key, seen in values.items()},
            {name: tuple(keys) for name, keys in parameters.items()},
            counts,
            legacy,
        )


def output_of(reply: Reply) -> str:
    """The output of a reply."""
    if reply.calls:
        return "+".join(call.name for call in reply.calls)
    return f"={reply.text.strip()}"


class ArgumentTask(NamedTuple):
    """A parameter of a call."""

    call: int  # index of the call in the reply
    presence: Ints
    given: bool
    picked: Choice | None  # the candidates, if the argument is given
    target: int  # the group of the true value


class Task(NamedTuple):
    """An example as the model sees it, independent of the weights."""

    vector: Sparse
    allowed: Ints  # possible outputs
    output: int  # the true one among all outputs; -1 for a text
    words: Ints  # of a text, including its end
    arguments: tuple[ArgumentTask, ...]
    calls: int

    @property
    def tokens(self) -> int:
        given = sum(argument.given for argument in self.arguments)
        return len(self.words) if self.output < 0 else 1 + 2 * given + self.calls


@dataclass(slots=True)
class Model:
    """Weights and vocabulary. ``outputs`` has a column for each output, ``slots`` a place for each feature.

    Only the trainer changes the arrays, in place.
    """

    vocabulary: Vocabulary
    outputs: Floats
    slots: Floats
    base: str = ""
    texts: Ints = field(init=False)  # words of the remembered texts, a row each, padded with -1
    text_outputs: Ints = field(init=False)  # the outputs of these rows
    frequency: Floats = field(init=False)  # of words; place 0 is any unknown word
    _words: dict[str, int] = field(init=False)
    _names: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._names = {name: index for index, name in enumerate(self.vocabulary.outputs)}
        self._words = {word: index + 1 for index, word in enumerate(self.vocabulary.counts)}
        counts = np.array([0, *self.vocabulary.counts.values()], dtype=np.float64) + 1.0
        self.frequency = counts / counts.sum()
        texts = {i: self._word_ids(n[1:]) for i, n in enumerate(self.vocabulary.outputs) if n[:1] == "="}
        self.text_outputs = np.array(list(texts), dtype=np.int64)
        longest = max((len(text) for text in texts.values()), default=0)
        self.texts = np.full((len(texts), longest), -1, dtype=np.int64)
        for row, text in zip(self.texts, texts.values(), strict=True):
            row[: len(text)] = text

    def _word_ids(self, text: str) -> list[int]:
        return [self._words.get(word, 0) for word in (*words(text), END)]

    def task(self, example: Example) -> Task:
        context, reply = example
        unknown_call = len(self.vocabulary.outputs)  # not the number of any output
        output = self._names.get(output_of(reply), unknown_call) if reply.calls else -1
        allowed = self.allowed(context)
        if 0 <= output < unknown_call and output not in allowed:
            allowed = np.append(allowed, output)
        arguments = [
            task
            for index, call in enumerate(reply.calls)
            for task in self._argument_tasks(context, index, call)
        ]
        text = np.array([] if reply.calls else self._word_ids(reply.text), dtype=np.int64)
        return Task(prompt_vector(context), allowed, output, text, tuple(arguments), len(reply.calls))

    def allowed(self, context: Context, texts: bool = True) -> Ints:
        """The possible outputs in a context."""
        offered = {function.name for function in context.functions}
        possible = [
            index
            for index, name in enumerate(self.vocabulary.outputs)
            if (texts if name[:1] in ("", "=") else not offered or offered >= set(name.split("+")))
        ]
        return np.array(possible, dtype=np.int64)

    def parameters(self, context: Context, name: str) -> list[Parameter]:
        """The parameters of a function that is offered, or else of one seen in training."""
        offered = [function for function in context.functions if function.name == name]
        function = offered[0] if offered else Function(name, "", {}, ())
        learned = self.vocabulary.parameters.get(name, ())
        names = list(function.parameters) if offered else learned
        return [parameter_of(function, key, self.vocabulary.values.get(f"{name}.{key}", ())) for key in names]

    def _argument_tasks(self, context: Context, index: int, call: Call) -> list[ArgumentTask]:
        prompt_words = words_of(context)
        tasks = []
        for parameter in self.parameters(context, call.name):
            given = parameter.name in call.arguments
            picked = choice(parameter, context.prompt) if given else None
            target = _group(picked, call.arguments[parameter.name]) if picked else -1
            features = presence_features(parameter, prompt_words)
            tasks.append(ArgumentTask(index, features, given, picked, target))
        return tasks

    def output_scores(self, vector: Sparse, allowed: Ints) -> Floats:
        """The log-probabilities of the allowed outputs."""
        scores = vector.values @ self.outputs[vector.places][:, allowed]
        return log_softmax(scores)

    def save(self, path: Path) -> None:
        """Write the model: the weights in single precision, without zeros."""
        temporary = path.with_name(f".{path.name}.tmp")
        rows = np.flatnonzero(self.outputs.any(axis=1))
        places = np.flatnonzero(self.slots)
        vocabulary = json.dumps({**asdict(self.vocabulary), "base": self.base})
        with temporary.open("wb") as file:
            np.savez(
                file,
                rows=rows,
                outputs=self.outputs[rows].astype(np.float32),
                places=places,
                slots=self.slots[places].astype(np.float32),
                vocabulary=np.frombuffer(vocabulary.encode(), dtype=np.uint8),
            )
        temporary.replace(path)


def fresh(vocabulary: Vocabulary, base: str, seed: int) -> Model:
    """An untrained model with small random weights."""
    random = np.random.default_rng(seed)
    outputs = random.normal(0.0, _START_SPREAD, (PROMPT_BUCKETS, len(vocabulary.outputs)))
    return Model(vocabulary, outputs, random.normal(0.0, _START_SPREAD, SLOT_BUCKETS), base)


def continued(parent: Model, examples: Iterable[Example], seed: int) -> Model:
    """A copy of ``parent`` with the vocabulary extended by ``examples``."""
    vocabulary = parent.vocabulary.with_examples(examples)
    model = fresh(vocabulary, parent.base, seed)
    model.outputs[:, : parent.outputs.shape[1]] = parent.outputs
    return replace(model, slots=parent.slots.copy())


def load(path: Path) -> Model:
    """The inverse of ``Model.save``."""
    with np.load(path) as stored:
        fields = json.loads(stored["vocabulary"].tobytes())
        vocabulary = convert(fields, Vocabulary)
        outputs = np.zeros((PROMPT_BUCKETS, len(vocabulary.outputs)))
        outputs[stored["rows"]] = stored["outputs"]
        slots = np.zeros(SLOT_BUCKETS)
        slots[stored["places"]] = stored["slots"]
    return Model(vocabulary, outputs, slots, fields["base"])


def log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max()
    normal: Floats = shifted - np.log(np.exp(shifted).sum())
    return normal


def _group(picked: Choice, value: Any) -> int:
    key = canonical(value)
    return picked.keys.index(key) if key in picked.keys else len(picked.keys) - 1


def answer(
    model: Model, context: Context, *, texts: bool, calls: bool, fits: Callable[[str], bool] | None = None
) -> Reply | None:
    """The most probable reply; None if the model hasn't learned any that is possible here. ``fits``: whether
    a text is."""
    allowed = model.allowed(context, texts)
    names = [model.vocabulary.outputs[index] for index in allowed]
    usable = [i for i, name in enumerate(names) if name and (calls or name[0] == "=")]
    if not usable:
        return None
    scores = model.output_scores(prompt_vector(context), allowed)
    best = (names[index] for index in sorted(usable, key=lambda index: -float(scores[index])))
    name = next((name for name in best if fits is None or name[0] != "=" or fits(name[1:])), None)
    if name is None:
        return None
    if name.startswith("="):
        return Reply(name[1:])
    answered = tuple(Call(part, _arguments(model, context, part)) for part in name.split("+"))
    return Reply(calls=answered, legacy=model.vocabulary.legacy)


def _arguments(model: Model, context: Context, name: str) -> dict[str, Any]:
    prompt_words = words_of(context)
    arguments = {}
    for parameter in model.parameters(context, name):
        weight = model.slots[presence_features(parameter, prompt_words)].sum()
        if not parameter.required and weight <= 0:
            continue
        picked = choice(parameter, context.prompt)
        if len(picked.values) > 1:
            arguments[parameter.name] = _best_value(model, picked)
    return arguments


def _best_value(model: Model, picked: Choice) -> Any:
    scores = np.exp(log_softmax(summed(model.slots, picked)))
    groups = np.bincount(picked.group, weights=scores)[:-1]
    first = int(np.flatnonzero(picked.group == int(groups.argmax()))[0])
    return picked.values[first]
