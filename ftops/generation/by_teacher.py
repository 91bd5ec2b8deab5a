"""Writing with a model: values, requests and what must be rejected, and whether they survive verification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.errors import FtopsError
from ftops.evaluation.answers import Answer, Question
from ftops.generation.items import CALL, OUTSIDE, Drop, Item, dropped
from ftops.generation.phrasings import REJECTED
from ftops.generation.recipe import JUDGE, Recipe, Rejections
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


class _Plan(Struct, frozen=True):
    """One question for `count` requests, and what their items have in common. `function`: for drops."""

    question: Question
    count: int
    item: Item
    function: str


def written_by_teacher(recipe: Recipe, targets: Sequence[Target], ask: Ask) -> Iterator[Item | Drop]:
    yield from _asked(recipe, ask, "write", [*_calls(recipe, targets), *_outside(recipe, targets)])
    if rejections := recipe.settings.rejections:
        yield from _asked(recipe, ask, "reject", list(_rejected(recipe, rejections)))


def _calls(recipe: Recipe, targets: Sequence[Target]) -> Iterator[_Plan]:
    write = recipe.settings.write
    counts = prompts_of_each(recipe, targets)
    for target, style, language in product(targets, write.styles or ("",), write.languages or ("",)):
        item = Item("", target, CALL, target.key, "", style, language)
        yield _requests(recipe, target, counts[target.function], item)


def _outside(recipe: Recipe, targets: Sequence[Target]) -> Iterator[_Plan]:
    write, rejections = recipe.settings.write, recipe.settings.rejections
    style, language = (*write.styles, "")[0], (*write.languages, "")[0]
    if rejections and rejections.out_of_range:
        item = Item("", rejections.target, OUTSIDE, OUTSIDE, "", style, language)
        for target in out_of_range(recipe.schemas, targets):
            yield _requests(recipe, target, write.prompts, item)


def _requests(recipe: Recipe, said: Target, count: int, item: Item) -> _Plan:
    """For requests that say a call, which may not be the one that answers them."""
    return _Plan(write_question(recipe, said, item.style, item.language, count), count, item, said.function)


def _rejected(recipe: Recipe, rejections: Rejections) -> Iterator[_Plan]:
    functions = [name for name, schema in recipe.schemas.items() if schema.get("required")]
    functions = functions or list(recipe.schemas)
    for reason in REJECTED:
        for batch, count in enumerate(_batches(getattr(rejections, reason))):
            function = functions[batch % len(functions)]
            topic = f"{reason} {function if reason == 'missing' else batch}"
            question = reject_question(recipe, reason, function, batch, count)
            yield _Plan(question, count, Item("", rejections.target, reason, topic, ""), rejections.function)


def _batches(wanted: int) -> list[int]:
    return [min(BATCH, wanted - start) for start in range(0, wanted, BATCH)]


def _asked(recipe: Recipe, ask: Ask, step: str, plans: Sequence[_Plan]) -> Iterator[Item | Drop]:
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


def _require_usable(plans: Sequence[_Plan], answers: Sequence[Answer | None]) -> None:
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
