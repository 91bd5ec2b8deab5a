"""Balance: which items come into the data, so that functions have their shares, and what is held out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import zip_longest

from ftops.dataset.files.jsonl_io import canonical
from ftops.generation.draws import draw, shuffled
from ftops.generation.items import CALL, Item
from ftops.generation.recipe import Recipe

Value = tuple[str, str, str]


def balanced(items: Sequence[Item], recipe: Recipe, examples: int) -> list[Item]:
    """`examples` of the items (0: as many as the shares allow). Functions without a share of their own get
    equal parts of the rest, as far as they have items. In an order that is as good as random."""
    seed, shares = recipe.settings.seed, recipe.settings.shares
    pools: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        pools[label(item)].append(item)
    named = {name: list(_spread(pools.pop(name, []), seed)) for name in shares}
    others = list(_in_turn([list(_spread(pool, seed)) for pool in pools.values()]))
    rest = 1 - sum(shares.values())
    total = float(examples) or min(
        [len(named[name]) / share for name, share in shares.items()]
        + ([len(others) / rest] if rest > 1e-9 else []),
        default=0.0,
    )
    chosen = [item for name, share in shares.items() for item in named[name][: round(total * share)]]
    chosen += others[: round(total * rest)]
    return sorted(chosen, key=lambda item: draw(seed, item.prompt))


def held_out(items: Sequence[Item], recipe: Recipe) -> tuple[list[Item], list[Item]]:
    """The items for training, and those that are held out. Paraphrases of one call stay together; a call
    stays in training if it is the only one with a value."""
    share, seed = recipe.settings.held_out, recipe.settings.seed
    if not share:
        return list(items), []
    out: set[str] = set()
    values = {item.topic: set(values_of(item)) for item in items if item.kind == CALL}
    left = Counter(value for each in values.values() for value in each)
    for topic in shuffled(values, seed, "held out"):
        if len(out) < share * len(values) and all(left[value] > 1 for value in values[topic]):
            out.add(topic)
            left.subtract(values[topic])
    is_out = [
        item.topic in out
        if item.kind == CALL
        else draw(seed, "held out", item.prompt) % 10_000 < share * 10_000
        for item in items
    ]
    return [i for i, o in zip(items, is_out, strict=True) if not o], [
        i for i, o in zip(items, is_out, strict=True) if o
    ]


def label(item: Item) -> str:
    """What shares name: a function, or `reply`."""
    return item.target.function if item.target else "reply"


def values_of(item: Item) -> Iterator[Value]:
    """The function itself, and each argument."""
    if item.target is not None:
        yield item.target.function, "", ""
        for name, value in item.target.arguments.items():
            yield item.target.function, name, canonical(value).decode()


def _spread(items: Iterable[Item], seed: int) -> Iterator[Item]:
    """Each value once, as soon as possible; then in such an order that no value and no topic comes much more
    often than another."""
    topics: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        topics[item.topic].append(item)
    pools = shuffled(topics.values(), seed, "topics")
    values = [[value for value in values_of(pool[0]) if value[1]] for pool in pools]
    come: Counter[Value] = Counter()
    used = [0] * len(pools)

    def rank(i: int) -> tuple[bool, int, int, int, int]:
        counts = [come[value] for value in values[i]]
        return 0 not in counts, max(counts, default=0), sum(counts), used[i], i

    heap = [rank(i) for i in range(len(pools))]
    heapify(heap)
    while heap:
        *_, i = known = heappop(heap)
        if (now := rank(i)) != known:  # counts only grow
            heappush(heap, now)
            continue
        yield pools[i][used[i]]
        used[i] += 1
        come.update(values[i])
        if used[i] < len(pools[i]):
            heappush(heap, rank(i))


def _in_turn(pools: Iterable[Sequence[Item]]) -> Iterator[Item]:
    for row in zip_longest(*pools):
        yield from (item for item in row if item is not None)
