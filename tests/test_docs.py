"""Documentation: its links lead somewhere, its tables are those of the code, and its commands run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ftops.cli.main import root
from ftops.providers import base
from tests.functional.test_docs_pages import ELSEWHERE, FOLLOWED, NOT_RUN
from tests.support.walkthrough import Command, blocks, command_of, commands
from tools import pages
from tools.picture import PICTURE, picture

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "specs/*/*.md")
    for path in ROOT.glob(pattern)
)


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


def test_every_page_is_in_the_navigation_once() -> None:
    site = tomllib.loads(text("zensical.toml"))["project"]

    def named(entries: list[object]) -> Iterator[str]:
        for entry in entries:
            below = entry.values() if isinstance(entry, dict) else [entry]
            for value in below:
                yield from named(value) if isinstance(value, list) else [str(value)]

    found = sorted(named(site["nav"]))
    notes = ("docs/decisions/2", "docs/decisions/README")  # the second one lists the others
    written = [page for page in PAGES if page.startswith("docs/") and not page.startswith(notes[0])]
    assert found == sorted(page.removeprefix("docs/") for page in written)


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_no_bars_in_code(page: str) -> None:
    """A Git host needs a backslash before them, and the site shows it."""
    rows = [line for line in text(page).splitlines() if line.startswith("|")]
    assert [row for row in rows if re.search(r"`[^`]*\\\|[^`]*`", row)] == []


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_generated_pages_are_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == pages.PAGES[page](), "run `python -m tools.pages`"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_every_command_runs_or_says_why_not(page: str) -> None:
    reasons = NOT_RUN.get(page, {})
    found = [command for block in blocks(text(page)) for command in commands(block)]
    left = [c for c in found if c.text.startswith(tuple(reasons))]
    ran = [c for c in found if c not in left]
    assert not ran or page in FOLLOWED, f"no test runs these commands: {[c.text for c in ran]}"
    assert [start for start in reasons if not any(c.text.startswith(start) for c in left)] == []
    for command in left:
        assert_parsed(command)


def assert_parsed(command: Command) -> None:
    """The command and its options exist."""
    words = shlex.split(re.split(r" (?:[|>&;]|-- )", command.text)[0])
    while words and re.match(r"\w+=", words[0]):
        del words[0]
    if words[:1] == ["ftops"]:
        ctx, found, rest = command_of(words[1:])
        found.make_context(ctx.info_name, rest, parent=ctx.parent)


def test_tests_that_run_a_page_name_it() -> None:
    for page, test in ELSEWHERE.items():
        assert Path(page).name in text(test), test


@pytest.mark.parametrize(("number", "name"), [(0, "plan"), (1, "apply"), (2, "destroy")])
def test_the_table_of_options_is_complete(number: int, name: str) -> None:
    rows = re.findall(r"^\| (`-[^|]*`) \| ?(✓?) *\| ?(✓?) *\| ?(✓?) *\|", text("docs/cli.md"), re.M)
    documented = {
        option for options, *marks in rows if marks[number] for option in re.findall(r"--[\w-]+", options)
    }
    command = root.get_command(click.Context(root), name)
    assert command is not None
    options = [p for p in command.params if isinstance(p, click.Option) and not pages.EVERYWHERE & {*p.opts}]
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


@pytest.mark.slow
def test_the_picture_of_the_readme_is_current() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run `make picture`"
