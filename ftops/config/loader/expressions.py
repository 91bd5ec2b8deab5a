"""Expressions: what `${…}` stands for, as far as it is known when the spec is read.

References to computed attributes stay data. So do secrets, where the value would be written somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from msgspec import Struct, field

from ftops.config.loader.files import Entry, Keys
from ftops.config.schema.field_types import UNKNOWN, Hidden, Unknown
from ftops.core.address import Reference, Scalar, Secret, Value, join, parse_reference, render, scan
from ftops.core.errors import Diagnostic
from ftops.core.provider_types import address_keys
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean
from ftops.yaml.document import Given, Plain

MAX_MADE = 16_000_000
"""Characters: a short spec could name a long value as often as it likes."""


class Secrets(Enum):
    """What becomes of `${env.X}` and sensitive variables."""

    KEEP = "stay data"
    RESOLVE = "the value is used, and never written"
    RESOLVE_ENV = "environment variables are used, sensitive variables are refused"
    REFUSE = "both are refused: the value would be written"


class Phase(NamedTuple):
    """What expressions may name in a part of the spec; `why` says why not."""

    secrets: Secrets
    references: bool = False
    expressions: bool = True
    variables: bool = True
    why: str = ""
    parts: bool = True
    """Whether a secret may be a part of a text; else it is the whole value."""


INPUTS = Phase(Secrets.KEEP, references=True)
SETTINGS = Phase(
    Secrets.RESOLVE,
    why="Settings are needed before anything is applied; a reference is known only afterwards.",
)
NAMED_SETTINGS = Phase(Secrets.RESOLVE_ENV, why=SETTINGS.why)
"""Settings that become a part of ids and names, which are recorded."""
PUBLIC_SETTINGS = Phase(Secrets.REFUSE, why=SETTINGS.why)
"""Settings that are a name at the service, or a part of every address that is asked for."""
DEFAULTS = Phase(
    Secrets.KEEP,
    why="Defaults apply to all resources of a provider; a reference would make all of them depend on "
    "one resource.",
)
_WHY_NOT_LATER = (
    "This determines which resources exist and how they are handled, so it must be known before anything "
    "is applied; a reference is known only after."
)
SWITCHES = Phase(Secrets.RESOLVE_ENV, why=_WHY_NOT_LATER)
NAMES = Phase(Secrets.REFUSE, why=_WHY_NOT_LATER)
FIXED = Phase(
    Secrets.REFUSE,
    expressions=False,
    why="Defaults, environments and the settings of the spec are read before expressions are evaluated.",
)

STATE = Phase(
    Secrets.RESOLVE,
    variables=False,
    why="The location of the state must be known before variables are read and anything is applied.",
)
STATE_KEY = STATE._replace(
    why="The key of the state is known before variables, and before anything is applied."
)
"""What encrypts the state, and matters to nothing else."""
STATE_HOST = STATE._replace(parts=False)
"""Names of a bucket and a region, which become parts of the name of the host that is asked."""
STATE_PATH = Phase(Secrets.REFUSE, variables=False, why=STATE.why)
"""What is told to whoever owns the bucket or account, at each plan."""

_NAMED = re.compile(r"(?P<scope>var|env)\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?:\.[A-Za-z0-9_-]+)*)\Z")
_EACH = re.compile(r"each\.(?P<what>key|value)(?P<rest>(?:\.[A-Za-z0-9_-]+)*)\Z")
_INDEX = re.compile(r"\[\s*((?:each|var)\.[A-Za-z0-9_.-]+)\s*\]")


class Known(NamedTuple):
    """The value of a variable."""

    value: Any
    sensitive: bool = False
    unset: Diagnostic | None = None
    """What to say where it is used: nothing gives it a value."""
    given: bool = False
    """Whether it is given from outside the spec."""


class Each(NamedTuple):
    """The entry of `for_each` that a resource is made for."""

    key: str
    value: Any


class Scope(Struct):
    """What expressions can name, and what reading them has brought up."""

    variables: Mapping[str, Known]
    environ: Mapping[str, str]
    findings: list[Diagnostic]
    hidden: list[Hidden] = field(default_factory=list)
    unset: list[tuple[Entry, Diagnostic]] = field(default_factory=list)
    """Environment variables that settings name and that aren't set: an error only where they are used."""
    warnings: list[Diagnostic] = field(default_factory=list)
    used: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """By section and name of an entry, the values of secrets that it uses at once."""
    asked: set[Secret] = field(default_factory=set)
    """The environment variables whose values were asked for, found or not."""
    keys: set[Secret] = field(default_factory=set)
    """The same, of the encryption of the state."""
    made: int = 0
    """Characters of the texts that expressions are a part of, so far."""
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    """By variable and the keys below it, the size of a list or mapping: many expressions may name one."""
    destroying: bool = False
    """Whether all goes: what is to be made of resources, and from which values, doesn't matter then."""

    def names_secret(self, inside: str) -> bool:
        """Whether an expression with this inside stands for a secret."""
        named = _NAMED.match(inside)
        if named is None or named["scope"] == "env":
            return named is not None
        known = self.variables.get(named["name"])
        return known is not None and known.sensitive


