"""ftops docs: the pages of the documentation, which are a part of the package"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from ftops.cli.console import Screen
from ftops.cli.output_options import screen_options
from ftops.core.confined_files import content
from ftops.core.errors import UsageError
from ftops.core.suggestions import nearest

_PACKAGE = Path(__file__).parents[2]
_FOLDERS = (_PACKAGE / "docs", _PACKAGE.parent / "docs")
"""In a wheel, and in a checkout."""


@click.command("docs")
@click.argument("page", metavar="[PAGE]", required=False)
@screen_options
def command(screen: Screen, page: str | None) -> int:
    """Show a page of the documentation; without PAGE, list the pages.

    On a terminal, a page is formatted and shown by your pager; else it is printed as the Markdown that it is.
    """
    pages = _pages()
    if page is None:
        width = max(map(len, pages), default=0)
        titles = {name: _title(path) for name, path in pages.items()}
        return screen.result(
            lambda: {"pages": titles},
            lambda: (f"{name:<{width}}  {title}" for name, title in titles.items()),
        )
    name = page.partition("#")[0].removeprefix("docs/").removesuffix(".md")
    if name not in pages:
        near = nearest(name, pages)
        hint = f"did you mean `ftops docs {near}`?" if near else "`ftops docs` lists them"
        raise UsageError(f"there is no page `{page}`", "", hint)
    text = content(pages[name]).decode()
    if screen.is_terminal and not screen.json:
        screen.paged(_formatted(text, screen.width or 80, is_colored=screen.paint.on))
        return 0
    return screen.result(lambda: {"page": name, "text": text}, text.splitlines, whole=True)


def _pages() -> Mapping[str, Path]:
    """By name: the path within the documentation without its suffix."""
    folder = next((one for one in _FOLDERS if one.is_dir()), _FOLDERS[0])
    found = sorted([*folder.glob("*.md"), *folder.glob("recipes/*.md")])
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def _title(path: Path) -> str:
    first, _, _ = content(path).decode().partition("\n")
    return first.removeprefix("# ")


def _formatted(text: str, width: int, *, is_colored: bool) -> str:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=min(width, 110), force_terminal=is_colored, no_color=not is_colored)
    with console.capture() as shown:
        console.print(Markdown(text, hyperlinks=False))
    return shown.get()
