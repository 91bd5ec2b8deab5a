"""HTML pages that load nothing: elements whose text is always escaped, and a page with a strict policy.

Pages have no script and no style attributes, so the policy allows one style sheet, by its digest. Control and
direction characters in text are shown as codes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from xml.etree import ElementTree as ET

from ftops.views.xml import xml_text

Node = ET.Element | str | None


def element(tag: str, /, *children: Node, **attributes: object) -> ET.Element:
    """An element. Children that are None are left out, and so are attributes that are None or False. `class_`
    is `class`, and `text_anchor` is `text-anchor`."""
    made = ET.Element(tag)
    for name, value in attributes.items():
        if value is not None and value is not False:
            made.set(name.rstrip("_").replace("_", "-"), "" if value is True else xml_text(str(value)))
    last: ET.Element | None = None
    for child in children:
        if isinstance(child, ET.Element):
            made.append(child)
            last = child
        elif child and last is None:
            made.text = (made.text or "") + xml_text(child, lines=True)
        elif child and last is not None:
            last.tail = (last.tail or "") + xml_text(child, lines=True)
    return made


def table(heads: Iterable[Node], rows: Iterable[Iterable[Node]], **attributes: object) -> ET.Element:
    """A table that scrolls by itself if the page is narrow. The first cell of a row is its heading."""
    head = element("thead", element("tr", *(element("th", cell, scope="col") for cell in heads)))
    body = element("tbody", *(_row(list(cells)) for cells in rows))
    made = element("table", head, body, **attributes)
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label="table")


def _row(cells: list[Node]) -> ET.Element:
    first = element("th", cells[0], scope="row")
    return element("tr", first, *(element("td", cell) for cell in cells[1:]))


def folded(summary: Node, *children: Node, **attributes: object) -> ET.Element:
    """A part that is closed at first; it is opened by mouse or keyboard."""
    return element("details", element("summary", summary), *children, **attributes)


SPEC_PAGE, DATA_PAGE = "ftops report", "ftops data report"
"""The commands that write pages."""


def generator(command: str) -> str:
    """What a page says of the command that has written it."""
    return ET.tostring(_generator(command), encoding="unicode", method="html")


def _generator(command: str) -> ET.Element:
    return element("meta", name="generator", content=command)


def page(command: str, title: str, style: str, *children: Node) -> str:
    """A whole document."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sheet = ET.Element("style")
    sheet.text = style  # ours, and not escaped in HTML
    head = element(
        "head",
        element("meta", charset="utf-8"),
        _generator(command),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        sheet,
    )
    document = element("html", head, element("body", *children), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(document, encoding="unicode", method="html") + "\n"
