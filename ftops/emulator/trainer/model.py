"""The small model that the emulator tunes: how it sees a reply, and how probable it finds it.

A reply is a sequence of tokens:

* calls of functions: one token for the name (the names of parallel calls together are one), then
  for each argument a key token and a value token, and one token that ends the arguments;
* a text: one token per word or mark, and one that ends the text.

Where the probabilities arise:

* The first token: a softmax over *outputs*, linear in the hashed n-grams of the context. An
  output is a set of functions to call, a text seen in training, or any other reply (output 0).
  Where functions are offered, only those can be called. A call that training did not show shares
  the probability of output 0 with ``OTHER_VALUES`` others.
* A key: a logistic model per parameter (is the argument given?), from the words of the prompt. The
  end of the arguments: no parameter left out should have been given.
* A value: a softmax over candidates, see ``slots``. A value that is no candidate shares the
  probability of the last one with ``OTHER_VALUES`` others.
* A word: a mixture over the texts, weighted by how well each goes with the context and with the
  words so far; a remembered text gives its next word ``1 - SLIP`` and leaves the rest to the
  frequencies of words in the training replies.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ftops.emulator.trainer.examples import Call, Context, Example, Function, Reply, words
from ftops.emulator.trainer.features import PROMPT_BUCKETS, Floats, Ints, Sparse, canonical, prompt_vector
from ftops.emulator.trainer.slots import (
    SLOT_BUCKETS,
    Choice,
    Parameter,
    choice,
    parameter_of,
    presence_features,
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


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What training data can make the model say."""

    outputs: tuple[str, ...] = ("",)  # "" is some other text; "f" or "f+g" calls; "=…" is a text
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)  # "function.parameter"
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by function
    counts: Mapping[str, int] = field(default_factory=dict)  # of words in replies
    legacy: bool = False

    def with_examples(self, examples: Iterable[Example]) -> Vocabulary:
        """This vocabulary, and what ``examples`` add to it."""
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
            _count_words(counts, reply)
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


def _count_words(counts: dict[str, int], reply: Reply) -> None:
    for word in () if reply.calls else (*words(reply.text), END):
        if word in counts or len(counts) < MAX_WORDS:
            counts[word] = counts.get(word, 0) + 1


def output_of(reply: Reply) -> str:
    """The name of the output that a reply is."""
    if reply.calls:
        return "+".join(call.name for call in reply.calls)
    return f"={reply.text.strip()}"


@dataclass(frozen=True, slots=True)
class ArgumentTask:
    """One parameter of a call: whether it is given, and the value to choose."""

    call: int  # which of the reply's calls
    presence: Ints
    given: bool
    picked: Choice | None  # the candidates, where the argument is given
    target: int  # the group of the true value


@dataclass(frozen=True, slots=True)
class Task:
    """An example made ready for the model: everything but the weights."""

    vector: Sparse
    allowed: Ints  # outputs that are possible here
    output: int  # the true one among all outputs; -1 for a text
    words: Ints  # of a text, its end included
    arguments: tuple[ArgumentTask, ...]
    calls: int

    @property
    def tokens(self) -> int:
        """How many tokens the reply is."""
        given = sum(argument.given for argument in self.arguments)
        return len(self.words) if self.output < 0 else 1 + 2 * given + self.calls


