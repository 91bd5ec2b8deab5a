"""Encryption of texts: AES-256-GCM. A text that was encrypted for one purpose can't be used for another.

A sealed text is `<key id>:<base64 of nonce and ciphertext>`. It is *bound* to a text that is not in it,
such as lineage and serial: unsealing it for anything else fails as an altered one does.

cryptography takes longer to import than a plan without changes, so it is loaded where it is used.
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

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
MAKE_ONE = "create one with: openssl rand -base64 32"


class Key(Struct, frozen=True):
    """A secret of 32 bytes. Its id tells keys apart and says nothing of the secret."""

    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id})"

    @property
    def id(self) -> str:
        return sha256(b"ftops key id" + self.secret).hexdigest()[:8]

    def derived(self, purpose: str) -> str:
        """Another key, of 64 hex digits, for one purpose. It says nothing of this one."""
        return hmac.new(self.secret, f"ftops {purpose}".encode(), "sha256").hexdigest()


class Keys(Struct, frozen=True):
    """What is sealed is sealed with `key`; what can be unsealed is what any of them has sealed.

    Without `key` nothing more is sealed. `accept_plain`: what was never sealed is taken as it is.
    """

    key: Key | None
    fallbacks: Sequence[Key] = ()
    accept_plain: bool = False

    def encrypt(self, plain: str, bound: str) -> str:
        """Raises ValueError without a key."""
        if self.key is None:
            raise ValueError("there is no key to seal with")
        nonce = os.urandom(NONCE_BYTES)
        sealed = _cipher(self.key.secret).encrypt(nonce, plain.encode(), bound.encode())
        return f"{self.key.id}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, sealed: str, bound: str, place: str) -> str:
        """Raises StateError with the place where the key is another one, or where either text was altered."""
        id, _, body = sealed.partition(":")
        known = [k for k in (self.key, *self.fallbacks) if k is not None]
        key = next((k for k in known if k.id == id), None)
        if key is None:
            raise _wrong_key(place, id, known)
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(body, validate=True)
            return _cipher(key.secret).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise _altered(place) from error


def key_of(text: str, where: str, place: Place | None = None) -> Key:
    """32 bytes in base64 or in hex. Raises StateError, which never shows the text but may name the place."""
    text = "".join(text.split())
    for decode in (bytes.fromhex, _base64):
        try:
            secret = decode(text)
        except (ValueError, binascii.Error):
            continue
        if len(secret) == KEY_BYTES:
            return Key(secret)
    found = f"it has {len(text)} characters" if text else "it is empty"
    raise StateError(
        f"{where} isn't a valid encryption key",
        f"a key is {KEY_BYTES} bytes in base64 or hex; {found}.",
        MAKE_ONE,
        place,
    )


def altered_or_plain(place: str) -> StateError:
    """Of what isn't sealed although it should be."""
    return StateError(
        f"the state isn't encrypted, but the spec requires encryption: {place}",
        "either it was never encrypted, or it was replaced by another one.",
        "to encrypt it from now on, set `accept_plain: true` under `encryption` for one apply",
    )


def _base64(text: str) -> bytes:
    return base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)


@cache
def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)


def _wrong_key(place: str, id: str, known: Sequence[Key]) -> StateError:
    return StateError(
        f"the state is encrypted with another key: {place}",
        f"it needs the key {id}; given: {', '.join(k.id for k in known) or 'none'}.",
        "set the right key; after a rotation, set the old one under `fallback`",
    )


def _altered(place: str) -> StateError:
    return StateError(
        f"the state was altered: {place}",
        "it wasn't written by ftops with this key for this state and serial: it may be an old copy.",
        "restore it from a backup or the bucket's object versions",
    )
