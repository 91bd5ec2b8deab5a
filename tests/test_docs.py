"""Documentation: its links lead somewhere, and its tables of options and protocols are those of the code."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import click
import pytest

from ftops.cli.main import root
from ftops.providers import base

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "bench/*.md", "specs/*/*.md")
    for path in ROOT.glob(pattern)
)
EVERYWHERE = {"--output", "--no-color", "--chdir", "--env", "--var", "--var-file"}
"""Options of every command, which have a table of their own."""


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(page: str) -> set[str]:
    """The anchors of headings, as GitHub names them."""
    prose = re.sub(r"^```.*?^```$", "", text(page), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text(page)):
        path, _, anchor = link.partition("#")
        target = os.path.normpath(Path(page).parent / path) if path else page
        assert (ROOT / target).exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize(("number", "name"), [(0, "plan"), (1, "apply"), (2, "destroy")])
def test_the_table_of_options_is_complete(number: int, name: str) -> None:
    rows = re.findall(r"^\| (`-[^|]*`) \| ?(✓?) *\| ?(✓?) *\| ?(✓?) *\|", text("docs/cli.md"), re.M)
    documented = {
        option for options, *marks in rows if marks[number] for option in re.findall(r"--[\w-]+", options)
    }
    command = root.get_command(click.Context(root), name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option) and not EVERYWHERE & {*p.opts}]
    known = {option: p.name for p in options for option in (*p.opts, *p.secondary_opts)}
    assert documented <= known.keys()
    assert {known[option] for option in documented} == set(known.values())


def test_the_protocol_of_a_provider_is_that_of_the_code() -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", text("docs/providers.md"), re.M | re.S)
    source = ast.parse(Path(base.__file__).read_text(encoding="utf-8"))

    def methods(tree: ast.Module) -> dict[str, str]:
        (protocol,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Provider"]
        found = [node for node in protocol.body if isinstance(node, ast.FunctionDef)]
        return {f.name: f"{ast.unparse(f.args)} -> {ast.unparse(f.returns or f)}" for f in found}

    assert methods(ast.parse(block)) == methods(source)
