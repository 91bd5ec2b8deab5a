"""Edits of a spec: each takes a spec and two numbers, and gives the spec that somebody might have then.

An edit that can't be made gives the spec as it was. What results is always a spec that the loader takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from ftops.config.config import Lifecycle
from ftops.core.address import Address
from tests.explore.cloud import BASE
from tests.explore.contents import CONTENTS
from tests.explore.exams import BOUNDS, PROMPTS
from tests.explore.hosting import DAY, NIGHT
from tests.explore.policies import CHOICES
from tests.explore.serving import OPEN
from tests.explore.spec import ACCOUNTS, PLAIN, Data, Exam, Item, Job, Serving, Spec, needs, readdressed

T = TypeVar("T")
Edit = Callable[[Spec, int, int], Spec]

ADDRESSES: Mapping[str, tuple[Address, ...]] = {
    "dataset": (Address("dataset", "a"), Address("dataset", "b"), Address("dataset", "c")),
    "job": (
        Address("job", "j"),
        Address("job", "k"),
        Address("job", "m", "x"),
        Address("job", "m", "y"),
    ),
    "evaluation": (Address("evaluation", "v"), Address("evaluation", "w")),
    "deployment": (
        Address("deployment", "d"),
        Address("deployment", "e"),
        Address("deployment", "f", "x"),
        Address("deployment", "f", "y"),
    ),
}
NAMES = ("chat", "eval", "Chat", "other")
_IGNORABLE: Mapping[str, tuple[str, ...]] = {
    "dataset": ("content",),
    "job": ("hyperparameters", "suffix"),
    "evaluation": ("samples",),
    "deployment": ("sku.capacity", "model", "target"),
}


def sweep(spec: Spec, number: int) -> Spec:
    """Every job that there can be, on files of its own and others, each with other epochs."""
    for place, address in enumerate(ADDRESSES["job"]):
        data = ADDRESSES["dataset"][(place + number) % 2]
        more = spec if data in spec.items else spec.with_item(data, Data(CONTENTS[number % len(CONTENTS)]))
        more = more.with_item(address, Job(data, None, number + place + 1, provider=more.data(data).provider))
        spec = tidied(more) if is_valid(more) else spec
    return spec


def pick(choices: Sequence[T], number: int) -> T | None:
    return choices[number % len(choices)] if choices else None


def tidied(spec: Spec) -> Spec:
    """Without blocks that the loader would refuse."""
    moved: dict[Address, Address] = {}
    for source, target in spec.moved:
        if source not in spec.items and source != target and target not in moved.values():
            moved[source] = target
    moved = {s: t for s, t in moved.items() if not _circles(moved, s)}
    removed = {a: retain for a, retain in spec.removed if a not in spec.items and a not in moved}
    imports = {a: remote_id for a, remote_id in spec.imports if a in spec.items}
    return replace(
        spec,
        moved=tuple(moved.items()),
        removed=tuple(removed.items()),
        imports=tuple((a, i) for a, i in imports.items()),
    )


def _circles(moved: Mapping[Address, Address], start: Address) -> bool:
    at, seen = start, set()
    while at in moved and at not in seen:
        seen.add(at)
        at = moved[at]
    return at in seen


def is_valid(spec: Spec) -> bool:
    """Whether the loader and preflight would take it: references lead somewhere, nothing is circular, what
    belongs together is in one account, no two deployments of an account have one name, and models are
    served as they can be."""
    names = [(spec.account(a), spec.serving(a).name.casefold()) for a in spec.of("deployment")]
    return (
        len(set(names)) == len(names)
        and all(
            need in spec.items
            and spec.account(need) == spec.account(address)
            and not _reaches(spec, need, address)
            for address, item in spec.items.items()
            for need in needs(item)
        )
        and all(_is_servable(spec, item) for item in spec.items.values())
    )


def _is_servable(spec: Spec, item: Item) -> bool:
    """Whether a model can be asked as it is to be: a fine-tuned open model as an adapter only. The best of
    a sweep is one of jobs that are alike."""
    if (isinstance(item, Serving) and item.follows) or (isinstance(item, Exam) and item.best):
        alike = {spec.items[job].provider for job in spec.swept} == {item.provider}
        gate = isinstance(item, Serving) and item.gate
        is_gated_alike = not gate or spec.exam(gate).best
        return alike and is_gated_alike and set(spec.swept) <= {*tuned(spec, BASE)}
    if isinstance(item, Serving) and item.on and (item.hours or spec.serving(item.on).hours):
        return False
    if isinstance(item, Serving) and item.managed:
        return item.model is None and item.on is None and item.gate is None
    if isinstance(item, Serving) and item.on:
        return item.model in tuned(spec, OPEN) and item.on in bases(spec)
    if isinstance(item, Exam) and item.via:
        via = spec.serving(item.via)
        return via.on is not None and via.model == item.model
    return not isinstance(item, Serving | Exam) or item.model in (None, *tuned(spec, BASE))


def tuned(spec: Spec, base: str) -> list[Address]:
    """The jobs whose models come from a base model."""
    return [job for job in spec.of("job") if spec.base(job) == base]


def bases(spec: Spec) -> list[Address]:
    """The deployments that adapters can be on."""
    return [deployment for deployment in spec.of("deployment") if spec.serving(deployment).managed]


def _reaches(spec: Spec, start: Address, goal: Address) -> bool:
    todo, seen = [start], set()
    while todo:
        at = todo.pop()
        if at == goal:
            return True
        if at not in seen and at in spec.items:
            seen.add(at)
            todo += needs(spec.items[at])
    return False


def apply_edit(spec: Spec, name: str, a: int, b: int) -> Spec:
    """The spec after an edit; as it was where the edit makes no valid spec."""
    found = EDITS[name](spec, a, b)
    if found is spec:
        return spec
    found = tidied(found)
    return found if is_valid(found) else spec


def _change(kind: str, change: Callable[[Any, int, Spec], Item]) -> Edit:
    """An edit of one resource of a kind."""

    def edit(spec: Spec, a: int, b: int) -> Spec:
        address = pick(spec.of(kind), a)
        return spec if address is None else spec.with_item(address, change(spec.items[address], b, spec))

    return edit


def _life(kind: str, change: Callable[[Lifecycle, int, str], Lifecycle]) -> Edit:
    def edited(item: Item, b: int, spec: Spec) -> Item:
        return replace(item, life=change(item.life, b, kind))

    return _change(kind, edited)


def _any_life(change: Callable[[Lifecycle, int, str], Lifecycle]) -> Edit:
    def edit(spec: Spec, a: int, b: int) -> Spec:
        address = pick(_all(spec), a)
        if address is None:
            return spec
        item = spec.items[address]
        return spec.with_item(address, replace(item, life=change(item.life, b, address.kind)))

    return edit


def _all(spec: Spec) -> list[Address]:
    return sorted(spec.items, key=lambda address: address.sort_key)


def _add(kind: str) -> Edit:
    def edit(spec: Spec, a: int, b: int) -> Spec:
        address = pick([x for x in ADDRESSES[kind] if x not in spec.items], a)
        item = None if address is None else _new_item(spec, kind, b)
        return spec if address is None or item is None else spec.with_item(address, item)

    return edit


def _new_item(spec: Spec, kind: str, b: int) -> Item | None:
    if kind == "dataset":
        return Data(CONTENTS[b % len(CONTENTS)])
    if kind == "job":
        training = pick(spec.of("dataset"), b)
        return Job(training, provider=spec.items[training].provider) if training else None
    if kind == "evaluation":
        job = pick(spec.of("job"), b)
        return _new_exam(spec, job) if job else None
    name, model = _free_name(spec), pick([None, *spec.of("job")], b)
    on = pick(bases(spec), b) if model in tuned(spec, OPEN) else None
    provider = spec.items[model].provider if model else "p"
    return Serving(name, model, on=on, provider=provider) if name else None


def _new_exam(spec: Spec, job: Address, gated: Address | None = None) -> Exam:
    """By an adapter, where that is needed; `gated`: it isn't that one."""
    adapters = (d for d in spec.of("deployment") if spec.serving(d).on and d != gated)
    via = next((d for d in adapters if spec.serving(d).model == job), None)
    return Exam(job, via=via, provider=spec.items[job].provider)


