"""Writing with a model: values, requests and what must be rejected, and whether they survive verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product

from msgspec.structs import replace

from ftops.core.errors import FtopsError
from ftops.evaluation.answers import Answer, Question
from ftops.generation.items import CALL, OUTSIDE, Drop, Item, dropped
from ftops.generation.recipe import JUDGE, Recipe
from ftops.generation.schema_values import PLACEHOLDER, Choice
from ftops.generation.targets import Target, free_parameters, out_of_range
from ftops.generation.teaching import (
    BATCH,
    VERSIONS,
    Ask,
    Unusable,
    fill_question,
    judge_question,
    judged,
    reject_question,
    round_trip_miss,
    round_trip_question,
    texts_of,
    values_of,
    write_question,
)
from ftops.generation.templates import prompts_of_each


def filled(recipe: Recipe, ask: Ask) -> Choice:
    """What is chosen, with values from the teacher for texts that nothing else gives."""
    choice = recipe.choice
    free = free_parameters(recipe.schemas, choice)
    answers = ask("fill", [fill_question(recipe, *each) for each in free])
    words = dict(choice.words)
    for (function, parameter), answer in zip(free, answers, strict=True):
        words[f"{function}.{parameter}"] = _values(answer, choice.numbers)
    return replace(choice, words=words)


def _values(answer: Answer | None, count: int) -> Sequence[object]:
    """Nothing if they aren't usable: that the function has no call is reported then."""
    if answer is None:
        return [f"{PLACEHOLDER}{i}" for i in range(count)]
    try:
        return values_of(answer, count)
    except Unusable:
        return []


def written_by_teacher(recipe: Recipe, targets: Sequence[Target], ask: Ask) -> Iterator[Item | Drop]:
    write, rejections = recipe.settings.write, recipe.settings.rejections
    counts = prompts_of_each(recipe, targets)
    variants = list(product(write.styles or ("",), write.languages or ("",)))
    plans = [_Plan(recipe, t, t, CALL, t.key, *v, counts[t.function]) for t in targets for v in variants]
    if rejections and rejections.out_of_range:
        plans += [
            _Plan(
                recipe, rejections.target, outside, OUTSIDE, OUTSIDE, *variants[0], write.prompts,
            )
            for outside in out_of_range(recipe.schemas, targets)
        ]  # fmt: skip
    yield from _asked(recipe, ask, "write", plans)
    if rejections:
        functions = [f for f, s in recipe.schemas.items() if s.get("required")] or list(recipe.schemas)
        rejected = [
            _Rejected(recipe, rejections.target, reason, functions[batch % len(functions)], batch, count)
            for reason in ("near", "ambiguous", "missing")
            for batch, count in enumerate(_batches(getattr(rejections, reason)))
        ]
        yield from _asked(recipe, ask, "reject", rejected)


class _Plan:
    """One question for requests: those of `said`, which `target` answers."""

    def __init__(
        self, recipe: Recipe, target: Target | None, said: Target, kind: str, topic: str,
        style: str, language: str, count: int,
    ) -> None:  # fmt: skip
        self.count = count
        self.question = write_question(recipe, said, style, language, count)
        self.function = said.function
        self.item = Item("", target, kind, topic, "", style, language)


class _Rejected:
    """One question for requests that must be rejected."""

    def __init__(
        self, recipe: Recipe, target: Target | None, reason: str, function: str, batch: int, count: int
    ) -> None:
        self.count = count
        self.question = reject_question(recipe, reason, function, batch, count)
        self.function = target.function if target else ""
        topic = f"{reason} {function}" if reason == "missing" else f"{reason} {batch}"
        self.item = Item("", target, reason, topic, "")


def _batches(wanted: int) -> list[int]:
    return [min(BATCH, wanted - start) for start in range(0, wanted, BATCH)]


def _asked(recipe: Recipe, ask: Ask, step: str, plans: Sequence[_Plan | _Rejected]) -> Iterator[Item | Drop]:
    answers = ask(step, [plan.question for plan in plans])
    _require_usable(plans, answers)
    for number, (plan, answer) in enumerate(zip(plans, answers, strict=True)):
        source = plan.question.key(recipe.identity(step, VERSIONS[step]))
        try:
            texts = texts_of(answer, plan.count) if answer else _unknown(step, number, plan.count)
        except Unusable as error:
            yield Drop(str(error), (answer.content if answer else "")[:80], function=plan.function)
            continue
        yield from (replace(plan.item, prompt=text, source=source) for text in texts)


def _require_usable(plans: Sequence[_Plan | _Rejected], answers: Sequence[Answer | None]) -> None:
    """Raises FtopsError if no reply is what was asked for: this isn't a language model."""
    for plan, answer in zip(plans, answers, strict=True):
        with suppress(Unusable):
            if answer is None or texts_of(answer, plan.count):
                return
    if first := next((answer for answer in answers if answer), None):
        raise FtopsError(
            "no reply of the teacher is usable",
            f"It was asked for JSON arrays of requests. The first reply: {first.content[:200]}",
            "choose a language model; the emulator has none, but takes `teacher: {templates: …}`",
        )


def _unknown(step: str, number: int, count: int) -> list[str]:
    """In place of requests that aren't written yet, so that their verification is counted, too."""
    return [f"{step} {number} {i}" for i in range(count)]


def verified(items: Sequence[Item], recipe: Recipe, ask: Ask) -> Iterator[Item | Drop]:
    """Items that the teacher answers with their call, and that the judge accepts."""
    verify = recipe.settings.verify
    results: list[Item | Drop] = list(items)
    if verify.round_trip:
        results = _check(results, recipe, ask, "round_trip", round_trip_question, _round_trip)
    if verify.judge:
        results = _check(results, recipe, ask, JUDGE, judge_question, _judge)
    yield from results


Fault = Callable[[Recipe, Item, Answer], tuple[str, str] | None]


def _check(
    results: Sequence[Item | Drop],
    recipe: Recipe,
    ask: Ask,
    step: str,
    question: Callable[[Recipe, Item], Question],
    fault: Fault,
) -> list[Item | Drop]:
    items = [item for item in results if isinstance(item, Item) and item.source != "file"]
    answers = ask(step, [question(recipe, item) for item in items])
    checked: dict[int, Item | Drop] = {}
    for item, answer in zip(items, answers, strict=True):
        found = fault(recipe, item, answer) if answer else None
        checked[id(item)] = dropped(item, *found) if found else replace(item, checks=(*item.checks, step))
    return [checked.get(id(result), result) for result in results]


def _round_trip(recipe: Recipe, item: Item, answer: Answer) -> tuple[str, str] | None:
    miss = round_trip_miss(recipe, item, answer)
    return ("round_trip", f"{miss.kind} {miss.where} {miss.detail}".strip()) if miss else None


def _judge(recipe: Recipe, item: Item, answer: Answer) -> tuple[str, str] | None:
    try:
        why = judged(answer)
    except Unusable as error:
        return "judge_unclear", str(error)
    return ("judge", why) if why else None
