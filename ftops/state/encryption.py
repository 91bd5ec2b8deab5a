"""Encryption of texts with AES-256-GCM.

An encrypted text is `<key id>:<base64 of nonce and ciphertext>`. It is *bound* to another text, such as
lineage and serial, as its associated data: decrypting it for anything else fails.

Importing cryptography takes longer than a plan without changes, so it is imported where it is used.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct

from ftops.core.errors import Place, StateError
from ftops.core.plurals import plural

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
MAKE_ONE = "create one with: openssl rand -base64 32"


class Key(Struct, frozen=True):
    """A secret of 32 bytes. Its id doesn't reveal the secret."""

    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"

    @property
    def id(self) -> str:
        return sha256(b"ftops key id" + self.secret).hexdigest()[:8]

    def derived(self, purpose: str) -> str:
        """A key for another purpose, as 64 hex digits. It doesn't reveal this one."""
        return hmac.new(self.secret, f"ftops {purpose}".encode(), "sha256").hexdigest()


class Keys(Struct, frozen=True):
    """`key` encrypts, and any of the keys decrypts. Without `key` texts aren't encrypted any more.
    `accept_plain`: texts that aren't encrypted are accepted."""

    key: Key | None
    fallbacks: Sequence[Key] = ()
    accept_plain: bool = False

    def encrypt(self, plain: str, bound: str) -> str:
        """Raises ValueError without a key."""
        if self.key is None:
            raise ValueError("there is no key to encrypt with")
        nonce = os.urandom(NONCE_BYTES)
        sealed = _cipher(self.key.secret).encrypt(nonce, plain.encode(), bound.encode())
        return f"{self.key.id}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, sealed: str, bound: str, place: str) -> str:
        """Raises StateError, with the place, if the key is another one or either text was altered."""
        id, _, body = sealed.partition(":")
        known = [k for k in (self.key, *self.fallbacks) if k is not None]
        key = next((k for k in known if k.id == id), None)
        if key is None:
            raise StateError(
                f"the state is encrypted with another key: {place}",
                f"it needs the key {id}; given: {', '.join(k.id for k in known) or 'none'}.",
                "set the right key; after a rotation, set the old one under `fallback`",
            )
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(body, validate=True)
            return _cipher(key.secret).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise StateError(
                f"the state was altered: {place}",
                "it wasn't written by ftops with this key for this state and serial: it may be an old copy.",
                "restore it from a backup or the bucket's object versions",
            ) from error


def key_of(text: str, where: str, place: Place | None = None) -> Key:
    """Parses 32 bytes in base64 or hex. Raises StateError, which never shows the text."""
    text = "".join(text.split())
    for decode in (bytes.fromhex, _base64):
        try:
            secret = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(secret) == KEY_BYTES:
            return Key(secret)
    found = f"it has {plural(len(text), 'character')}" if text else "it is empty"
    raise StateError(
        f"{where} isn't a valid encryption key",
        f"a key is {KEY_BYTES} bytes in base64 or hex; {found}.",
        MAKE_ONE,
        place,
    )


def _base64(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)


@cache
def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)