def _free_name(spec: Spec) -> str | None:
    taken = {spec.serving(d).name.casefold() for d in spec.of("deployment")}
    return next((n for n in NAMES if n.casefold() not in taken), None)


def _add_base(spec: Spec, a: int, b: int) -> Spec:
    """Often the first one: where the open model is trained."""
    address = pick([x for x in ADDRESSES["deployment"] if x not in spec.items], a)
    name, job = _free_name(spec), pick(tuned(spec, OPEN), b)
    if address is None or name is None:
        return spec
    provider = spec.items[job].provider if job else "p"
    return spec.with_item(address, Serving(name, managed=True, provider=provider))


def _remove(block: bool, retain: bool = False) -> Edit:
    def edit(spec: Spec, a: int, b: int) -> Spec:
        """What refers to it refers to another one or, where there is none, goes too."""
        address = pick(_all(spec), a)
        if address is None or len(spec.items) == 1:
            return spec
        left = {x: i for x, i in spec.items.items() if x != address}
        heir = pick([x for x in sorted(left, key=lambda x: x.sort_key) if _is_alike(spec, x, address)], b)
        items: dict[Address, Item] = {}
        for other, item in left.items():
            if address in needs(item):
                if heir is not None and heir != other:
                    items[other] = readdressed(item, {address: heir})
                elif isinstance(item, Serving) and item.gate == address:
                    items[other] = replace(item, gate=None)
                elif isinstance(item, Serving) and item.model == address:
                    items[other] = replace(item, model=None, on=None)
                elif isinstance(item, Job) and item.model == address:
                    items[other] = replace(item, model=None, base=spec.base(address))
            else:
                items[other] = item
        gone = [x for x in left if x not in items]
        items = {x: i for x, i in items.items() if not any(g in needs(i) for g in gone)}
        if not items:
            return spec
        removed = ((address, retain),) if block else ()
        return replace(spec, items=items, removed=(*spec.removed, *removed))

    return edit


