"""Any inputs, written in any other way: the same, alone and next to a real change."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from math import inf, nan
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ftops.config.config import Resource
from ftops.core.address import Address, Reference, Secret, decode
from ftops.core.hosting_hours import meaning
from ftops.core.normal_form import canonical, name, normal, number, same
from ftops.core.resource_types import RESOURCE_TYPES, ResourceType
from ftops.core.value_diff import Difference, differences
from ftops.planning.desired import Resolver

TEXT = st.text(st.sampled_from("aZé\u00e9e\u0301_1.$ß"), max_size=5)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([0.5, 1.0, 3.0, 1e18, -0.0]),
    st.sampled_from(["1", "01", "1.10", "auto", "true", "null", ""]),
    st.just(Reference(Address("job", "a"), "id")),
    TEXT,
)
KEYS = st.sampled_from(["a", "B", "__x", "a.b", "caf\u00e9", "n\u0303"])
FREE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=6,
)
EMPTY: st.SearchStrategy[Any] = st.sampled_from([None, [], {}, {"a": None}, {"a": {"b": []}}])
KINDS = st.sampled_from(sorted(RESOURCE_TYPES))
SECRETS = {Secret("env", "X"): "digest"}


def values(kind: ResourceType, path: str) -> st.SearchStrategy[Any]:
    """What may stand in a field: numbers where those are read from text, text in which case doesn't count."""
    form = kind.spelling.form(path)
    if form is number:
        return st.one_of(st.integers(1, 9), st.sampled_from([0.1, 2.0, 1.5]))
    if form is meaning:
        return st.sampled_from(["mon-fri 8:00-18:00 UTC", "sat, sun 9:30-12:00 Europe/Berlin"])
    return st.sampled_from(["standard", "gpt-4o", "NoAutoUpgrade", "x-1"]) if form else FREE


@st.composite
def inputs(draw: st.DrawFn, kind: ResourceType) -> dict[str, Any]:
    """Inputs of a kind: each field that has a form, and some that have none."""
    tree: dict[str, Any] = {}
    for path in draw(st.sets(st.sampled_from([*kind.spelling.forms, "grader", "tags.Owner", "suffix"]))):
        head, _, rest = path.partition(".")
        rest = rest.replace("*", "n_epochs")
        value = draw(values(kind, path.replace("*", "n_epochs")))
        tree[head] = {**tree.get(head, {}), rest: value} if rest else value
    return tree


@st.composite
def respelled(draw: st.DrawFn, value: Any, kind: ResourceType, path: str = "") -> Any:
    """The same value in other words."""
    if isinstance(value, dict):
        return draw(_respelled_mapping(value, kind, path))
    if isinstance(value, list):
        return [draw(respelled(item, kind, path)) for item in value] if value else draw(EMPTY)
    if value is None:
        return draw(EMPTY)
    form = kind.spelling.form(path)
    spellings = [value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        spellings += [float(value)] + ([int(value)] if float(value).is_integer() else [])
        spellings += [str(value)] if form is number else []
    elif form is meaning:
        spellings += [value.replace(" ", "  "), value.replace("-", " - ")]
    elif isinstance(value, str):
        spellings += [unicodedata.normalize(name, value) for name in ("NFC", "NFD")]
        spellings += [value.upper(), value.lower()] if form and form is not number else []
    return draw(st.sampled_from(spellings))


@st.composite
def _respelled_mapping(draw: st.DrawFn, tree: Mapping[str, Any], kind: ResourceType, path: str) -> Any:
    folded = path in kind.spelling.folded_keys
    items = []
    for key, value in draw(st.permutations(list(tree.items()))):
        other = draw(respelled(value, kind, f"{path}.{key}" if path else key))
        variants = [key, *(unicodedata.normalize(name, key) for name in ("NFC", "NFD"))]
        items.append((draw(st.sampled_from([*variants, key.upper()] if folded else variants)), other))
    if draw(st.booleans()):
        items.append(("absent", draw(EMPTY)))
    return dict(items)


def fingerprint(kind: str, tree: Mapping[str, Any]) -> str:
    resource = Resource(Address(kind, "it"), "p", tree)
    return Resolver(lambda _: None, {}, SECRETS).resolve(resource).fingerprint


@given(st.data(), KINDS)
def test_two_spellings_of_one_value_never_make_a_change(data: st.DataObject, kind: str) -> None:
    row = RESOURCE_TYPES[kind]
    one = data.draw(inputs(row))
    other = data.draw(respelled(one, row)) or {}
    assert differences(one, other, row.spelling) == ()
    assert differences(other, one, row.spelling) == ()
    assert fingerprint(kind, one) == fingerprint(kind, other)
    company = differences({**one, "real": 1}, {**other, "real": 2}, row.spelling)
    assert company == (("real", 1, 2),)


@given(st.data(), KINDS)
def test_a_real_change_is_found(data: st.DataObject, kind: str) -> None:
    """By the fingerprint, by `differences` and by `same` alike, and it is where it is said to be."""
    row = RESOURCE_TYPES[kind]
    one, other = data.draw(inputs(row)), data.draw(inputs(row))
    found = differences(one, other, row.spelling)
    equal = same(one, other, row.spelling)
    assert equal is not bool(found)
    heads = {difference.path.split(".")[0] for difference in found}
    assert heads == {
        key for key in {*one, *other} if not same(one.get(key), other.get(key), row.spelling, key)
    }
    if {*one, *other}.isdisjoint(row.local | row.defaults.keys()):
        assert equal is (fingerprint(kind, one) == fingerprint(kind, other))


ODD = st.sampled_from([nan, inf, 2**63, float(2**63), 10**30, 1e30, {"address": "job.a", "attribute": "id"}])
COMPANY = st.dictionaries(
    st.sampled_from(["grader", "tags", "sku", "seed", "a", "a.b"]), FREE | ODD, max_size=4
)


@given(KINDS, COMPANY, COMPANY)
def test_a_field_differs_in_company_as_it_does_alone(
    kind: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    alone: list[Difference] = []
    for key in sorted({*one, *other}):
        before, after = ({key: tree[key]} if key in tree else {} for tree in (one, other))
        alone += differences(before, after, RESOURCE_TYPES[kind].spelling)
    together = differences(one, other, RESOURCE_TYPES[kind].spelling)
    assert repr(together) == repr(tuple(sorted(alone, key=lambda difference: difference.path)))


@given(FREE)
def test_the_normal_form_is_normal(value: Any) -> None:
    once = normal(value)
    assert canonical(normal(decode(once))) == canonical(once)


@given(st.text(max_size=8), st.text(max_size=8))
def test_only_letter_case_and_unicode_forms_of_a_name_are_one(one: str, other: str) -> None:
    spelling = RESOURCE_TYPES["deployment"].spelling
    folded = [unicodedata.normalize("NFC", text).casefold() for text in (one, other)]
    assert same(one, other, spelling, "name") is (folded[0] == folded[1])
    assert name(1) == 1
