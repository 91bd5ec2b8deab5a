"""Files beside a spec: which of them are parts of it, and which belong to other tools.

A file of another tool may have keys that are also sections: `jobs` and `variables` of Azure Pipelines,
`outputs` of a GitHub Action, `environment` of Dart. But no part of the spec may be skipped for a typo, since
what isn't declared is deleted.
"""

from __future__ import annotations

from yaml.nodes import Node

from ftops.config.loader.unknown_keys import is_misspelled_section
from ftops.config.schema import resource_block, sections
from ftops.config.schema.block import Block
from ftops.config.schema.settings import Environment, Settings
from ftops.core.provider_types import PROVIDER_TYPES
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import nearest
from ftops.yaml.document import Document, items


def is_part(document: Document) -> bool:
    """Whether a file beside `ftops.yaml` is a part of the spec: all of its keys are sections, or nearly, or
    one of them declares what would be deleted, or found elsewhere, without it."""
    named = [(_section(key.value), node) for key, node in items(document.root)]
    if all(section for section, _ in named):
        return bool(named)
    return any(_declares(section, node) for section, node in named if section)


def _section(key: str) -> str:
    """The section that a key is, or nearly is; empty for any other."""
    if key in sections():
        return key
    return (nearest(key, sections()) or "") if is_misspelled_section(key) else ""


def _declares(section: str, node: Node) -> bool:
    """Whether the value of a section has keys that only ours has."""
    if section == "ftops":
        return any(key.value in _keys_of(Settings) for key, _ in items(node))
    if section == "providers":
        types = (
            value.value for _, entry in items(node) for key, value in items(entry) if key.value == "type"
        )
        return any(isinstance(type_, str) and type_ in PROVIDER_TYPES for type_ in types)
    known = _entry_keys(section)
    return any(key.value in known for _, entry in items(node) for key, _ in items(entry))


def _entry_keys(section: str) -> set[str]:
    """The keys of the entries of a section whose loss would delete something."""
    kinds = [row.kind for row in RESOURCE_TYPES.values() if row.section == section]
    if kinds:
        return _keys_of(resource_block(kinds[0]))
    return _keys_of(Environment) - {"description"} if section == "environments" else set()


def _keys_of(block: type[Block]) -> set[str]:
    return {field.key for field in block.fields.values()}
