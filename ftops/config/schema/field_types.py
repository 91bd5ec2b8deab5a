"""Field types of a spec: each converts a value as written, or says why it can't, and has a JSON Schema.

A value is a scalar without quotes (Plain), quoted text, the result of an expression, or an expression that is
evaluated only when the plan is applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct, field

from ftops.config.schema import value_hints
from ftops.config.schema.value_hints import decimal
from ftops.core.address import Reference, Scalar, Secret, Template, render
from ftops.core.suggestions import nearest
from ftops.yaml.document import Given, Plain, boolean, number, resolve

JsonSchema = dict[str, Any]
EXPRESSION_SCHEMA: JsonSchema = {"type": "string", "pattern": r"\$\{"}


class Unknown:
    """Stands for a value that couldn't be read. Its error is among the findings already."""

    __slots__ = ()


UNKNOWN = Unknown()


def has_unknown(value: Any) -> bool:
    """Whether any part of the value couldn't be read."""
    if isinstance(value, dict):
        return any(map(has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(has_unknown, value))
    return isinstance(value, Unknown)


class Hidden(Struct):
    """A secret that is the whole value of a field. The field type sets `form`: the value in its own type."""

    secret: Secret
    value: Scalar
    place: Any = None
    form: Scalar = None


class Refused(ValueError):
    """A field type can't take a value. The field's name is put before the summary: "… must be an integer"."""

    def __init__(self, summary: str, detail: str = "", hint: str = "", *, is_secret: bool = False) -> None:
        super().__init__(summary)
        self.summary, self.detail, self.hint = summary, detail, hint
        self.is_secret = is_secret
        """Whether the value may not be shown."""


class FieldType(Struct, frozen=True, kw_only=True, dict=True):
    """A field type. `closed`: takes no reference and no secret, since the value is needed while the spec is
    read. `is_shown`: takes no secret, since the value becomes part of an ID or a name at the service."""

    takes_text: ClassVar[bool] = False
    """Whether any text is a value, so that the name of a resource may be meant."""
    closed: bool = False
    is_shown: bool = False

    @property
    def expected(self) -> str:
        """Completes the sentence "`field` must be …"."""
        return "a value"

    def convert(self, value: Any) -> Any:
        """The value in this type, or None if it can't be converted."""
        raise NotImplementedError

    def schema(self) -> JsonSchema:
        raise NotImplementedError

    def hint(self, value: Any) -> str:
        return ""

    def read(self, value: Any) -> Any:
        kind = type(value)
        if kind is Unknown:
            return value
        if kind is Reference or kind is Template:
            return self._expression(value)
        if kind is Hidden:
            return self._secret(value)
        if kind is Secret:  # only named: see SecretRule.NAME
            raise _no_secret("Only `api_key` takes one here.", value)
        converted = self.convert(value)
        if converted is None:
            curly = value_hints.in_curly_quotes(value, self._accepts) if isinstance(value, str) else ""
            raise Refused(f"must be {self.expected}", self.shown(value), curly or self.hint(value))
        return converted

    def shown(self, value: Any) -> str:
        """Completes the detail of a message."""
        return shown(value)

    def _accepts(self, text: str) -> bool:
        """Whether it takes a text that is written without quotes."""
        return self.convert(Plain(text)) is not None

    def _in_foreign_form(self, value: Any) -> str:
        """A hint, if what is written is an expression of another tool."""
        takes_secrets = not (self.closed or self.is_shown)
        is_written = type(value) in (str, Plain)
        return value_hints.in_foreign_form(value, takes_secrets=takes_secrets) if is_written else ""

    def _expression(self, value: Reference | Template) -> Reference | Template:
        if self.closed:
            detail = "The value is needed to read and plan the spec, before any resource exists."
            named = value.address.name if isinstance(value, Reference) and self.takes_text else ""
            hint = f"Write {self.expected}, or `${{var.…}}`."
            hint = f"Write `{named}`, if its name is meant." if named else hint
            raise Refused("can't contain a reference", detail, hint)
        parts = value.parts if self.is_shown and isinstance(value, Template) else ()
        if secrets := [part for part in parts if isinstance(part, Secret)]:
            raise _no_secret(_SHOWN_LATER, *secrets)
        return value

    def _secret(self, hidden: Hidden) -> Secret:
        if self.closed:
            raise _no_secret("The value appears in plans and determines how the spec is read.", hidden.secret)
        if self.is_shown:
            raise _no_secret(_SHOWN_LATER, hidden.secret)
        converted = self.convert(hidden.value)
        if converted is None:
            detail = f"`{hidden.secret}` has another value, which isn't shown here."
            raise Refused(f"must be {self.expected}", detail)
        hidden.form = converted
        return hidden.secret


THIS_KEY = "<key>"
"""In hints: the key of the value."""
_SHOWN_LATER = "The value becomes part of an ID or a name that is recorded and shown."


def _no_secret(detail: str, *secrets: Secret) -> Refused:
    if any(secret.scope == "env" for secret in secrets):
        detail = f"What `${{env.…}}` gives always counts as a secret. {detail}"
    hint = (
        f"Use a variable that isn't sensitive: declare `variables: {{{THIS_KEY}: {{}}}}`, write "
        f"`${{var.{THIS_KEY}}}` here, and set it with --var or FTOPS_VAR_{THIS_KEY} in the environment."
    )
    return Refused("can't contain a secret", detail, hint)


class _Typed(FieldType, frozen=True, kw_only=True):
    """Base of all types but text. They take no Template: text around an expression gives text."""

    words: tuple[str, ...] = ()

    def _expression(self, value: Reference | Template) -> Reference | Template:
        if isinstance(value, Template):
            raise Refused(f"must be {self.expected}", "Text around an expression gives text.")
        return super()._expression(value)

    def hint(self, value: Any) -> str:
        if type(value) is str and self.convert(Plain(value)) is not None:
            return f"Remove the quotes: {value}"
        if type(value) not in (str, Plain):
            return ""
        foreign = self._in_foreign_form(value) or value_hints.without_braces(value)
        return foreign or value_hints.with_ending(value, self._accepts)

    def _word(self, value: Any) -> str | None:
        return str(value) if isinstance(value, str) and value in self.words else None

    def _open(self, *schemas: JsonSchema) -> JsonSchema:
        words = ({"enum": list(self.words)},) if self.words else ()
        return {"anyOf": [*schemas, *words, EXPRESSION_SCHEMA]}


class Number(_Typed, frozen=True):
    """A number within limits, or one of a few words."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    noun: ClassVar[str] = "a number"
    json_type: ClassVar[str] = "number"

    def hint(self, value: Any) -> str:
        if isinstance(value, Given):
            return f"Set it to {self.expected}."
        if not isinstance(value, str | int | float):
            return ""
        if isinstance(value, str) and self.words and (near := nearest(value, self.words)):
            return f"Write `{near}`." if near == value.lower() else f"Did you mean `{near}`?"
        text, is_share = render(value), self.maximum is not None and self.maximum <= 1
        return (
            super().hint(value)
            or value_hints.in_per_cent(text, self._accepts, is_share=is_share)
            or value_hints.with_more_than_digits(text, self._accepts)
            or self._within(value)
        )

    def _within(self, value: Any) -> str:
        """A hint about a value that is no number, or outside of the limits."""
        found = number(Plain(value)) if isinstance(value, str) else value
        if found is None or type(value) is bool:
            return f"Write digits, such as `{decimal(max(1, self.minimum or 0))}`."
        if self.maximum is not None and found > self.maximum:
            return f"Write `{decimal(self.maximum)}` or less."
        if self.minimum is not None and found < self.minimum:
            return f"Write `{decimal(self.minimum)}` or more."
        if self.above is not None and found <= self.above:
            return f"Write a number above `{decimal(self.above)}`."
        return f"Write {self.noun}."

    @property
    def expected(self) -> str:
        limits = _limits(self.minimum, self.maximum)
        if self.above is not None:
            limits = f" above {decimal(self.above)}"
            limits += "" if self.maximum is None else f" and at most {decimal(self.maximum)}"
        return f"{self.noun}{limits}" + "".join(f", or `{word}`" for word in self.words)

    def convert(self, value: Any) -> int | float | str | None:
        converted = self._number(value)
        if converted is None:
            return self._word(value)
        is_outside = (
            (self.minimum is not None and converted < self.minimum)
            or (self.maximum is not None and converted > self.maximum)
            or (self.above is not None and converted <= self.above)
        )
        return None if is_outside else converted

    def _number(self, value: Any) -> int | float | None:
        if isinstance(value, Plain):
            return number(value)
        return value if type(value) in (int, float) else None

    def schema(self) -> JsonSchema:
        limits = {"exclusiveMinimum": self.above, "minimum": self.minimum, "maximum": self.maximum}
        given = {key: limit for key, limit in limits.items() if limit is not None}
        return self._open({"type": self.json_type} | given)


class Integer(Number, frozen=True):
    """A whole number within limits, or one of a few words."""

    noun: ClassVar[str] = "an integer"
    json_type: ClassVar[str] = "integer"

    def _number(self, value: Any) -> int | None:
        converted = super()._number(value)
        if isinstance(converted, float):
            return int(converted) if converted.is_integer() else None
        return converted


_OLD_BOOLEANS = {
    **dict.fromkeys(("yes", "on", "y", "1", "enabled"), "true"),
    **dict.fromkeys(("no", "off", "n", "0", "disabled"), "false"),
}


class Boolean(_Typed, frozen=True):
    """`true` or `false`; YAML 1.1's `yes` and `on` are text."""

    @property
    def expected(self) -> str:
        return "`true` or `false`"

    def hint(self, value: Any) -> str:
        is_text = isinstance(value, str) and not isinstance(value, Given)
        meant = _OLD_BOOLEANS.get(value.lower()) if is_text else None
        return f"Write `{meant}`." if meant else super().hint(value) or "Write `true` or `false`."

    def convert(self, value: Any) -> bool | None:
        if type(value) is bool:
            return value
        return boolean(value) if isinstance(value, Plain) else None

    def schema(self) -> JsonSchema:
        return self._open({"type": "boolean"})


class Choice(_Typed, frozen=True):
    """One of a few words. `spellings`: other accepted words → the word that they stand for. `elsewhere`: what
    other tools call them → the word that a hint names."""

    spellings: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        return one_of(self.words)

    def convert(self, value: Any) -> str | None:
        return self.spellings.get(value, self._word(value)) if isinstance(value, str) else None

    def hint(self, value: Any) -> str:
        if isinstance(value, dict):  # as in the service's API
            word = value.get("type") or next(iter(value), None)
            return f"Write the word alone: `{word}`." if word in self.words else ""
        if isinstance(value, bool | int | float):
            value = render(value)
        if not isinstance(value, str) or isinstance(value, Given):
            return ""
        meant = self.elsewhere.get(value.lower())
        near = meant if meant in self.words else nearest(value, self.words)
        ending = value_hints.with_ending(value, self._accepts)
        return ending or (f"Did you mean `{near}`?" if near else f"Write {one_of(self.words)}.")

    def schema(self) -> JsonSchema:
        return self._open()


class Untyped(FieldType, frozen=True):
    """Any value; scalars without quotes are resolved as in YAML 1.2. `shape`: only a mapping or list.
    `as_written`: scalars aren't resolved, since the field that a variable is used in has the type."""

    shape: type[dict[Any, Any]] | type[list[Any]] | None = None
    example: str = ""
    """Of this shape, for hints."""
    as_written: bool = False
    json_schema: JsonSchema = field(default_factory=dict)

    @property
    def expected(self) -> str:
        return "a value" if self.shape is None else "a mapping" if self.shape is dict else "a list"

    def read(self, value: Any) -> Any:
        if self.shape and not isinstance(value, self.shape | Unknown | Reference):
            hint = f"Write {self.expected}, such as `{self.example}`." if self.example else ""
            raise Refused(f"must be {self.expected}", shown(value), hint)
        return value if self.as_written else resolve(self._inside(value))

    def _inside(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._inside(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._inside(item) for item in value]
        if type(value) is Hidden:
            value.form = resolve(value.value)
            return value.secret
        return value

    def schema(self) -> JsonSchema:
        if self.shape is None:
            return self.json_schema
        return {"type": "object" if self.shape is dict else "array"}


def one_of(words: tuple[str, ...], last: str = "or") -> str:
    """`a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def _limits(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {render(minimum)} to {render(maximum)}"
    if minimum is not None:
        return f" of at least {render(minimum)}"
    return "" if maximum is None else f" of at most {render(maximum)}"


def shown(value: Any) -> str:
    """The value for a message; nothing of text from outside of the spec, which may be a secret."""
    if isinstance(value, Given):
        return ""
    if isinstance(value, dict):
        return "It is a mapping."
    if isinstance(value, list):
        return "It is a list."
    if value == "":
        return "It is empty."
    if isinstance(value, str) and "\n" in value.strip():
        return f"It is a text of {len(value.strip().splitlines())} lines."
    if isinstance(value, str):
        quoted = type(value) is str
        return f'It is the text "{value}".' if quoted else f"It is `{value}`."
    return f"It is `{render(value)}`."