class Use(NamedTuple):
    """A reference, and where it stands."""

    reference: Reference
    entry: Entry
    path: Keys


class Evaluator:
    """Evaluates the data of one entry. `uses` collects the references it meets."""

    def __init__(self, entry: Entry, scope: Scope, phase: Phase, each: Each | None = None) -> None:
        self.entry = entry
        self.scope = scope
        self.phase = phase
        self.each = each
        self.uses: list[Use] = []

    def evaluate(self, value: Any, path: Keys = ()) -> Any:
        """The value with its expressions evaluated; UNKNOWN in place of what can't be."""
        kind = type(value)
        if kind is Plain or kind is str:
            return self._text(value, path) if "${" in value else value
        if kind is dict:
            return {key: self.evaluate(item, (*path, key)) for key, item in value.items()}
        if kind is list:
            return [self.evaluate(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _text(self, text: str, path: Keys) -> Any:
        fragments = list(scan(text))
        if len(fragments) == 1 and fragments[0].is_expression:
            return self._expression(fragments[0].text, fragments[0].closed, path)
        parts: list[Value] = []
        for fragment in fragments:
            if not fragment.is_expression:
                parts.append(fragment.text)
                continue
            if wrong := self._wrong_part(fragment.text, path):
                return self._report(path, fragment.text, *wrong)
            value = self._expression(fragment.text, fragment.closed, path)
            part = self._part(value, fragment.text, path)
            if isinstance(part, Unknown):
                return UNKNOWN
            if isinstance(part, Reference | Secret) and parts and str(parts[-1]).endswith("$"):
                return self._report(path, fragment.text, *_DOLLAR)
            parts.append(part)
        if self._is_too_much(sum(len(p) for p in parts if isinstance(p, str)), path, fragments[-1].text):
            return UNKNOWN
        joined = join(parts)
        from_outside = isinstance(joined, str) and any(isinstance(p, Given) for p in parts)
        return Given(joined) if from_outside else joined

    def _wrong_part(self, inside: str, path: Keys) -> tuple[str, str, str] | None:
        """What is wrong with a secret that is a part of what says which host is asked."""
        if self.phase.parts and not (path and path[-1] in address_keys()):
            return None
        if not self.scope.names_secret(inside):
            return None
        return _IN_ADDRESS if self.phase.parts else _IN_HOST

    def _part(self, value: Any, inside: str, path: Keys) -> Any:
        """A value as a part of a text."""
        if isinstance(value, Hidden):
            value.form = None
            return value.secret
        if isinstance(value, dict | list):
            return self._report(path, inside, *_NO_TEXT)
        return self._report(path, inside, *_NULL_IN_TEXT) if value is None else value

    def _expression(self, inside: str, closed: bool, path: Keys) -> Any:
        if not closed:
            return self._report(path, inside, *_UNCLOSED)
        if not self.phase.expressions:
            return self._report(
                path, inside, "expressions are not evaluated here", self.phase.why, _FIXED_HINT
            )
        if named := _NAMED.match(inside):
            return self._named(named, inside, path)
        if each := _EACH.match(inside):
            return self._each(each, inside, path)
        if "[" in inside:
            indexed = self._index(inside, path)
            if isinstance(indexed, Unknown):
                return UNKNOWN
            inside = indexed
        reference = parse_reference(inside)
        if reference is None:
            in_depends_on = path[:1] == ("depends_on",)
            problem = _plain_address(inside) if in_depends_on else _not_an_expression(inside)
            return self._report(path, inside, *problem)
        return self._reference(reference, inside, path)

    def _reference(self, reference: Reference, inside: str, path: Keys) -> Any:
        if reference.address.kind not in RESOURCE_TYPES:
            return self._report(path, inside, *_unknown_scope(reference.address.kind))
        if not self.phase.references:
            hint = "Use a value that is known in advance: `${var.…}` or plain text."
            return self._report(path, inside, "references aren't allowed here", self.phase.why, hint)
        self.uses.append(Use(reference, self.entry, path))
        return reference

    def _index(self, inside: str, path: Keys) -> Any:
        """`job.a[each.key].id` with the index written out."""
        match = _INDEX.search(inside)
        if not match:
            return inside
        value = self._expression(match[1], True, path)
        if value is None or isinstance(value, Unknown | Hidden | dict | list):
            return self._report(path, inside, *_NO_KEY) if not isinstance(value, Unknown) else UNKNOWN
        if self._is_too_much(len(value) if isinstance(value, str) else 0, path, inside):
            return UNKNOWN
        key = render(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'{inside[: match.start()]}["{key}"]{inside[match.end() :]}'

    def _is_too_much(self, length: int, path: Keys, inside: str) -> bool:
        """Whether this text is one too many, with a finding for the first."""
        before, self.scope.made = self.scope.made, self.scope.made + length
        if before <= MAX_MADE < self.scope.made:
            self._report(path, inside, *_TOO_MUCH)
        return self.scope.made > MAX_MADE

    def _named(self, match: re.Match[str], inside: str, path: Keys) -> Any:
        if match["scope"] == "var" and not self.phase.variables:
            hint = "Write the value out, or take it from the environment: `${env.NAME}`."
            return self._report(path, inside, "variables aren't allowed here", self.phase.why, hint)
        if match["scope"] == "var":
            return self._variable(match["name"], match["rest"], inside, path)
        if match["rest"]:
            return self._report(path, inside, *_ENV_PATH)
        return self._environment(match["name"], inside, path)

    def _variable(self, name: str, rest: str, inside: str, path: Keys) -> Any:
        known = self.scope.variables.get(name)
        if known is None:
            said = len(self.scope.findings)
            hint = did_you_mean(
                name, self.scope.variables, nothing="Declare it under `variables`.", said=said
            )
            return self._report(path, inside, f"there is no variable `{name}`", "", hint)
        if known.unset is not None:
            return self._unset(known.unset, path)
        if not known.sensitive or isinstance(known.value, Unknown):
            value = self._inner(known.value, rest, inside, path)
            if isinstance(value, dict | list):
                sizes = self.scope.sizes
                if (name, rest) not in sizes:
                    sizes[name, rest] = _size(value)
                return UNKNOWN if self._is_too_much(sizes[name, rest], path, inside) else value
            return value
        if known.value is None:
            return None
        if self.phase.secrets is Secrets.KEEP:
            return self._hide(Secret("var", name), known.value, path)
        if self.phase.secrets is Secrets.RESOLVE:
            self._use(str(known.value))
            return Given(known.value) if isinstance(known.value, str) else known.value
        return self._report(path, inside, *_SENSITIVE)

    def _environment(self, name: str, inside: str, path: Keys) -> Any:
        if self.phase.secrets is Secrets.REFUSE:
            return self._report(path, inside, *(_ENV_IN_NAME if self.phase.variables else _ENV_IN_PATH))
        asked = self.scope.keys if self.phase is STATE_KEY else self.scope.asked
        asked.add(Secret("env", name))
        value = self.scope.environ.get(name)
        if value is None:
            summary = f"the environment variable {name} is not set"
            detail = f"`${{env.{name}}}` stands for its value."
            place = self.entry.place_in(path, expression_pattern(inside))
            finding = Diagnostic(summary, detail, f"Set it before the command: export {name}=…", place)
            return self._unset(finding, path)
        if self.phase.secrets is Secrets.KEEP:
            return self._hide(Secret("env", name), Given(value), path)
        self._use(value)
        return Given(value)

    def _use(self, value: str) -> None:
        self.scope.used.setdefault((self.entry.section, self.entry.name), set()).add(value)

    def _unset(self, finding: Diagnostic, path: Keys) -> Unknown:
        """Nothing gives a value to what stands here. To delete a resource, its lifecycle has to be known, and
        the settings of its provider."""
        is_setting = self.phase in (SETTINGS, NAMED_SETTINGS, PUBLIC_SETTINGS) or (
            self.phase is DEFAULTS and not self.scope.destroying
        )
        if is_setting:
            self.scope.unset.append((self.entry, finding))
        elif not self.scope.destroying or path[:1] == ("lifecycle",) or self.entry.section == "ftops":
            self.scope.findings.append(finding)
        return UNKNOWN

    def _hide(self, secret: Secret, value: Scalar, path: Keys) -> Hidden:
        hidden = Hidden(secret, value, (self.entry, path))
        self.scope.hidden.append(hidden)
        return hidden

    def _each(self, match: re.Match[str], inside: str, path: Keys) -> Any:
        if self.each is None:
            rows = _NO_EACH_IN_SET if self.entry.section == "hyperparameters" else _NO_EACH
            return self._report(path, inside, *rows)
        if match["what"] == "key":
            return self.each.key if not match["rest"] else self._report(path, inside, *_KEY_PATH)
        return self._inner(self.each.value, match["rest"], inside, path)

    def _inner(self, value: Any, rest: str, inside: str, path: Keys) -> Any:
        """The value below a variable's or an entry's value that `.a.b` leads to."""
        for part in rest.split(".")[1:]:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, Unknown):
                return UNKNOWN
            else:
                known = value if isinstance(value, dict) else ()
                hint = did_you_mean(part, known, nothing="The value has no keys.")
                return self._report(
                    path, inside, f"`{inside}` doesn't exist", f"It has no key `{part}`.", hint
                )
        return value

    def _report(self, path: Keys, inside: str, summary: str, detail: str, hint: str) -> Unknown:
        place = self.entry.place_in(path, expression_pattern(inside))
        self.scope.findings.append(Diagnostic(summary, detail, hint, place))
        return UNKNOWN


def expression_pattern(inside: str) -> str:
    """Finds the expression with this inside in a line."""
    return rf"(?<!\$)\$\{{\s*{re.escape(inside)}\s*\}}?"


_FORMS = (
    "Valid expressions are `${var.name}`, `${env.NAME}`, `${each.key}`, `${each.value}` and "
    "`${kind.name.attribute}`."
)
_FIXED_HINT = "Write the value out; `$${` stands for a literal `${`."
_UNCLOSED = (
    "an expression is not closed",
    "`${` begins an expression, and `}` ends it.",
    "Add the `}`; `$${` stands for a literal `${`.",
)
_NO_TEXT = (
    "a list or mapping can't be part of a text",
    "Only text, numbers and booleans can be inserted into a text.",
    "Make the expression the whole value, or name one of its keys: `${var.name.key}`.",
)
_NULL_IN_TEXT = (
    "null can't be part of a text",
    "A key whose value is null counts as not set; a text needs all of its parts.",
    "Give it a value, or make the expression the whole value.",
)


_VALUE = 16
"""Characters that a value of a list or mapping counts as."""


def _size(value: Any) -> int:
    """Of a list or a mapping, in characters: what its values take at least."""
    size, todo = 0, [value]
    while todo:
        inner = todo.pop()
        items = inner.values() if isinstance(inner, dict) else inner
        size += _VALUE * len(items)
        todo += [item for item in items if isinstance(item, dict | list)]
    return size


_TOO_MUCH = (
    "expressions produce too much text",
    f"All texts that contain expressions may have {MAX_MADE:,} characters in total; each value of a list "
    f"or mapping counts as {_VALUE}.",
    "Use a shorter value here, or keep it in a file of its own.",
)
_DOLLAR = (
    "a `$` right before an expression is ambiguous",
    "`$${` is an escaped `${`, so the two couldn't be told apart.",
    "Put a space between them, or move the `$`.",
)
_NO_KEY = (
    "this isn't a valid key",
    "The key of a resource is text, and is part of its address.",
    "Use `[each.key]` or a key in quotes.",
)
_ENV_PATH = ("environment variables have no keys", "Its value is text.", "Write `${env.NAME}`.")
_SENSITIVE = (
    "sensitive variables aren't allowed here",
    "The value would appear in addresses, IDs and plans.",
    "Use a variable that is not sensitive.",
)
_ENV_IN_NAME = (
    "environment variables aren't allowed here",
    "`${env.…}` may be a secret, and the value would appear in addresses, plans and the state.",
    "Declare a variable; FTOPS_VAR_<name> sets it from the environment.",
)
_ENV_IN_PATH = (
    "environment variables aren't allowed here",
    "`${env.…}` may be a secret, and every plan would send it to the owner of the bucket or account.",
    "Write the value in the spec. Only `bucket`, `account_url` and `endpoint_url` may come from the "
    "environment.",
)
_IN_ADDRESS = (
    "a secret can't be part of a URL",
    "`${env.…}` and sensitive variables may be secrets, and would be sent to the host in the rest of "
    "the URL.",
    "Put the whole URL into one variable, and make the expression the whole value.",
)
_IN_HOST = (
    "a secret can't be part of this name",
    "`${env.…}` may be a secret, and the names of a bucket and a region become parts of a host name, "
    "which every plan looks up and connects to.",
    "Put the whole name into one variable, and make the expression the whole value.",
)
_NO_EACH = (
    "`each` is only available in resources with `for_each`",
    "It is the entry of `for_each` that a resource is created for.",
    "Add `for_each` to the resource.",
)
_NO_EACH_IN_SET = (
    "`each` isn't available in named hyperparameters",
    "It is the entry of `for_each` that a resource is created for; named hyperparameters are shared by many.",
    'Write it in the job: `hyperparameters: {use: name, n_epochs: "${each.value}"}`.',
)
_KEY_PATH = ("`each.key` has no keys", "It is text.", "Write `${each.key}` or `${each.value.name}`.")


def _plain_address(inside: str) -> tuple[str, str, str]:
    """What is wrong with an expression in `depends_on`."""
    detail = "`depends_on` lists the addresses of resources that are applied first."
    return "addresses are written without `${…}`", detail, f"Write `{inside}`."


_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*\(")
_OPERATOR = re.compile(r"[-+*/%?:|&<>=!]\s|\s[-+*/%?:|&<>=!]")


def _not_an_expression(inside: str) -> tuple[str, str, str]:
    """What is wrong with the inside of a `${…}` that has none of the forms."""
    if not inside:
        return "an expression is empty", _FORMS, "`$${` stands for a literal `${`."
    if _FUNCTION.match(inside):
        return _not_computed("functions")
    if _OPERATOR.search(inside):
        return _not_computed("operators")
    head, dot, rest = inside.partition(".")
    if not dot:
        return f"`{inside}` isn't a valid expression", _FORMS, f"Did you mean `${{var.{inside}}}`?"
    if head in RESOURCE_TYPES and "." not in re.sub(r"\[.*\]", "", rest):
        attributes = ", ".join(f"`{a}`" for a in sorted(RESOURCE_TYPES[head].computed))
        return f"`{inside}` names no attribute", f"A {head} has {attributes}.", f"Write `${{{inside}.id}}`."
    if head in (*RESOURCE_TYPES, "var", "env", "each"):
        return (
            f"`{inside}` isn't a valid expression",
            _FORMS,
            "Check the spelling; resource names are lower case.",
        )
    return _unknown_scope(head)


def _not_computed(what: str) -> tuple[str, str, str]:
    detail = f"A spec is plain data: it has no {what}, and nothing in it is executed."
    return (
        f"{what} are not part of the language",
        detail,
        "Compute the value beforehand and pass it with `--var`.",
    )


def _unknown_scope(head: str) -> tuple[str, str, str]:
    sections = {row.section: row.kind for row in RESOURCE_TYPES.values()}
    known = ("var", "env", "each", *RESOURCE_TYPES)
    near = sections.get(head) or {"variables": "var", "variable": "var", "vars": "var", "local": "var"}.get(
        head
    )
    hint = f"Did you mean `{near}`?" if near else did_you_mean(head, known)
    return f"an expression can't refer to `{head}`", _FORMS, hint
