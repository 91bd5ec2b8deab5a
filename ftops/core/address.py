"""Addresses of resources, and the expressions that refer to them.

`job.copilot` and `job.copilot["fr"]` are addresses; `${job.copilot.fine_tuned_model}` is a reference.
Text with expressions is parsed here once and stays data: nothing in this module evaluates anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import NamedTuple

from msgspec import Struct

SHORTEST_SECRET = 4
"""The shortest secret that is redacted: shorter ones are part of many words."""
NAME = r"[a-z][a-z0-9-]{0,62}"
EVERY = "\0"
"""In place of a key: every resource of a `for_each`. No key contains it."""
_KEY = r'\["(?P<key>(?:[^"\\]|\\.)*)"\]'
_ADDRESS = re.compile(rf"(?P<kind>[a-z_]+)\.(?P<name>{NAME})(?:{_KEY})?\Z")
_REFERENCE = re.compile(
    rf"(?P<kind>[a-z_]+)\.(?P<name>{NAME})(?:{_KEY}|(?P<every>\[\*\]))?\.(?P<attribute>[a-z_][a-z0-9_]*(?:\.[a-z0-9_]+)*(?:\.\*)?)\Z"
)
_SECRET = re.compile(r"(?P<scope>env|var)\.(?P<name>[A-Za-z_][A-Za-z0-9_-]*)\Z")
_EXPRESSION = re.compile(r"\$\$\{|\$\{([^}]*)\}?")


class Address(NamedTuple):
    """`kind.name` or `kind.name["key"]`. Sorts by kind, name, key."""

    kind: str
    name: str
    key: str | None = None

    def __str__(self) -> str:
        if self.key is None:
            return f"{self.kind}.{self.name}"
        if self.key == EVERY:
            return f"{self.kind}.{self.name}[*]"
        escaped = self.key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{self.kind}.{self.name}["{escaped}"]'

    @property
    def sort_key(self) -> tuple[str, str, str]:
        return (self.kind, self.name, self.key or "")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises ValueError if `text` isn't an address."""
        match = _ADDRESS.match(text)
        if not match:
            raise ValueError(f"{text!r} is not an address such as job.copilot")
        return cls(match["kind"], match["name"], _unescape(match["key"]))


class Reference(Struct, frozen=True, tag=True):
    """`${job.copilot.fine_tuned_model}`: a computed attribute of a resource, known after apply."""

    address: Address
    attribute: str

    def __str__(self) -> str:
        return f"${{{self.address}.{self.attribute}}}"


class Secret(Struct, frozen=True, tag=True):
    """`${env.X}` or a sensitive `${var.x}`: its value is known but never written."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"${{{self.scope}.{self.name}}}"


class Template(Struct, frozen=True, tag=True):
    """Text around references or secrets, such as `model-${job.a.id}`."""

    parts: tuple[str | Reference | Secret, ...]

    def __str__(self) -> str:
        return "".join(escape(p) if isinstance(p, str) else str(p) for p in self.parts)


Secrets = Mapping[Secret, str | int | float | bool]
"""Values of secrets, which are never written."""
NO_SECRETS: Secrets = {}

Expression = Reference | Secret | Template
EXPRESSIONS = (Reference, Secret, Template)
Scalar = str | int | float | bool | None
Value = Scalar | Expression | Sequence["Value"] | Mapping[str, "Value"]
"""A JSON value (lists and dicts) whose leaves may also be expressions."""

_NAMED = (Reference, Secret)
SCALARS = (str, int, float, NoneType)
"""The types of a scalar, for `isinstance`."""

Json = Scalar | Sequence["Json"] | Mapping[str, "Json"]
"""A JSON value: every Json is a Value."""


HIDDEN = "secret:"
"""The prefix of the digest of a secret."""
_HIDDEN = re.compile(rf"{HIDDEN}\w+(\+{HIDDEN}\w+)*\Z", re.ASCII)


def stands_for_secret(value: object) -> bool:
    """Whether a value is the digest of a secret. Never shown: short secrets can be guessed from it."""
    return isinstance(value, str) and value.startswith(HIDDEN) and bool(_HIDDEN.match(value))


def escape(text: str) -> str:
    """A literal `${` is written `$${`."""
    return text.replace("${", "$${") if "${" in text else text


class Fragment(NamedTuple):
    """A piece of a scanned text: literal, or the inside of one `${…}` at `offset` (from 0)."""

    text: str
    is_expression: bool
    offset: int
    closed: bool = True


def scan(text: str) -> Iterator[Fragment]:
    """Splits a text into literals and the insides of its `${…}`; `$${` is a literal `${`."""
    end = 0
    literal = ""
    for match in _EXPRESSION.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match.group(1) is None:
            literal += "${"
            continue
        if literal:
            yield Fragment(literal, False, match.start() - len(literal))
            literal = ""
        yield Fragment(match.group(1).strip(), True, match.start(), match.group(0).endswith("}"))
    literal += text[end:]
    if literal:
        yield Fragment(literal, False, len(text) - len(literal))


def parse_reference(inside: str) -> Reference | None:
    """The reference inside `${…}`, or None if it has another form."""
    match = _REFERENCE.match(inside)
    if not match or match["kind"] in ("env", "var", "each"):
        return None
    key = EVERY if match["every"] else _unescape(match["key"])
    return Reference(Address(match["kind"], match["name"], key), match["attribute"])


def encode(value: Value) -> Json:
    """A value as JSON: expressions become their text, literal `${` is escaped. See `decode`."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {k: encode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [encode(v) for v in value]
    if isinstance(value, SCALARS):
        return value
    return str(value)


