"""Mail addresses and passwords in addresses: found wherever they stand, with each byte looked at once."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ftops.dataset.rules.sensitive_data import Hit, _around_signs, hits

FAR = b"no sign of anything here. " * 40
DENSE = {
    "a@": b"a@" * 20_000,
    "@": b"@" * 40_000,
    "a.b@": b"a.b@" * 10_000,
    "domains": b"@a.a.a.a.a" * 4_000,
    "passwords": b"a://a@" * 7_000,
    "long": (b"a" * 64 + b"@") * 600,
    "apart": (FAR + b"a@b") * 40,
}


@pytest.mark.parametrize("text", DENSE.values(), ids=DENSE.keys())
def test_no_byte_is_looked_at_for_each_sign_around_it(text: bytes) -> None:
    parts = list(_around_signs(text))
    assert sum(end - start for start, end in parts) <= len(text)
    gaps = [(end, start) for (_, end), (start, _) in pairwise([(0, 0), *parts, (len(text), 0)])]
    assert all(end <= start for end, start in gaps)
    assert not any(b"@" in text[end:start] for end, start in gaps)


@pytest.mark.parametrize("text", [b"", b"a", FAR])
def test_a_text_without_a_sign_has_no_such_part(text: bytes) -> None:
    assert list(_around_signs(text)) == []


@pytest.mark.parametrize("before", [b"", b" ", b"a@" * 300 + b" ", FAR, FAR + b"x@y " + FAR, b"@" * 500])
@pytest.mark.parametrize("after", [b"", b" ", b" @a" * 300, FAR])
def test_what_stands_among_many_signs_is_found(before: bytes, after: bytes) -> None:
    mail, address = b"bob@acme.com", b"https://bob:secret@"
    text = before + mail + b" ann@example.com " + address + after
    at = len(before)
    there = text.index(address, at)
    assert [*hits(text)][:2] == [
        Hit("personal/email", at, at + len(mail)),
        Hit("secret/url-password", there, there + len(address)),
    ]
