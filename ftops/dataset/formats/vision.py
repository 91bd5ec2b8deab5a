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
_DATA = re.compile(r"(?i)data:([a-z0-9.+/-]*)((?:;[^;,]*)*),")
_KINDS: Mapping[str, str] = {
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
}
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_COLOURS = {2, 6}
"""RGB and RGBA; the others are grayscale or have a palette."""
_JPEG_SCAN = 0xDA
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_JPEG_COLOURS = {1: "grayscale", 4: "CMYK"}


def check_parts(parts: Sequence[object], role: str, at: Steps) -> Iterator[Finding]:
    """The parts of one message."""
    for index, part in enumerate(parts):
        here = (*at, index)
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind not in ("text", "image_url", "refusal"):
            shown = quote(kind) if kind is not None else describe(part)
            yield Finding("vision/part", f"a part of `content` is {shown}", here)
        elif kind == "refusal" and role != "assistant":
            yield Finding("vision/part", f"a refusal in a message with the role {role}", here)
        elif kind == "image_url":
            yield from _unknown_keys(part, {"type", kind}, "part", here)
            yield from _check_image(part, role, here)
        elif not isinstance(part.get(kind), str):
            yield Finding("vision/part", f"a part of the type {kind} has no `{kind}`", here)
        else:
            yield from _unknown_keys(part, {"type", kind}, "part", here)


def is_blank(part: Mapping[str, Any]) -> bool:
    """Whether it is a text without characters."""
    text = part.get("text") if part.get("type") == "text" else None
    return isinstance(text, str) and not text.strip()


def _unknown_keys(holder: Mapping[str, Any], known: set[str], what: str, at: Steps) -> Iterator[Finding]:
    for key in sorted(holder.keys() - known)[:5]:
        article = "an" if what == "image" else "a"
        yield Finding("chat/unknown-key", f"unknown key {quote(key)} of {article} {what}", (*at, Key(key)))


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
    yield from _unknown_keys(image, {"url", "detail"}, "image", here)
    if image.get("detail") is not None and image["detail"] not in _DETAILS:
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
    if head is None or "base64" not in head[2].lower():
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
    if not _is_whole(kind, content):
        return "vision/truncated", f"a {kind} that is cut off"
    if kind == "JPEG" and (colours := _jpeg_components(content)) != 3:
        colour = _JPEG_COLOURS.get(colours, f"{colours} components")
        return "vision/kind", f"a JPEG in {colour}, not RGB"
    return None


def _is_whole(kind: str, content: bytes) -> bool:
    """Whether an image has its end. Bytes after it don't matter."""
    if kind == "PNG":
        return _png_has_end(content)
    if kind == "WEBP":
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    start = next((at for code, at in _jpeg_segments(content) if code == _JPEG_SCAN), 0)
    return start > 0 and content.find(_JPEG_END, start) > 0


def _png_has_end(content: bytes) -> bool:
    at = len(_PNG)
    while at + 12 <= len(content) and content[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(content[at : at + 4], "big")
    return at + 12 <= len(content)


def _jpeg_components(content: bytes) -> int:
    """The colour components of a JPEG, as its frame says; 0 if it has none."""
    at = next((at for code, at in _jpeg_segments(content) if code in _JPEG_FRAMES), 0)
    return content[at + 9] if at and at + 9 < len(content) else 0


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Marker codes and their offsets, up to the start of the scan."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        code = content[at + 1]
        yield code, at
        if code == _JPEG_SCAN:
            return
        at += 1 if code == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def _kind(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(_PNG):
        return "PNG"
    return "WEBP" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else ""