@dataclass(slots=True)
class Model:
    """Weights and vocabulary. ``outputs`` has a column per output, ``slots`` a place per feature.

    Arrays are shared by the tasks of a training run and changed in place by the trainer only.
    """

    vocabulary: Vocabulary
    outputs: Floats
    slots: Floats
    base: str = ""
    _texts: Ints = field(init=False)
    _words: dict[str, int] = field(init=False)
    _frequency: Floats = field(init=False)
    _names: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._names = {name: index for index, name in enumerate(self.vocabulary.outputs)}
        self._words = {word: index + 1 for index, word in enumerate(self.vocabulary.counts)}
        counts = np.array([0, *self.vocabulary.counts.values()], dtype=np.float64) + 1.0
        self._frequency = counts / counts.sum()
        texts = [self._word_ids(name[1:]) for name in self.vocabulary.outputs if name[:1] == "="]
        longest = max((len(text) for text in texts), default=0)
        self._texts = np.full((len(texts), longest), -1, dtype=np.int64)
        for row, text in zip(self._texts, texts, strict=True):
            row[: len(text)] = text

    @property
    def text_outputs(self) -> Ints:
        """The outputs that are remembered texts, in the order of ``texts``."""
        found = [i for i, name in enumerate(self.vocabulary.outputs) if name[:1] == "="]
        return np.array(found, dtype=np.int64)

    @property
    def texts(self) -> Ints:
        """The words of remembered texts, a row each, padded with -1."""
        return self._texts

    @property
    def frequency(self) -> Floats:
        """The frequencies of words; place 0 is any unknown word."""
        return self._frequency

    def _word_ids(self, text: str) -> list[int]:
        return [self._words.get(word, 0) for word in (*words(text), END)]

    def task(self, example: Example) -> Task:
        """``example`` made ready for this model."""
        context, reply = example.context, example.reply
        output = self._names.get(output_of(reply), -2) if reply.calls else -1
        allowed = self.allowed(context)
        if output >= 0 and output not in allowed:
            allowed = np.append(allowed, output)
        arguments = [
            task
            for index, call in enumerate(reply.calls)
            for task in self._argument_tasks(context, index, call)
        ]
        text = np.array([] if reply.calls else self._word_ids(reply.text), dtype=np.int64)
        output = self._unknown_call if output == -2 else output
        return Task(prompt_vector(context), allowed, output, text, tuple(arguments), len(reply.calls))

    @property
    def _unknown_call(self) -> int:
        """Stands for a call that the vocabulary lacks: no output has this number."""
        return len(self.vocabulary.outputs)

    def allowed(self, context: Context, texts: bool = True) -> Ints:
        """The outputs that are possible in ``context``."""
        offered = {function.name for function in context.functions}
        possible = [
            index
            for index, name in enumerate(self.vocabulary.outputs)
            if (texts if name[:1] in ("", "=") else not offered or offered >= set(name.split("+")))
        ]
        return np.array(possible, dtype=np.int64)

    def parameters(self, context: Context, name: str) -> list[Parameter]:
        """The parameters of a function: offered ones first, then those seen in training."""
        offered = [function for function in context.functions if function.name == name]
        function = offered[0] if offered else Function(name, "", {}, ())
        learned = self.vocabulary.parameters.get(name, ())
        names = dict.fromkeys((*function.parameters, *(() if offered else learned)))
        return [parameter_of(function, key, self.vocabulary.values.get(f"{name}.{key}", ())) for key in names]

    def _argument_tasks(self, context: Context, index: int, call: Call) -> list[ArgumentTask]:
        said = words_of(context)
        tasks = []
        for parameter in self.parameters(context, call.name):
            given = parameter.name in call.arguments
            picked = choice(parameter, context.prompt) if given else None
            target = _group(picked, call.arguments[parameter.name]) if picked else -1
            features = presence_features(parameter, said)
            tasks.append(ArgumentTask(index, features, given, picked, target))
        return tasks

    def output_scores(self, vector: Sparse, allowed: Ints) -> Floats:
        """The log-probabilities of ``allowed`` outputs."""
        scores = vector.values @ self.outputs[vector.places][:, allowed]
        return log_softmax(scores)

    def save(self, path: Path) -> None:
        """Write the weights, in single precision; what is zero is left out."""
        temporary = path.with_name(f".{path.name}.tmp")
        rows = np.flatnonzero(self.outputs.any(axis=1))
        places = np.flatnonzero(self.slots)
        vocabulary = json.dumps(
            {
                "outputs": self.vocabulary.outputs,
                "values": self.vocabulary.values,
                "parameters": self.vocabulary.parameters,
                "counts": self.vocabulary.counts,
                "legacy": self.vocabulary.legacy,
                "base": self.base,
            }
        )
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
    """A model that knows nothing: small random weights from ``seed``."""
    random = np.random.default_rng(seed)
    outputs = random.normal(0.0, _START_SPREAD, (PROMPT_BUCKETS, len(vocabulary.outputs)))
    return Model(vocabulary, outputs, random.normal(0.0, _START_SPREAD, SLOT_BUCKETS), base)


def continued(parent: Model, examples: Iterable[Example], seed: int) -> Model:
    """A copy of ``parent`` that can also say what ``examples`` say."""
    vocabulary = parent.vocabulary.with_examples(examples)
    model = fresh(vocabulary, parent.base, seed)
    model.outputs[:, : parent.outputs.shape[1]] = parent.outputs
    return replace(model, slots=parent.slots.copy())


def load(path: Path) -> Model:
    """The model that ``save`` wrote."""
    with np.load(path) as stored:
        known = json.loads(stored["vocabulary"].tobytes())
        vocabulary = Vocabulary(
            tuple(known["outputs"]),
            {key: tuple(values) for key, values in known["values"].items()},
            {name: tuple(keys) for name, keys in known["parameters"].items()},
            known["counts"],
            known["legacy"],
        )
        outputs = np.zeros((PROMPT_BUCKETS, len(vocabulary.outputs)))
        outputs[stored["rows"]] = stored["outputs"]
        slots = np.zeros(SLOT_BUCKETS)
        slots[stored["places"]] = stored["slots"]
    return Model(vocabulary, outputs, slots, known["base"])


def log_softmax(scores: Floats) -> Floats:
    """Scores as log-probabilities."""
    shifted = scores - scores.max()
    normal: Floats = shifted - np.log(np.exp(shifted).sum())
    return normal


def _group(picked: Choice, value: Any) -> int:
    key = canonical(value)
    return picked.keys.index(key) if key in picked.keys else len(picked.keys) - 1


def answer(model: Model, context: Context, *, texts: bool, calls: bool) -> Reply | None:
    """The most probable reply; None when the model has learned none that is possible here."""
    allowed = model.allowed(context, texts)
    names = [model.vocabulary.outputs[index] for index in allowed]
    usable = [i for i, name in enumerate(names) if name and (calls or name[0] == "=")]
    if not usable:
        return None
    scores = model.output_scores(prompt_vector(context), allowed)
    name = names[max(usable, key=lambda index: float(scores[index]))]
    if name.startswith("="):
        return Reply(name[1:])
    made = tuple(Call(part, _arguments(model, context, part)) for part in name.split("+"))
    return Reply(calls=made, legacy=model.vocabulary.legacy)


def _arguments(model: Model, context: Context, name: str) -> dict[str, Any]:
    said = words_of(context)
    arguments = {}
    for parameter in model.parameters(context, name):
        weight = model.slots[presence_features(parameter, said)].sum()
        if not parameter.required and weight <= 0:
            continue
        picked = choice(parameter, context.prompt)
        if picked.size > 1:
            arguments[parameter.name] = best_value(model, picked)
    return arguments


def best_value(model: Model, picked: Choice) -> Any:
    """The most probable value among the candidates."""
    scores = np.exp(log_softmax(summed(model.slots, picked)))
    groups = np.bincount(picked.group, weights=scores)[:-1]
    first = int(np.flatnonzero(picked.group == int(groups.argmax()))[0])
    return picked.values[first]
