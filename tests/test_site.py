"""The check of the built documentation site finds what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.site import problems as problems_of

PAGE = '<html><body><h1 id="top">One</h1>{}</body></html>'


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A site of two pages and the sources that it was built from."""
    for name in ("docs/index.md", "docs/notes/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# One\n", encoding="utf-8")
    folder = tmp_path / "site"
    (folder / "notes").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE.format('<a href="notes/index.html#top">'), encoding="utf-8")
    (folder / "notes" / "index.html").write_text(PAGE.format('<img src="../a%20b.svg">'), encoding="utf-8")
    (folder / "404.html").write_text(PAGE.format('<a href="/nowhere.html">'), encoding="utf-8")
    (folder / "search.js").write_text("var __index = {}", encoding="utf-8")
    (folder / "a b.svg").write_text("<svg/>", encoding="utf-8")
    return folder


def problems(site: Path) -> list[str]:
    return [*problems_of(site, site.parent / "docs")]


def test_a_complete_site(built: Path) -> None:
    assert problems(built) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="gone.html">', "links to gone.html, which doesn't exist"),
        (
            '<a href="notes/index.html#end">',
            "links to notes/index.html#end, but that page has no such heading",
        ),
        ('<a href="#end">', "links to #end, but that page has no such heading"),
        ('<script src="https://cdn.example.com/a.js"></script>', "loads https://cdn.example.com/a.js"),
        ('<script src="//cdn.example.com/a.js"></script>', "loads //cdn.example.com/a.js"),
        (
            '<link rel="preconnect" href="https://fonts.example.com">',
            "loads https://fonts.example.com",
        ),
        ('<img src="gone.svg">', "loads gone.svg, which doesn't exist"),
    ],
)
def test_what_is_wrong_with_a_page(built: Path, body: str, problem: str) -> None:
    (built / "index.html").write_text(PAGE.format(body), encoding="utf-8")
    assert problems(built) == [f"index.html: {problem}"]


def test_links_to_other_hosts_are_not_followed(built: Path) -> None:
    links = (
        '<a href="https://example.com/"><a href="mailto:a@example.com"><img src="data:image/png;base64,AA==">'
    )
    (built / "index.html").write_text(PAGE.format(links), encoding="utf-8")
    assert problems(built) == []


def test_a_page_that_was_not_built_and_a_site_without_search(built: Path) -> None:
    (built / "notes" / "index.html").unlink()
    (built / "index.html").write_text(PAGE.format(""), encoding="utf-8")
    (built / "search.js").unlink()
    assert problems(built) == [
        "notes/index.html: not built from docs/notes/README.md",
        "search.js: there is no search index that a page can load from a folder",
    ]