def _is_alike(spec: Spec, one: Address, other: Address) -> bool:
    """Whether what refers to one resource could refer to the other instead."""
    if one.kind != other.kind or one.kind not in ("job", "deployment"):
        return one.kind == other.kind
    groups = (tuned(spec, OPEN), bases(spec))
    return all((one in group) == (other in group) for group in groups)


def _rename(kind: str, moved: bool) -> Edit:
    def edit(spec: Spec, a: int, b: int) -> Spec:
        source = pick(spec.of(kind), a)
        target = pick([x for x in ADDRESSES[kind] if x not in spec.items], b)
        if source is None or target is None:
            return spec
        names = {source: target}
        items = {names.get(x, x): readdressed(i, names) for x, i in spec.items.items()}
        block = ((source, target),) if moved else ()
        kept = tuple(m for m in spec.moved if m[1] != target and m[0] != target)
        return replace(spec, items=items, moved=(*kept, *block))

    return edit


def _exchange(kind: str) -> Edit:
    """Two resources exchange their addresses; what refers to them goes along only half of the time."""

    def edit(spec: Spec, a: int, b: int) -> Spec:
        one, other = pick(spec.of(kind), a), pick(spec.of(kind), a + 1)
        if one is None or other is None or one == other:
            return spec
        names = {one: other, other: one}
        follow = names if b % 2 else {}
        items = {names.get(x, x): readdressed(i, follow) for x, i in spec.items.items()}
        return replace(spec, items=items)

    return edit


def _exchange_names(spec: Spec, a: int, b: int) -> Spec:
    one, other = pick(spec.of("deployment"), a), pick(spec.of("deployment"), a + 1)
    if one is None or other is None or one == other:
        return spec
    first, second = spec.serving(one), spec.serving(other)
    items = {one: replace(first, name=second.name), other: replace(second, name=first.name)}
    return replace(spec, items={**spec.items, **items})


def _name_to_new(spec: Spec, a: int, b: int) -> Spec:
    """A new deployment takes the name of one that gets another name or goes."""
    old = pick(spec.of("deployment"), a)
    new = pick([x for x in ADDRESSES["deployment"] if x not in spec.items], b)
    if old is None or new is None:
        return spec
    holder, free = spec.serving(old), _free_name(spec)
    model = pick(_models(spec, holder), b)
    provider = spec.items[model].provider if model else holder.provider
    follow = {old: new} if holder.managed else {}
    items = {x: readdressed(i, follow) for x, i in spec.items.items() if x != old}
    items[new] = replace(holder, model=model, provider=provider, life=PLAIN)
    if b % 2 and free:
        items[old] = replace(holder, name=free)
    return replace(spec, items=items)


