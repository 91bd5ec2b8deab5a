"""tiktoken without a network: puts the vocabularies of bpe-openai into the cache of tiktoken.

tiktoken compares their digests with those that OpenAI publishes, so other vocabularies are refused.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path

import tiktoken

URL = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"


@contextmanager
def reference(folder: Path, name: str) -> Iterator[tiktoken.Encoding]:
    """tiktoken's own encoding of this name. Uses `folder` as its cache."""
    package = find_spec("bpe_openai")
    assert package and package.origin, "bpe-openai is not installed"
    packed = Path(package.origin).parent / "data" / f"{name}.tiktoken.gz"
    address = URL.format(name=name)
    cached = folder / sha1(address.encode()).hexdigest()
    cached.write_bytes(gzip.decompress(packed.read_bytes()))
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        yield tiktoken.get_encoding(name)
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
