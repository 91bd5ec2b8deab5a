"""Content parts of a message: texts and images, with the service's limits on images."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ftops.dataset.formats.jsonl import describe
from ftops.dataset.rules.findings import Finding, Key, Steps, quote

MAX_IMAGES = 64
MAX_EXAMPLES = 50_000
"""Examples with images in one file."""
MAX_BYTES = 10_000_000
_DETAILS = ("low", "high", "auto")
_DATA = re.compile(r"data:([a-zA-Z0-9.+/-]*)((?:;[^;,]*)*),")
_KINDS: Mapping[str, str] = {
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
}
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {2, 6}
"""RGB and RGBA; the others are grayscale or have a palette."""


def check_parts(parts: Sequence[object], role: str, at: Steps) -> Iterator[Finding]:
    """The parts of one message."""
    for index, part in enumerate(parts):
        here = (*at, index)
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind not in ("text", "image_url", "refusal"):
            shown = quote(kind) if kind is not None else describe(part)
            yield Finding("vision/part", f"a part of `content` is {shown}", here)
        elif kind == "image_url":
            yield from _check_image(part, role, here)
        elif not isinstance(part.get(kind), str):
            yield Finding("vision/part", f"a part of the type {kind} has no `{kind}`", here)
        elif part.keys() - {"type", kind}:
            key = min(part.keys() - {"type", kind})
            yield Finding("chat/unknown-key", f"unknown key {quote(key)} of a part", (*here, Key(key)))


def check_count(messages: Sequence[object], at: Steps) -> Iterator[Finding]:
    """The images of one example."""
    count = count_images(messages)
    if count > MAX_IMAGES:
        yield Finding("vision/too-many", f"{count} images, more than {MAX_IMAGES}", at)


def count_images(messages: Sequence[object]) -> int:
    return sum(
        isinstance(part, dict) and part.get("type") == "image_url"
        for message in messages
        if isinstance(message, dict) and isinstance(message.get("content"), list)
        for part in message["content"]
    )


def _check_image(part: Mapping[str, Any], role: str, at: Steps) -> Iterator[Finding]:
    if role != "user":
        yield Finding("vision/role", f"an image in a message with the role {role}", at)
    image = part.get("image_url")
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        yield Finding("vision/part", "an image without its `url`", (*at, "image_url") if image else at)
        return
    here = (*at, "image_url")
    if "detail" in image and image["detail"] not in _DETAILS:
        yield Finding("vision/detail", f"`detail` is {describe(image['detail'])}", (*here, "detail"))
    check = _wrong_data if image["url"][:5].lower() == "data:" else _wrong_url
    problem = check(image["url"])
    if problem:
        yield Finding(*problem, (*here, "url"))


def _wrong_url(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and not url.split("?")[0].count(" "):
            return None
    except ValueError:
        pass
    return "vision/url", f"{quote(url)} isn't a valid image URL"


def _wrong_data(uri: str) -> tuple[str, str] | None:
    """Rule and summary of what is wrong with an image in a data URI."""
    head = _DATA.match(uri)
    if head is None or "base64" not in head[2]:
        return "vision/url", "a data URI that isn't base64"
    declared = _KINDS.get(head[1].lower())
    if declared is None:
        return "vision/kind", f"an image of the type {quote(head[1])}"
    size = (len(uri) - head.end()) * 3 // 4
    if size > MAX_BYTES:
        return "vision/too-large", f"an image of {size / 1e6:,.1f} MB, more than 10 MB"
    try:
        content = base64.b64decode(uri[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        return "vision/url", "a data URI whose base64 is broken"
    kind = _kind(content)
    if kind != declared:
        return "vision/kind", f"an image declared as {declared} is {kind or 'another format'}"
    if kind == "PNG" and len(content) > 25 and content[25] not in _PNG_COLOURS:
        return "vision/kind", "a PNG that is neither RGB nor RGBA"
    return None


def _kind(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(_PNG):
        return "PNG"
    return "WEBP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""
