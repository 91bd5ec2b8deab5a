"""Redaction: replaces the values of secrets in messages of a service by their expressions.

A service may echo a request, such as a URL with its token, in an error or an event. Messages are recorded,
shown and logged, so they are redacted on arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from ftops.core.address import SHORTEST_SECRET, Secret, Secrets, Value, fill
from ftops.core.errors import FtopsError, GateHeld, ProviderError
from ftops.state.state import RemoteObject

E = TypeVar("E", bound=FtopsError)


class Redaction(Struct, frozen=True):
    """Replaces each value by its expression, such as `${env.SAS}`. Longer values first."""

    words: tuple[tuple[str, str], ...] = ()

    def text(self, text: str) -> str:
        for value, expression in self.words:
            if value in text:
                text = text.replace(value, expression)
        return text

    def remote(self, remote: RemoteObject) -> RemoteObject:
        """Only messages are redacted: attributes are names and numbers that others use as they are."""
        if not (remote.message or remote.paused):
            return remote
        return replace(remote, message=self.text(remote.message), paused=self.text(remote.paused))

    def error(self, error: E) -> E:
        if not self.words:
            return error
        found = copy(error)
        found.summary, found.detail, found.hint = map(self.text, (error.summary, error.detail, error.hint))
        found.args = (found.summary,)
        if isinstance(found, ProviderError):
            found.code, found.request_id = self.text(found.code), self.text(found.request_id)
        elif isinstance(found, GateHeld):
            found.reasons = tuple(map(self.text, found.reasons))
        return found


def with_secrets(inputs: Mapping[str, Value], secrets: Secrets) -> dict[str, Value]:
    """Inputs as they were sent to the service. A secret that isn't known any more stays an expression."""
    return {
        name: fill(v, lambda e: secrets.get(e, e) if isinstance(e, Secret) else e)
        for name, v in inputs.items()
    }


def redaction(secrets: Secrets) -> Redaction:
    """A redaction of each value, plain and URL-encoded, and of the signature within a URL."""
    words: dict[str, str] = {}
    for secret, value in secrets.items():
        for text in (*_signs(str(value)), str(value)):
            if len(text) >= SHORTEST_SECRET:
                forms = (quote(text, safe=""), quote(text), quote_plus(text), text)
                words |= dict.fromkeys(forms, str(secret))
    return Redaction(tuple(sorted(words.items(), key=lambda word: (-len(word[0]), word))))


def _signs(text: str) -> list[str]:
    """What is secret in a URL: its password, its query, and the values in the query."""
    if "://" not in text:
        return []
    try:
        parts = urlsplit(text)
    except ValueError:
        return []
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    return [parts.query, *values, *map(unquote, values), parts.password or ""]
