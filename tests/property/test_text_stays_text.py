"""A scalar without quotes reaches a text field as it was written, whichever way it takes; and the field that
it ends in reads it by its own type."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftops.config.config import Config
from ftops.config.loader import load
from ftops.yaml import document as yaml_document
from ftops.yaml.document import Plain

WORDS = (
    *("0613", "1.10", "1e3", "0x1F", "0o17", "no", "yes", "2024-10-21", "12:30", "True", "FALSE", "+5", ".5"),
    *("1_000", "1.", "00", "-0", "1.0", "9" * 30, "NaN", ".inf", "a b", "~a", "nul", "v1.10.0"),
)
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.from_regex(r"[0-9][0-9.eExX_+:-]{0,10}[0-9a-f]", fullmatch=True),
    st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,12}", fullmatch=True),
).filter(lambda text: text not in ("null", "Null", "NULL"))

FIELD = "model: gpt-4o, tags: {v: '%s'}"
VARIABLE = "variables: {v: {%s}}\ndeployments: {a: {" + FIELD + "}}\n"
WAYS: Mapping[str, tuple[str, str, str]] = {
    "direct": ("deployments: {a: {model: gpt-4o, tags: {v: @}}}", "", ""),
    "value of a list": ("deployments: {a: {for_each: [@], " + FIELD % "${each.value}" + "}}", "", ""),
    "key of a list": ("deployments: {a: {for_each: [@], " + FIELD % "${each.key}" + "}}", "", ""),
    "mapping": ("deployments: {a: {for_each: {k: @}, " + FIELD % "${each.value}" + "}}", "", ""),
    "nested": (
        "deployments: {a: {for_each: {k: {l: [x, {m: @}]}}, " + FIELD % "${each.value.l.1.m}" + "}}",
        "",
        "",
    ),
    "matrix": ("deployments: {a: {for_each: {matrix: {m: [@]}}, " + FIELD % "${each.value.m}" + "}}", "", ""),
    "list in a variable": (
        "variables: {v: {type: list, default: [@]}}\n"
        "deployments: {a: {for_each: '${var.v}', " + FIELD % "${each.value}" + "}}",
        "",
        "",
    ),
    "text": (VARIABLE % ("type: string, default: @", "${var.v}"), "", ""),
    "any": (VARIABLE % ("default: @", "${var.v}"), "", ""),
    "map": (VARIABLE % ("type: map, default: {k: [@]}", "${var.v.k.0}"), "", ""),
    "inside text": (VARIABLE % ("default: @}, e: {default: ''", "${var.e}${var.v}"), "", ""),
    "var file": (VARIABLE % ("type: map", "${var.v.k}"), "v: {k: @}", ""),
    "argument": (VARIABLE % ("type: string", "${var.v}"), "", "v=@"),
    "argument of any": (VARIABLE % ("", "${var.v}"), "", "v=@"),
    "argument of a map": (VARIABLE % ("type: map", "${var.v.k}"), "", "v={k: @}"),
    "environment": (
        "environments: {default: {variables: {v: {k: @}}}}\n" + VARIABLE % ("type: map", "${var.v.k}"),
        "",
        "",
    ),
    "defaults of a provider": (
        "variables: {v: {default: @}}\n"
        "providers: {m: {type: emulator, defaults: {tags: {v: '${var.v}'}}}}\n"
        "deployments: {a: {model: gpt-4o}}",
        "",
        "",
    ),
}


def loaded(spec: str, scalar: str, file: str = "", argument: str = "", **environ: str) -> Config:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ftops.yaml")
        path.write_text(spec.replace("@", scalar), "utf-8")
        given = Path(folder, "values")
        given.write_text(file.replace("@", scalar), "utf-8")
        return load(
            path,
            variables=[argument.replace("@", scalar)] if argument else [],
            variable_files=[given] if file else [],
            environ=environ,
        )


def tag(config: Config) -> Any:
    tags: Any = config.resources[0].inputs["tags"]
    return tags["v"]


@pytest.mark.parametrize("way", WAYS)
@given(scalar=scalars)
def test_it_reaches_a_text_field_unchanged(way: str, scalar: str) -> None:
    spec, file, argument = WAYS[way]
    assert tag(loaded(spec, scalar, file, argument)) == scalar


@given(scalar=scalars)
def test_it_comes_unchanged_from_the_environment(scalar: str) -> None:
    spec = VARIABLE % ("type: map", "${var.v.k}")
    assert tag(loaded(spec, scalar, FTOPS_VAR_v=f"{{k: {scalar}}}")) == scalar


@given(scalar=scalars)
def test_a_list_in_a_variable_has_the_keys_that_it_has_when_written_out(scalar: str) -> None:
    row = "deployments: {a: {for_each: %s, model: gpt-4o}}"
    direct = loaded(row % "[@, zz]", scalar)
    moved = loaded("variables: {v: {default: [@, zz]}}\n" + row % "'${var.v}'", scalar)
    assert [r.address for r in direct.resources] == [r.address for r in moved.resources]


NUMBERS = ("5", "0613", "0x1F", "1.0", "1e1", "+7", "0o17")


@pytest.mark.parametrize("scalar", NUMBERS)
@pytest.mark.parametrize(
    "spec",
    [
        "variables: {v: {default: @}}\ndeployments: {a: {model: m, sku: {capacity: '${var.v}'}}}",
        "variables: {v: {type: number, default: @}}\n"
        "deployments: {a: {model: m, sku: {capacity: '${var.v}'}}}",
        "variables: {v: {type: map, default: {c: @}}}\ndeployments: {a: {model: m, sku: '${var.v}'}}".replace(
            "{c:", "{capacity:"
        ),
        "deployments: {a: {for_each: {k: @}, model: m, sku: {capacity: '${each.value}'}}}",
    ],
)
def test_a_number_field_reads_a_number(spec: str, scalar: str) -> None:
    size: Any = loaded(spec, scalar).resources[0].inputs["sku"]
    written: Any = loaded("deployments: {a: {model: m, sku: {capacity: @}}}", scalar).resources[0].inputs
    assert size["capacity"] == written["sku"]["capacity"] == yaml_document.number(scalar)
    assert type(size["capacity"]) is int


values = st.recursive(
    scalars.map(Plain) | st.text(st.characters(min_codepoint=32, max_codepoint=126)) | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(scalars, inner),
    max_leaves=8,
)


@given(value=values)
def test_a_value_on_one_line_is_read_back(value: Any) -> None:
    """Texts and what isn't text keep apart; what is text without quotes may come back in quotes."""
    text = yaml_document.flow([value])
    document = yaml_document.parse(text, "")
    assert document.root is not None
    found = yaml_document.data(document, document.root, [])
    assert found == [value]
    assert yaml_document.resolve(found) == yaml_document.resolve([value])
