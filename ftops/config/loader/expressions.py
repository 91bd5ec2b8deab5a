"""Expression evaluation: the values of `${…}` that are known when the spec is read.

References to computed attributes stay expressions. So do secrets, if the value would be written somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, field

from ftops.config.config import ReadOutputs
from ftops.config.loader import expression_errors as errors
from ftops.config.loader import phases
from ftops.config.loader.source import Entry, Keys
from ftops.config.schema import LISTS
from ftops.config.schema.field_types import UNKNOWN, Hidden, Unknown
from ftops.core.address import (
    NAME,
    Fragment,
    Reference,
    Scalar,
    Secret,
    Value,
    join,
    parse_reference,
    render,
    scan,
)
from ftops.core.errors import Diagnostic, FtopsError
from ftops.core.provider_types import address_keys
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean, nearest
from ftops.yaml.document import Given, Plain

_NAMED = re.compile(r"(?P<scope>var|env)\.(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<rest>(?:\.[A-Za-z0-9_-]+)*)\Z")
_WITH_FOR_EACH = frozenset(row.section for row in RESOURCE_TYPES.values())
_FOR_EACH_KEYS = frozenset(("matrix", "strategy", "grid", "count", "sweep", "search", "search_space"))
"""What other tools call `for_each`."""
_EACH = re.compile(r"each\.(?P<what>key|value)(?P<rest>(?:\.[A-Za-z0-9_-]+)*)\Z")
_OUTPUT = re.compile(
    rf"state\.(?P<name>{NAME})\.outputs\.(?P<output>{NAME})(?P<rest>(?:\.[A-Za-z0-9_-]+)*)\Z"
)
_INDEX = re.compile(r"\[\s*((?:each|var)\.[A-Za-z0-9_.-]+)\s*\]")

HOW_TO_READ = {"AZURE_SUBSCRIPTION_ID": "$(az account show --query id --output tsv)"}
"""By environment variable: the command that prints its value."""


class VariableValue(NamedTuple):
    """The value of a variable."""

    value: Any
    sensitive: bool = False
    unset: Diagnostic | None = None
    """The error to report where the variable is used, if nothing gives it a value."""
    given: bool = False
    """Whether the value comes from outside of the spec."""


class Each(NamedTuple):
    """The entry of `for_each` that a resource is created for."""

    key: str
    value: Any


def _no_states(name: str, output: str) -> Any:
    raise FtopsError(f"there is no state `{name}`", "", "declare it under `states`")


class Scope(Struct):
    """What expressions can refer to, and what evaluating them has found."""

    variables: Mapping[str, VariableValue]
    environ: Mapping[str, str]
    findings: list[Diagnostic]
    hidden: list[Hidden] = field(default_factory=list)
    unset: list[tuple[Entry, Diagnostic]] = field(default_factory=list)
    """Environment variables in settings that aren't set: findings only if the provider is used."""
    warnings: list[Diagnostic] = field(default_factory=list)
    used: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """By section and name of an entry: the secrets that were resolved in it."""
    asked: set[Secret] = field(default_factory=set)
    """Environment variables that were looked up, whether they are set or not."""
    keys: set[Secret] = field(default_factory=set)
    """The same for the encryption of the state."""
    characters: int = 0
    """Of all texts that contain expressions so far."""
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    """By variable and path below it: the size of a list or mapping, which is measured only once."""
    connecting: bool = True
    """Whether accounts and the state may be used. If not, it is only a warning if an environment variable in
    their settings isn't set."""
    destroying: bool = False
    """Whether every resource is to be deleted: inputs don't matter then."""
    read_outputs: ReadOutputs | None = None
    output: Callable[[str, str], Any] = _no_states
    """The value of an output of another state. Raises FtopsError."""

    def names_secret(self, inside: str) -> bool:
        """Whether the expression with this inside refers to a secret."""
        named = _NAMED.match(inside)
        if named is None or named["scope"] == "env":
            return named is not None
        known = self.variables.get(named["name"])
        return known is not None and known.sensitive


def _is_meant_for_each(key: str) -> bool:
    """Whether an unknown key of a resource is meant as `for_each`."""
    return key in _FOR_EACH_KEYS or (key != "for_each" and nearest(key, ["for_each"]) is not None)


