"""Comments as GitHub's renderer draws them: what others wrote is text in code, and nothing else."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

from ftops.cli.ci_documents import read_document
from tests.clients.install import from_pypi
from tests.forges.conftest import documented
from tests.forges.test_comment import EVIL, evil_plan

SCRIPT = Path(__file__).parent / "scripts" / "render_markdown.py"
_TAGS = "h3 p strong blockquote ul li code pre table thead tbody tr th td details summary sub"
TAGS = frozenset(_TAGS.split())


class Page(HTMLParser):
    """The tags of a page, and its text outside of code; `left_open` are tags without an end."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.comments: list[str] = []
        self.bare = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if "code" not in self.open:
            self.bare += data


def test_what_others_wrote_is_drawn_as_code(tmp_path: Path) -> None:
    client = from_pypi("cmarkgfm", "cmarkgfm")
    given, texts = tmp_path / "texts.json", []
    for text in EVIL:
        (tmp_path / "plan.json").write_text(documented(evil_plan(text)), "utf-8")
        texts.append(read_document(tmp_path / "plan.json", None, None).draw(65_536).text)
    given.write_text(json.dumps(texts), "utf-8")
    for html in client.json("python", SCRIPT, given):
        page = Page()
        page.feed(html)
        page.close()
        assert page.tags <= TAGS
        assert page.open == []
        assert page.comments == []
        assert "1 endpoint deleted" in page.bare
        assert page.attributes <= {"lang", "align"}
        for word in ("@", "evil", "script", "onerror", "ftops:v1", "#12", "/merge", "\u202e"):
            assert word not in page.bare, html
