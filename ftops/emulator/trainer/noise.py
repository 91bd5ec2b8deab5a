"""Noise: replies that differ from those of a model, drawn at random, so that samples of an answer differ."""

from __future__ import annotations

from random import Random

from ftops.emulator.trainer import base_model
from ftops.emulator.trainer.examples import Call, Context, Reply


def other(reply: Reply, context: Context, random: Random) -> Reply:
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