class Use(NamedTuple):
    """A reference, and where it is."""

    reference: Reference
    entry: Entry
    path: Keys


class _Invalid(Exception):
    """An expression has no value. The arguments are summary, detail and hint, or none if it is reported."""


class Evaluator:
    """Evaluates the data of one entry. `uses` collects the references in it."""

    def __init__(self, entry: Entry, scope: Scope, phase: phases.Phase, each: Each | None = None) -> None:
        self.entry = entry
        self.scope = scope
        self.phase = phase
        self.each = each
        self.is_refused = False
        """Whether the value at hand may not be a secret, so that it doesn't matter whether one is set."""
        self.uses: list[Use] = []

    def evaluate(self, value: Any, path: Keys = ()) -> Any:
        """The value with its expressions evaluated; UNKNOWN in place of those with errors."""
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
        fragment = fragments[0]
        parts: list[Value] = []
        try:
            if len(fragments) == 1 and fragment.is_expression:
                return self._expression(fragment, path)
            for fragment in fragments:
                parts.append(self._part(fragment, parts, path) if fragment.is_expression else fragment.text)
            self._count(sum(len(part) for part in parts if isinstance(part, str)))
        except _Invalid as error:
            if error.args:
                place = self.entry.place_in(path, expression_pattern(fragment.text))
                summary, detail, hint = error.args
                self.scope.findings.append(Diagnostic(summary, detail, hint, place))
            return UNKNOWN
        joined = join(parts)
        from_outside = isinstance(joined, str) and any(isinstance(part, Given) for part in parts)
        return Given(joined) if from_outside else joined

    def _part(self, fragment: Fragment, before: list[Value], path: Keys) -> Any:
        """The value of an expression that is a part of a text."""
        must_be_whole = not self.phase.parts or (path and path[-1] in address_keys())
        if must_be_whole and self.scope.names_secret(fragment.text):
            raise _Invalid(*(errors.IN_ADDRESS if self.phase.parts else errors.IN_HOST))
        value = self._expression(fragment, path)
        if isinstance(value, Unknown):
            raise _Invalid
        if isinstance(value, Hidden):
            value.form = None
            value = value.secret
        if value is None:
            raise _Invalid(*errors.NULL_IN_TEXT)
        if isinstance(value, dict | list):
            raise _Invalid(*errors.NO_TEXT)
        if isinstance(value, Reference | Secret) and before and str(before[-1]).endswith("$"):
            raise _Invalid(*errors.DOLLAR)
        return value

    def _expression(self, fragment: Fragment, path: Keys) -> Any:
        inside = fragment.text
        if not fragment.closed:
            raise _Invalid(*errors.UNCLOSED)
        if not self.phase.expressions:
            hint = errors.FIXED_HINT
            if (name := self._variable_at(path)) and inside.startswith("env."):
                hint = f"Remove it: FTOPS_VAR_{name} sets the variable from the environment."
            raise _Invalid("expressions are not evaluated here", self.phase.why, hint)
        if _NAMED.match(inside) or _EACH.match(inside):
            return self._known(inside, path)
        if inside.startswith("state."):
            return self._output(inside)
        if "[" in inside:
            inside = self._with_index(inside, path)
        reference = parse_reference(inside)
        if reference is None:
            raise _Invalid(*self._no_reference(inside, path))
        if reference.address.kind not in RESOURCE_TYPES:
            raise _Invalid(*errors.unknown_scope(inside))
        if not self.phase.references:
            hint = "Use a value that is known in advance: `${var.…}` or plain text."
            raise _Invalid("references aren't allowed here", self.phase.why, hint)
        self.uses.append(Use(reference, self.entry, path))
        return reference

    def _variable_at(self, path: Keys) -> str:
        """The variable whose value is at a path of this entry; empty if none is."""
        in_environment = self.entry.section == "environments" and path[:1] == ("variables",) and len(path) > 1
        return str(path[1]) if in_environment else self.entry.name * (self.entry.section == "variables")

    def _no_reference(self, inside: str, path: Keys) -> tuple[str, str, str]:
        if inside.startswith("var.") and inside.removeprefix("var.") in self.scope.variables:
            raise _Invalid  # the name of the variable isn't valid, which is reported
        where = self.entry.section if self.entry.section in LISTS else str(path[0]) if path else ""
        if where in (*LISTS, "depends_on"):
            return errors.plain_address(inside, where)
        return errors.not_an_expression(inside)

    def _output(self, inside: str) -> Any:
        """The value of `state.….outputs.…`."""
        named = _OUTPUT.match(inside)
        if named is None:
            raise _Invalid(*errors.OUTPUT_FORM)
        if not self.phase.references:
            raise _Invalid("outputs of other specs aren't allowed here", self.phase.why, errors.FIXED_HINT)
        if self.scope.destroying:
            return UNKNOWN
        try:
            value = self.scope.output(named["name"], named["output"])
        except FtopsError as error:
            raise _Invalid(error.summary, error.detail, error.hint) from error
        value = _below(value, named["rest"], inside)
        if isinstance(value, dict | list):
            self._count(_size(value))
        return value

    def _with_index(self, inside: str, path: Keys) -> str:
        """`job.a[each.key].id` with the index written out."""
        match = _INDEX.search(inside)
        if not match:
            return inside
        value = self._known(match[1], path)
        if isinstance(value, Unknown):
            raise _Invalid
        if value is None or isinstance(value, Hidden | dict | list):
            raise _Invalid(*errors.NO_KEY)
        self._count(len(value) if isinstance(value, str) else 0)
        key = render(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'{inside[: match.start()]}["{key}"]{inside[match.end() :]}'

    def _count(self, characters: int) -> None:
        """Raises _Invalid if this text is one too many; only the first one is reported."""
        before, self.scope.characters = self.scope.characters, self.scope.characters + characters
        if self.scope.characters > errors.MAX_CHARACTERS:
            raise _Invalid(*(errors.TOO_MUCH if before <= errors.MAX_CHARACTERS else ()))

    def _known(self, inside: str, path: Keys) -> Any:
        """The value of `var.…`, `env.…` or `each.…`."""
        if each := _EACH.match(inside):
            return self._each(each)
        named = _NAMED.match(inside)
        if named is None:
            raise _Invalid(*errors.not_an_expression(inside))
        if named["scope"] == "var" and not self.phase.variables:
            hint = "Write the value out, or take it from the environment: `${env.NAME}`."
            raise _Invalid("variables aren't allowed here", self.phase.why, hint)
        if named["scope"] == "var":
            return self._variable(named["name"], named["rest"], inside, path)
        if named["rest"]:
            raise _Invalid(*errors.ENV_PATH)
        return self._environment(named["name"], inside, path)

    def _variable(self, name: str, rest: str, inside: str, path: Keys) -> Any:
        scope = self.scope
        known = scope.variables.get(name)
        if known is None:
            nothing = "Declare it under `variables`."
            hint = did_you_mean(name, scope.variables, nothing=nothing, said=len(scope.findings))
            detail = "The spec declares no variable of this name under `variables`."
            raise _Invalid(f"there is no variable `{name}`", detail, hint)
        if known.unset is not None:
            return self._unset(known.unset, path)
        if not known.sensitive or isinstance(known.value, Unknown):
            value = _below(known.value, rest, inside)
            if isinstance(value, dict | list):
                if (name, rest) not in scope.sizes:
                    scope.sizes[name, rest] = _size(value)
                self._count(scope.sizes[name, rest])
            return value
        if known.value is None:
            return None
        if self.phase.secrets is phases.SecretRule.KEEP:
            return self._hide(Secret("var", name), known.value, path)
        if self.phase.secrets is not phases.SecretRule.RESOLVE:
            raise _Invalid(*errors.SENSITIVE)
        self._use(str(known.value))
        return Given(known.value) if isinstance(known.value, str) else known.value

    def _environment(self, name: str, inside: str, path: Keys) -> Any:
        if self.phase.secrets is phases.SecretRule.REFUSE:
            raise _Invalid(*(errors.ENV_IN_NAME if self.phase.variables else errors.ENV_IN_PATH))
        secret = Secret("env", name)
        if self.phase.secrets is phases.SecretRule.NAME:
            return secret
        (self.scope.keys if self.phase is phases.STATE_KEY else self.scope.asked).add(secret)
        value = self.scope.environ.get(name, "" if self.is_refused else None)
        if value is None:
            summary = f"the environment variable {name} is not set"
            detail = f"`${{env.{name}}}` stands for its value."
            place = self.entry.place_in(path, expression_pattern(inside))
            value = HOW_TO_READ.get(name, "…")
            command = f"`export {name}={value}`"
            hint = f"Set it before the command: {command}"
            if not self.scope.connecting and self.phase in phases.OF_SERVICES:
                hint = f"Nothing to do here; set it for commands that contact the service: {command}"
                return self._unset(Diagnostic(summary, detail, hint, place, "warning"), path)
            return self._unset(Diagnostic(summary, detail, hint, place), path)
        if self.phase.secrets is phases.SecretRule.KEEP:
            return self._hide(secret, Given(value), path)
        self._use(value)
        return Given(value)

    def _use(self, value: str) -> None:
        self.scope.used.setdefault((self.entry.section, self.entry.name), set()).add(value)

    def _unset(self, finding: Diagnostic, path: Keys) -> Unknown:
        """UNKNOWN, with a finding if the value is needed. To delete a resource, only its lifecycle and the
        settings of its provider are."""
        is_setting = self.phase in (phases.SETTINGS, phases.NAMED_SETTINGS, phases.PUBLIC_SETTINGS) or (
            self.phase is phases.DEFAULTS and not self.scope.destroying
        )
        if is_setting:
            self.scope.unset.append((self.entry, finding))
        elif finding.severity == "warning":
            self.scope.warnings.append(finding)
        elif not self.scope.destroying or path[:1] == ("lifecycle",) or self.entry.section == "ftops":
            self.scope.findings.append(finding)
        return UNKNOWN

    def _hide(self, secret: Secret, value: Scalar, path: Keys) -> Hidden:
        hidden = Hidden(secret, value, (self.entry, path))
        self.scope.hidden.append(hidden)
        return hidden

    def _each(self, match: re.Match[str]) -> Any:
        if self.each is None:
            if self.entry.section in _WITH_FOR_EACH and any(map(_is_meant_for_each, self.entry.data)):
                raise _Invalid  # an unknown key is meant for it, which is reported
            in_set = self.entry.section == "hyperparameters"
            raise _Invalid(*(errors.NO_EACH_IN_SET if in_set else errors.NO_EACH))
        if match["what"] == "value":
            return _below(self.each.value, match["rest"], match[0])
        if match["rest"]:
            raise _Invalid(*errors.KEY_PATH)
        return self.each.key


def evaluate_keys(
    entry: Entry,
    scope: Scope,
    phases: Mapping[str, phases.Phase],
    default: phases.Phase,
    each: Each | None = None,
    without: str = "",
    no_secret: Collection[str] = (),
) -> tuple[dict[str, Any], list[Use]]:
    """The data of an entry, each key evaluated in its own phase, and the references in it. `no_secret`: the
    keys whose type refuses a secret."""
    evaluator = Evaluator(entry, scope, default, each)
    data = {}
    for key, value in entry.data.items():
        if key != without:
            evaluator.phase = phases.get(key, default)
            evaluator.is_refused = key in no_secret
            data[key] = evaluator.evaluate(value, (key,))
    return data, evaluator.uses


def _below(value: Any, rest: str, inside: str) -> Any:
    """The value at the path `.a.b` below the value of a variable or an entry."""
    for part in rest.split(".")[1:]:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Unknown):
            return UNKNOWN
        else:
            keys = value if isinstance(value, dict) else ()
            whole = inside.removesuffix(rest)
            hint = did_you_mean(part, keys, nothing=f"Write `${{{whole}}}`: its value has no keys.")
            raise _Invalid(f"`{inside}` doesn't exist", f"It has no key `{part}`.", hint)
    return value


def _size(value: Any) -> int:
    """The size of a list or mapping, in characters: the least that its values take."""
    size, todo = 0, [value]
    while todo:
        inner = todo.pop()
        items = inner.values() if isinstance(inner, dict) else inner
        size += errors.VALUE_SIZE * len(items)
        todo += [item for item in items if isinstance(item, dict | list)]
    return size


def expression_pattern(inside: str) -> str:
    """A regular expression that finds the expression with this inside in a line."""
    return rf"(?<!\$)\$\{{\s*{re.escape(inside)}\s*\}}?"
