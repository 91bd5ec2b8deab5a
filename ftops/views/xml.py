"""XML for CI: text that XML 1.0 can hold, and documents."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from ftops.views.paint import clean

_NO_XML = re.compile("[\ufffe\uffff]")
"""What XML 1.0 has no way to write, beside what is cleaned."""


def xml_text(text: str, *, lines: bool = False) -> str:
    """One line of text, or several ones with `lines`."""
    parts = text.split("\n") if lines else [text]
    return "\n".join(_NO_XML.sub("\ufffd", clean(part)) for part in parts)


def xml_document(root: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