def decode(value: Json) -> Value:
    """The inverse of `encode`."""
    if isinstance(value, str):
        return _decode_text(value) if "${" in value else value
    if isinstance(value, dict):
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, list):
        return [decode(v) for v in value]
    return value


def references(value: Value) -> list[Reference]:
    """Every reference in a value, in order."""
    if isinstance(value, Reference):
        return [value]
    return [e for e in _expressions(value) if isinstance(e, Reference)]


def secrets(value: Value) -> list[Secret]:
    """Every secret in a value, in order."""
    return [e for e in _expressions(value) if isinstance(e, Secret)]


def _expressions(value: Value) -> Sequence[Reference | Secret]:
    if isinstance(value, SCALARS):
        return ()
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [e for item in items if not isinstance(item, SCALARS) for e in _expressions(item)]
    if isinstance(value, Template):
        return [p for p in value.parts if not isinstance(p, str)]
    assert isinstance(value, _NAMED)  # noqa: S101 - nothing else is left
    return (value,)


def fill(value: Value, look_up: Callable[[Reference | Secret], Value]) -> Value:
    """The value with every reference and secret replaced by what `look_up` returns.

    A template becomes text, or stays a template if one of its parts stays an expression.
    """
    if isinstance(value, SCALARS):
        return value
    if isinstance(value, dict):
        return {k: fill(v, look_up) for k, v in value.items()}
    if isinstance(value, list):
        return [fill(v, look_up) for v in value]
    if isinstance(value, Template):
        return join([p if isinstance(p, str) else look_up(p) for p in value.parts])
    assert isinstance(value, _NAMED)  # noqa: S101 - nothing else is left
    return look_up(value)


def join(parts: list[Value]) -> Value:
    """Parts of a text as one text, or as a template if some of them aren't known yet.

    A single expression without text around it stays an expression.
    """
    merged: list[str | Reference | Secret] = []
    for part in parts:
        if isinstance(part, Template):
            merged.extend(part.parts)
        elif isinstance(part, Reference | Secret):
            merged.append(part)
        elif text := render(part):
            if merged and isinstance(merged[-1], str):
                merged[-1] += text
            else:
                merged.append(text)
    if not merged:
        return ""
    if len(merged) == 1:
        return merged[0]
    return Template(tuple(merged))


def render(value: Value) -> str:
    """A scalar within text, as YAML writes it: `true`, `null`, `1.5`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _decode_text(text: str) -> Value:
    parts: list[Value] = []
    for fragment in scan(text):
        expression = _expression(fragment.text) if fragment.is_expression else None
        parts.append(fragment.text if expression is None else expression)
    if len(parts) == 1:
        return parts[0]
    return join(parts)


def _expression(inside: str) -> Reference | Secret | None:
    secret = _SECRET.match(inside)
    if secret:
        return Secret(secret["scope"], secret["name"])
    return parse_reference(inside)


def composed(text: str) -> str:
    """In the Unicode form NFC, as keys are in addresses."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _unescape(key: str | None) -> str | None:
    if key is None:
        return None
    return composed(re.sub(r"\\(.)", r"\1", key) if "\\" in key else key)