def _succeed(spec: Spec, a: int, b: int) -> Spec:
    """A second job with other settings, and the deployments of the first serve it."""
    old = pick(spec.of("job"), a)
    new = pick([x for x in ADDRESSES["job"] if x not in spec.items], b)
    if old is None or new is None:
        return spec
    job = spec.job(old)
    items = {x: readdressed(i, {old: new}) if x.kind == "deployment" else i for x, i in spec.items.items()}
    return replace(spec, items={**items, new: replace(job, epochs=1 + job.epochs % 3)})


def _account(spec: Spec, a: int, b: int) -> Spec:
    provider = pick(sorted(spec.accounts), a)
    accounts = {**spec.accounts, str(provider): ACCOUNTS[b % len(ACCOUNTS)]}
    return spec if accounts == spec.accounts else replace(spec, accounts=accounts)


def _provider(spec: Spec, a: int, b: int) -> Spec:
    """All that hangs together goes to another provider."""
    start = pick(_all(spec), a)
    if start is None:
        return spec
    group = {start}
    for _ in spec.items:
        for address, item in spec.items.items():
            if address in group or group.intersection(needs(item)):
                group |= {address, *needs(item)}
    provider = "q" if spec.items[start].provider == "p" else "p"
    items = {x: replace(i, provider=provider) if x in group else i for x, i in spec.items.items()}
    return replace(spec, items=items)


def _drop_blocks(spec: Spec, a: int, b: int) -> Spec:
    if not (spec.moved or spec.removed or spec.imports):
        return spec
    return replace(spec, moved=(), removed=(), imports=())


def _gate(spec: Spec, a: int, b: int) -> Spec:
    """A deployment waits for an evaluation of its model, which may be a new one; or no longer."""
    address = pick(spec.of("deployment"), a)
    if address is None:
        return spec
    serving = spec.serving(address)
    if serving.gate or serving.model is None:
        return spec.with_item(address, replace(serving, gate=None))
    fitting = (e for e in spec.of("evaluation") if spec.exam(e).model == serving.model)
    exam = next(fitting, None) or pick([x for x in ADDRESSES["evaluation"] if x not in spec.items], b)
    if exam is None:
        return spec
    made = spec.items.get(exam) or _new_exam(spec, serving.model, address)
    return spec.with_item(exam, made).with_item(address, replace(serving, gate=exam))


def _exam_edit(item: Exam, b: int, spec: Spec) -> Item:
    return replace(item, model=pick(tuned(spec, BASE), b) or item.model, via=None)


def _model_edit(item: Job | Serving, b: int, spec: Spec) -> Item:
    return replace(item, model=pick(_models(spec, item), b))


def _models(spec: Spec, item: Job | Serving) -> list[Address | None]:
    """What it could be made from or serve instead."""
    if isinstance(item, Job):
        return [None, *spec.of("job")]
    if item.on:
        return [*tuned(spec, OPEN)]
    return [None] if item.managed else [None, *tuned(spec, BASE)]


def _open(spec: Spec, a: int, b: int) -> Spec:
    """A job is trained on the other base model, and its deployments serve that as it has to be."""
    address = pick(spec.of("job"), a)
    if address is None:
        return spec
    job = spec.job(address)
    spec = spec.with_item(address, replace(job, base=BASE if job.base == OPEN else OPEN))
    for deployment in spec.of("deployment"):
        serving = spec.serving(deployment)
        on = (serving.on or pick(bases(spec), b)) if serving.model in tuned(spec, OPEN) else None
        spec = spec.with_item(deployment, replace(serving, on=on))
    return spec


def _managed(spec: Spec, a: int, b: int) -> Spec:
    """A deployment is put on managed compute, or no longer is; what is on it goes to another one."""
    address = pick(spec.of("deployment"), a)
    if address is None:
        return spec
    serving = spec.serving(address)
    heir = pick([base for base in bases(spec) if base != address], b)
    items = {x: readdressed(i, {address: heir}) if heir else i for x, i in spec.items.items()}
    items[address] = replace(serving, managed=not serving.managed, model=None, on=None, gate=None)
    return replace(spec, items=items)


