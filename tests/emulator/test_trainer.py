"""The trainer: it learns, it overfits, and its settings do what they say."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from ftops.emulator.account import catalog
from ftops.emulator.trainer.examples import Example, Failure, read_for
from ftops.emulator.trainer.model import Model, Vocabulary, answer, load
from ftops.emulator.trainer.optimizer import (
    Gradient,
    Hyperparameters,
    Step,
    Trainer,
    auto_batch_size,
    evaluate,
    score,
)
from tests.emulator.samples import TOOLS, jsonl, line, lines, text
from tests.emulator.server import MODEL, QUICKSTART

BASE = catalog.BY_ID[MODEL]
TRAIN = QUICKSTART / "data" / "train.generated" / "dataset.jsonl"
VALID = QUICKSTART / "data" / "valid.jsonl"


def settings(epochs: int = 3, batch: int = 1, multiplier: float = 1.8, seed: int = 1) -> Hyperparameters:
    """Hyperparameters of a run."""
    return Hyperparameters(epochs, batch, multiplier, BASE.base_rate, seed)


def examples(records: list[dict[str, Any]]) -> tuple[Example, ...]:
    """Records as the trainer takes them."""
    return read_for("supervised", jsonl(records), "training file").examples


def drone(path: Any = TRAIN, wrong: float = 0.0, seed: int = 0) -> tuple[Example, ...]:
    """The quickstart's data; a share of the answers is made wrong."""
    chance = random.Random(seed)
    records = [json.loads(record) for record in path.read_text().splitlines()]
    for record in records:
        if chance.random() < wrong:
            name = chance.choice(("land_drone", "return_to_home", "reject_request"))
            call = record["messages"][-1]["tool_calls"][0]["function"]
            call |= {"name": name, "arguments": "{}"}
    return examples(records)


def trained(trainer: Trainer) -> list[Step]:
    """All steps of a run."""
    return list(trainer.steps())


def right(model: Model, held_out: tuple[Example, ...]) -> tuple[float, float]:
    """The share of right functions, and of right functions with all arguments right."""
    named = whole = 0
    for example in held_out:
        reply = answer(model, example.context, texts=True, calls=True)
        assert reply is not None
        wanted = example.reply.calls[0]
        same = bool(reply.calls) and reply.calls[0].name == wanted.name
        named += same
        whole += same and dict(reply.calls[0].arguments) == dict(wanted.arguments)
    return named / len(held_out), whole / len(held_out)


@pytest.mark.parametrize(("batch", "multiplier"), [(1, 1.8), (8, 1.0)])
def test_it_learns_the_quickstart(batch: int, multiplier: float) -> None:
    held_out = drone(VALID)
    trainer = Trainer(drone(), held_out, settings(3, batch, multiplier), MODEL)
    steps = trained(trainer)
    ends = [step.full_valid.mean_loss for step in steps if step.full_valid]
    assert ends == sorted(ends, reverse=True)
    named, whole = right(trainer.model, held_out)
    assert named > 0.9
    assert whole > 0.9


def test_every_trainable_model_learns_with_automatic_settings() -> None:
    training, held_out = examples(lines(60)), examples(lines(30, seed=5))
    for base in catalog.BASE_MODELS:
        if base.trainable:
            chosen = Hyperparameters(3, 1, base.learning_rate_multiplier, base.base_rate, 1)
            trainer = Trainer(training, (), chosen, base.id)
            trained(trainer)
            assert right(trainer.model, held_out)[0] > 0.9, base.id


def test_many_epochs_overfit_noisy_data() -> None:
    trainer = Trainer(drone(wrong=0.35, seed=1), drone(VALID, wrong=0.35, seed=2), settings(epochs=10), MODEL)
    steps = trained(trainer)
    valid = [step.full_valid.mean_loss for step in steps if step.full_valid]
    per_epoch = np.array([step.train.mean_loss for step in steps]).reshape(10, -1).mean(axis=1)
    assert valid[-1] > min(valid) * 1.1
    assert per_epoch[-1] < per_epoch[2] / 2


def test_same_seed_same_numbers_other_seed_other_numbers() -> None:
    training, held_out = examples(lines(30)), examples(lines(10, seed=4))

    def losses(seed: int) -> list[float]:
        trainer = Trainer(training, held_out, settings(2, 4, seed=seed), MODEL)
        return [step.train.loss for step in trained(trainer)]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_epochs_and_batches_make_the_steps() -> None:
    trainer = Trainer(examples(lines(30)), examples(lines(10)), settings(4, 8), MODEL)
    steps = trained(trainer)
    assert [step.number for step in steps if step.epoch_end] == [4, 8, 12, 16]
    assert [bool(step.full_valid) for step in steps] == [step.epoch_end for step in steps]
    assert trainer.total_steps == len(steps) == 16


def test_a_smaller_learning_rate_learns_less() -> None:
    training, held_out = examples(lines(60)), examples(lines(20, seed=4))
    last = []
    for multiplier in (0.01, 0.1, 1.0):
        trainer = Trainer(training, held_out, settings(3, 1, multiplier), MODEL)
        full = trained(trainer)[-1].full_valid
        assert full is not None
        last.append(full.mean_loss)
    assert last == sorted(last, reverse=True)


@pytest.mark.parametrize(("count", "size"), [(10, 1), (250, 1), (1000, 2), (10_000, 20), (10**7, 256)])
def test_the_automatic_batch_size_follows_the_data(count: int, size: int) -> None:
    assert auto_batch_size(count) == size


