"""docs/language.md: its examples load, and its tables say what the code knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftops.config import schema
from ftops.config.loader import load
from ftops.config.schema import providers
from ftops.config.schema.hyperparameters import JobHyperparameters
from ftops.config.schema.resources import LifecycleBlock
from ftops.config.schema.settings import Environment, OutputBlock, Settings, StateBlock, Variable
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.yaml.formatter import format_text

PAGE = Path(__file__).parents[3] / "docs" / "language.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
ENVIRON = {
    "USER": "ada",
    "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
    "AZURE_OPENAI_ENDPOINT": "https://acme.openai.azure.com/",
}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_load(tmp_path: Path, number: int) -> None:
    file = tmp_path / "ftops.yaml"
    file.write_text(EXAMPLES[number], "utf-8")
    found = load(file, environ=ENVIRON)
    assert found.resources or found.outputs
    for name in re.findall(r"^  (\w+): \{provider", EXAMPLES[number], re.MULTILINE):
        assert load(file, environ=ENVIRON, environment=name).environment == name


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_are_laid_out_as_they_should(number: int) -> None:
    assert format_text(EXAMPLES[number], "ftops.yaml") == EXAMPLES[number]


def test_every_key_is_described() -> None:
    blocks = [*map(schema.resource_block, RESOURCE_TYPES), *map(schema.provider_block, PROVIDER_TYPES)]
    blocks += [Settings, StateBlock, Variable, Environment]
    blocks += [JobHyperparameters, LifecycleBlock, OutputBlock]
    blocks += [providers.Sku, providers.ControlPlane, providers.Credential, providers.Defaults]
    keys = {field.key for block in blocks for field in block.fields.values()}
    assert [key for key in sorted({*keys, *schema.sections()}) if not re.search(rf"\b{key}\b", TEXT)] == []


def test_every_key_of_the_json_schema_is_on_the_page_or_on_one_that_it_links_to() -> None:
    links = {PAGE.name, *re.findall(r"\]\(([\w-]+\.md)", TEXT)}
    written = "\n".join(code((PAGE.parent / name).read_text("utf-8")) for name in sorted(links))
    keys = set(properties(schema.json_schema()))
    assert len(keys) > 200
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", written)] == []


def code(text: str) -> str:
    """What stands in code spans and blocks: a key that is only a word of a sentence isn't described."""
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return "\n".join([*re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S), *spans])


def properties(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        known = part.get("properties")
        yield from known if isinstance(known, dict) else ()
    below = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for value in below:
        yield from properties(value)


@pytest.mark.parametrize("kind", RESOURCE_TYPES)
def test_attributes_of_the_kinds(kind: str) -> None:
    row = re.search(rf"^\| {kind} \| `{RESOURCE_TYPES[kind].section}` \| (.*) \|$", TEXT, re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`([^`]+)`", row[1])) == RESOURCE_TYPES[kind].computed
