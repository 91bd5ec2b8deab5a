"""Plain conversations, read fast: msgspec checks types, keys and roles while it parses.

What it takes has nothing but roles and texts. `chat.check` would find nothing wrong in it if the roles are in
order, no text is blank and no key is there twice: `chunk` looks at that for a whole piece. The precise reader
reads the rest. Fields are in alphabetical order, so that what is encoded again is canonical JSON.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct


class PlainMessage(Struct, forbid_unknown_fields=True, gc=False):
    content: Annotated[str, Meta(min_length=1)]
    role: Literal["system", "developer", "user", "assistant"]


class PlainExample(Struct, forbid_unknown_fields=True, gc=False):
    messages: Annotated[list[PlainMessage], Meta(min_length=1)]


decode = msgspec.json.Decoder(PlainExample).decode
encode = msgspec.json.Encoder().encode


def count_keys(text: bytes) -> tuple[int, int]:
    return text.count(b'"role"'), text.count(b'"content"')