def test_the_gradient_is_that_of_the_loss() -> None:
    """Against differences, for a call with arguments and for a text."""
    records = [*lines(8), text("hello", "good day to you"), text("bye", "good night")]
    trainer = Trainer(examples(records), (), settings(), MODEL)
    trained(trainer)
    model = trainer.model
    for example in examples([records[1], records[-1]]):
        task = model.task(example)
        gradient = Gradient(np.zeros_like(model.outputs), np.zeros_like(model.slots))
        score(model, task, gradient)
        for weights, slope in ((model.outputs, gradient.outputs), (model.slots, gradient.slots)):
            steepest = np.argsort(np.abs(slope), axis=None)[-5:]
            for flat in steepest:
                place = np.unravel_index(flat, weights.shape)
                kept, tiny = float(weights[place]), 1e-6
                weights[place] = kept + tiny
                above = score(model, task).loss
                weights[place] = kept - tiny
                below = score(model, task).loss
                weights[place] = kept
                assert (above - below) / (2 * tiny) == pytest.approx(slope[place], abs=1e-5)


def test_the_probabilities_of_a_word_sum_to_one() -> None:
    records = [text(f"question {i}", f"{word} it is") for i, word in enumerate("abcdefghij")]
    trainer = Trainer(examples(records), (), settings(), MODEL)
    trained(trainer)
    model = trainer.model
    task = model.task(examples([text("question 3", "a")])[0])
    words = [np.array([word]) for word in range(len(model.frequency))]
    chances = [np.exp(-score(model, task._replace(words=word)).loss) for word in words]
    assert sum(chances) == pytest.approx(1.0)


def test_it_learns_texts() -> None:
    records = [
        text(f"{opening} {topic}", f"That is about {topic}.")
        for topic in ("birds", "trains", "cheese", "rivers")
        for opening in ("tell me of", "explain", "what are")
    ]
    trainer = Trainer(examples(records), (), settings(10), MODEL)
    steps = trained(trainer)
    assert steps[-1].train.mean_loss < steps[0].train.mean_loss / 2
    context = examples([text("describe trains", "?")])[0].context
    reply = answer(trainer.model, context, texts=True, calls=True)
    assert reply is not None
    assert reply.text == "That is about trains."


def test_a_message_of_weight_zero_is_not_learned() -> None:
    records = [text("a", "b"), text("c", "d", weight=0)]
    assert [example.reply.text for example in examples(records)] == ["b"]


def test_a_tuned_model_chooses_among_what_is_offered() -> None:
    trainer = Trainer(examples(lines(40)), (), settings(), MODEL)
    trained(trainer)
    record = line("make the light red", "set_colour", colour="red") | {"tools": TOOLS[1:]}
    record["messages"] = record["messages"][:2] + line("", "decline")["messages"][2:]
    context = examples([record])[0].context
    reply = answer(trainer.model, context, texts=True, calls=True)
    assert reply is not None
    assert reply.calls[0].name in ("dim", "decline")


def test_numbers_and_words_are_copied_from_the_prompt() -> None:
    trainer = Trainer(examples(lines(80)), (), settings(), MODEL)
    trained(trainer)
    record = line("please dim the lamp in the attic to 42 percent", "dim", percent=0)
    reply = answer(trainer.model, examples([record])[0].context, texts=True, calls=True)
    assert reply is not None
    assert reply.calls[0].arguments == {"percent": 42, "room": "attic"}


def test_parallel_calls_are_one_reply() -> None:
    records = lines(20)
    for index in range(12):
        both = line(f"red and dim {index}", "set_colour", colour="red")
        second = line("", "dim", percent=index)["messages"][2]["tool_calls"][0]
        both["messages"][2]["tool_calls"].append(second | {"id": "call_2"})
        records.append(both)
    trainer = Trainer(examples(records), (), settings(), MODEL)
    trained(trainer)
    reply = answer(trainer.model, examples(records)[-1].context, texts=True, calls=True)
    assert reply is not None
    assert [call.name for call in reply.calls] == ["set_colour", "dim"]
    assert reply.calls[1].arguments == {"percent": 11}


def test_weights_survive_their_file(tmp_path: Any) -> None:
    trainer = Trainer(examples(lines(20)), (), settings(), MODEL)
    trained(trainer)
    trainer.model.save(tmp_path / "weights.npz")
    again = load(tmp_path / "weights.npz")
    assert again.vocabulary == trainer.model.vocabulary
    tasks = [again.task(example) for example in examples(lines(10, seed=8))]
    assert evaluate(again, tasks).loss == pytest.approx(evaluate(trainer.model, tasks).loss, rel=1e-4)


def test_vocabularies_only_grow() -> None:
    first = Vocabulary().with_examples(examples(lines(8)))
    second = first.with_examples(examples([text("a", "b")]))
    assert second.outputs[: len(first.outputs)] == first.outputs


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"messages": []}, "'messages' is missing or empty"),
        ({"messages": [{"role": "user", "content": "a"}]}, "no message of the assistant"),
        ({"messages": [{"role": "king", "content": "a"}]}, "'role' must be one of"),
        (text("a", "b") | {"tools": [{"type": "x"}]}, "'tools'"),
        (line("a", "fly"), "not among those offered"),
        (line("a", "dim") | {"tools": TOOLS[:1]}, "not among those offered"),
        (text("a", "b", weight=2), "'weight'"),
    ],
)  # fmt: skip
def test_records_that_are_refused(record: dict[str, Any], message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_for("supervised", jsonl([text("a", "b"), record]), "training file")
    assert "line 2: " in caught.value.message
    assert message in caught.value.message


def test_a_byte_order_mark_is_taken() -> None:
    assert len(read_for("supervised", b"\xef\xbb\xbf" + jsonl(lines(3)), "training file").examples) == 3
