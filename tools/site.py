"""Check of the built documentation site: links lead somewhere, and no page loads anything from another host.

`python -m tools.site FOLDER` lists what is wrong, and exits with 1 if anything is. The site has to work from
a folder, without a server or a network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

DOCS = Path(__file__).parent.parent / "docs"
NOT_FOUND = "404.html"
"""A server shows it for any path, so its links start at the root of a host."""
_LOADED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "object": "data"}
_LINKED = frozenset({"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch"})


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and the anchors that it has."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found["id"]} if "id" in found else set()
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and not _LINKED.isdisjoint(found.get("rel", "").split()):
            self.loaded.append(found.get("href", ""))
        elif _LOADED.get(tag) in found:
            self.loaded.append(found[_LOADED[tag]])


def problems(site: Path, docs: Path = DOCS) -> Iterator[str]:
    """What is wrong with a site that was built from the folder ``docs``, one line each."""
    pages = {path.relative_to(site).as_posix(): _parsed(path) for path in sorted(site.rglob("*.html"))}
    for source in sorted(docs.rglob("*.md")):
        name = source.relative_to(docs).with_suffix(".html").as_posix().replace("README.html", "index.html")
        if name not in pages:
            yield f"{name}: not built from {source.relative_to(docs.parent)}"
    index = site / "search.js"
    if not index.is_file():
        yield f"{index.name}: there is no search index that a page can load from a folder"
    for name, page in pages.items():
        if name != NOT_FOUND:
            yield from _page_problems(site, name, page, pages)


def _page_problems(site: Path, name: str, page: Page, pages: Mapping[str, Page]) -> Iterator[str]:
    for place in page.loaded:
        target = urlsplit(place)
        if target.scheme not in ("", "data") or target.netloc:
            yield f"{name}: loads {place}"
        elif not target.scheme and not (site / urljoin(name, unquote(target.path))).is_file():
            yield f"{name}: loads {place}, which doesn't exist"
    for place in page.links:
        target = urlsplit(place)
        if target.scheme or target.netloc:
            continue
        path = urljoin(name, unquote(target.path)) if target.path else name
        if not (site / path).is_file():
            yield f"{name}: links to {place}, which doesn't exist"
        elif target.fragment and path in pages and unquote(target.fragment) not in pages[path].anchors:
            yield f"{name}: links to {place}, but that page has no such heading"


def _parsed(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


if __name__ == "__main__":
    found = [*problems(Path(sys.argv[1]))]
    print("\n".join((*found, f"{len(found)} problems")) if found else "The site is complete.")
    sys.exit(bool(found))