def _adapter(spec: Spec, a: int, b: int) -> Spec:
    """A deployment becomes an adapter, or one that is goes to another base or is none any more."""
    address = pick([x for x in spec.of("deployment") if not spec.serving(x).managed], a)
    if address is None:
        return spec
    serving = spec.serving(address)
    if serving.on:
        on = pick([None, *bases(spec)], b)
        return spec.with_item(address, replace(serving, on=on, model=serving.model if on else None))
    on, model = pick(bases(spec), b), pick(tuned(spec, OPEN), b)
    return spec.with_item(address, replace(serving, on=on, model=model, gate=None)) if on and model else spec


EDITS: Mapping[str, Edit] = {
    "content": _change("dataset", lambda i, b, s: replace(i, content=CONTENTS[b % len(CONTENTS)])),
    "epochs": _change("job", lambda i, b, s: replace(i, epochs=1 + b % 3)),
    "seed": _change("job", lambda i, b, s: replace(i, seed=(None, 7)[b % 2])),
    "suffix": _change("job", lambda i, b, s: replace(i, suffix=("", "s")[b % 2])),
    "reports": _change("job", lambda i, b, s: replace(i, reports=not i.reports)),
    "owner": lambda s, a, b: replace(s, owner=s.owner.rstrip("!") + "!" * (b % 2)),
    "policy": lambda s, a, b: replace(s, rules=CHOICES[b % len(CHOICES)]),
    "key": lambda s, a, b: replace(s, key=b % 3),
    "training": _change("job", lambda i, b, s: replace(i, training=pick(s.of("dataset"), b) or i.training)),
    "start from": _change("job", _model_edit),
    "serve": _change("deployment", _model_edit),
    "capacity": _change("deployment", lambda i, b, s: replace(i, capacity=1 + b % 3)),
    "sku": _change("deployment", lambda i, b, s: replace(i, sku=("Standard", "GlobalStandard")[b % 2])),
    "hours": _change("deployment", lambda i, b, s: replace(i, hours=("", DAY, DAY, NIGHT)[b % 4])),
    "name": _change("deployment", lambda i, b, s: replace(i, name=NAMES[b % len(NAMES)])),
    "open": _open,
    "managed": _managed,
    "adapter": _adapter,
    "add base": _add_base,
    "gate": _gate,
    "prompts": _change("evaluation", lambda i, b, s: replace(i, prompts=b % len(PROMPTS))),
    "bound": _change("deployment", lambda i, b, s: replace(i, least=BOUNDS[b % len(BOUNDS)])),
    "stop": _change("evaluation", lambda i, b, s: replace(i, stops=not i.stops)),
    "max_age": _change("evaluation", lambda i, b, s: replace(i, anew=not i.anew)),
    "evaluate": _change("evaluation", _exam_edit),
    "rename evaluation": _rename("evaluation", moved=False),
    "move evaluation": _rename("evaluation", moved=True),
    "add evaluation": _add("evaluation"),
    "blue_green": _change("deployment", lambda i, b, s: replace(i, blue_green=not i.blue_green)),
    "exchange names": _exchange_names,
    "name to a new one": _name_to_new,
    "succeed": _succeed,
    "rename dataset": _rename("dataset", moved=False),
    "rename job": _rename("job", moved=False),
    "rename deployment": _rename("deployment", moved=False),
    "move dataset": _rename("dataset", moved=True),
    "move job": _rename("job", moved=True),
    "move deployment": _rename("deployment", moved=True),
    "exchange datasets": _exchange("dataset"),
    "exchange jobs": _exchange("job"),
    "exchange deployments": _exchange("deployment"),
    "add dataset": _add("dataset"),
    "add job": _add("job"),
    "add deployment": _add("deployment"),
    "remove": _remove(block=False),
    "removed": _remove(block=True),
    "removed, retain": _remove(block=True, retain=True),
    "account": _account,
    "provider": _provider,
    "protect": _any_life(lambda life, b, kind: replace(life, prevent_destroy=not life.prevent_destroy)),
    "retain": _any_life(lambda life, b, kind: replace(life, on_destroy=("retain", "delete")[b % 2])),
    "create_before_destroy": _any_life(
        lambda life, b, kind: replace(life, create_before_destroy=(None, True, False)[b % 3])
    ),
    "ignore": _any_life(
        lambda life, b, kind: replace(
            life, ignore_changes=() if life.ignore_changes else (str(pick(_IGNORABLE[kind], b)),)
        )
    ),
    "drop blocks": _drop_blocks,
}
