"""Variable values: default, environment of the spec, FTOPS_VAR_<name>, variable files and `--var`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml.nodes import MappingNode

from ftops.config.loader.expressions import Evaluator, Scope, VariableValue
from ftops.config.loader.files import read_document, veiled
from ftops.config.loader.phases import FIXED
from ftops.config.loader.source import Entry, Source
from ftops.config.loader.validate import read_block
from ftops.config.schema.field_types import UNKNOWN, Boolean, FieldType, Integer, Number, one_of
from ftops.config.schema.settings import Variable
from ftops.core.address import render
from ftops.core.confined_files import leads_out
from ftops.core.errors import Diagnostic, Place, SpecError
from ftops.core.project import project_root
from ftops.core.suggestions import did_you_mean
from ftops.yaml import document as yaml_document
from ftops.yaml.document import Document, Given, Plain

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

PREFIX = "FTOPS_VAR_"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_NAME_RULE = (
    "Names of variables are letters, digits and `_`, don't start with a digit, and have at most 63 "
    "characters: "
    f"{PREFIX}<name> must be valid in every shell."
)


class Candidate(NamedTuple):
    """A value for a variable, and where it comes from."""

    value: Any
    giver: str
    place: Place | None
    key_place: Place | None = None
    is_outside: bool = True
    """Whether it comes from the command line, a variable file or the process environment."""


class Givers(NamedTuple):
    """Sources of values outside of the spec; later ones override earlier ones."""

    environ: Mapping[str, str]
    files: Sequence[Path]
    arguments: Sequence[str]


def resolve_variables(
    source: Source,
    environment: Entry | None,
    givers: Givers,
    findings: list[Diagnostic],
    *,
    required: bool = True,
) -> dict[str, VariableValue]:
    """The value of every declared variable; UNKNOWN if it has none or an invalid one. `required`: a variable
    without a value is an error even if it isn't used."""
    declared = {e.name: _declaration(e, findings) for e in source["variables"].values()}
    _check_environments(source, declared, findings)
    given = _from_environment(environment, findings)
    given |= {
        name: Candidate(Given(givers.environ[PREFIX + name]), f"{PREFIX}{name}", None)
        for name in declared
        if PREFIX + name in givers.environ
    }
    holds_secrets = any(block is not None and block.sensitive for block in declared.values())
    root = project_root(source.folder)
    for path in givers.files:
        given |= _from_file(path, holds_secrets or leads_out(path, root), findings)
    given |= _from_arguments(givers.arguments, findings)
    _refuse_undeclared(given, declared, findings)
    known = {
        name: _known(source["variables"][name], block, given.get(name), findings)
        for name, block in declared.items()
    }
    if required:
        findings += [variable.unset for variable in known.values() if variable.unset]
        known = {name: variable._replace(unset=None) for name, variable in known.items()}
    return known


def _declaration(entry: Entry, findings: list[Diagnostic]) -> Variable | None:
    if not _NAME.fullmatch(entry.name):
        summary = f"`{entry.name}` can't be the name of a variable"
        near = re.sub(r"\W", "_", entry.name, flags=re.ASCII)
        hint = f"Write `{near}`." if _NAME.fullmatch(near) else "Choose another name."
        entry.report(findings, (), summary, _NAME_RULE, hint, key=True)
    data = _literal(entry, entry.data, findings)
    block = read_block(Variable, data, entry, findings)
    limit = next((key for key in ("minimum", "maximum") if block and getattr(block, key) is not None), "")
    if block and limit and block.type not in ("integer", "number", "any"):
        detail = f"The type is `{block.type}`, whose values have no order."
        hint = "Remove it, or write `type: integer`."
        entry.report(findings, (limit,), f"`{limit}` is for numbers", detail, hint, key=True)
        return None
    if block and None not in (block.minimum, block.maximum) and block.minimum > block.maximum:
        summary, detail = "`maximum` is less than `minimum`", "No value is within these limits."
        entry.report(findings, ("maximum",), summary, detail, f"Write `{render(block.minimum)}` or more.")
        return None
    if block and block.pattern is not None:
        try:
            _matcher(block.pattern)
        except ValueError as why:
            summary, detail = "`pattern` isn't a valid regular expression", f"It is `{block.pattern}`: {why}."
            entry.report(findings, ("pattern",), summary, detail, _REGEX)
            return None
    return block


_REGEX = (
    "Use the syntax of Rust's regex crate: no look-around and no backreferences, so matching never "
    "takes long. Use `allowed` to list single values."
)


@cache
def _matcher(pattern: str) -> SchemaValidator:
    """A validator of texts that match as a whole. Raises ValueError if the pattern is invalid."""
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    try:
        for form in (pattern, rf"\A(?:{pattern})\z"):  # `a)|(b` is valid only within the parentheses
            schema = core_schema.str_schema(pattern=form, regex_engine="rust-regex")
            validator = SchemaValidator(schema)
    except SchemaError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(reason.rpartition("rror: ")[2].rstrip(".")) from None
    return validator


def _literal(entry: Entry, data: Any, findings: list[Diagnostic], path: yaml_document.Path = ()) -> Any:
    """Data that may not contain expressions."""
    return Evaluator(entry, Scope({}, {}, findings), FIXED).evaluate(data, path)


def _from_environment(environment: Entry | None, findings: list[Diagnostic]) -> dict[str, Candidate]:
    values = environment.value("variables") if environment else None
    if environment is None or not isinstance(values, dict):
        return {}
    return {
        name: Candidate(
            _literal(environment, value, findings, ("variables", name)),
            f"environment {environment.name}",
            environment.place(("variables", name)),
            environment.place(("variables", name), key=True),
            is_outside=False,
        )
        for name, value in values.items()
    }


def _check_environments(
    source: Source, declared: Mapping[str, Variable | None], findings: list[Diagnostic]
) -> None:
    """Findings about the values of all environments, whichever is selected."""
    for environment in source["environments"].values():
        given = _from_environment(environment, findings)
        _refuse_undeclared(given, declared, findings)
        for name, candidate in given.items():
            block = declared.get(name)
            if block is not None and candidate.value is not None:
                _converted(block, candidate, source["variables"][name], findings)


def _from_file(path: Path, holds_secrets: bool, findings: list[Diagnostic]) -> dict[str, Candidate]:
    """`holds_secrets`: any line of the file may be a part of the value of a sensitive variable."""
    errors: list[Diagnostic] = []
    document = read_document(path, errors)
    given = {}
    for entry in _entries(document, errors) if document else ():
        place = entry.document.place_of(entry.node)
        value = _literal(entry, entry.data, errors)
        places = (place, entry.document.place_of(entry.key))
        if holds_secrets:
            places = (place.veiled(), places[1].veiled())
        given[entry.name] = Candidate(value, entry.document.file, *places)
    findings += [veiled(error, _NOT_SHOWN) for error in errors] if holds_secrets else errors
    return given


def _entries(document: Document, findings: list[Diagnostic]) -> Iterator[Entry]:
    """The entries of a variable file: a mapping of names to values."""
    root = document.root
    if isinstance(root, MappingNode):
        data = yaml_document.data(document, root, findings)
        for key, node in yaml_document.items(root):
            yield Entry("variables", key.value, document, key, node, data[key.value])
    elif root is not None:
        place = document.place_of(root)
        findings.append(Diagnostic("a variable file must be a mapping", "", "Write `name: value`.", place))


_NOT_SHOWN = "The line isn't shown: it may contain the value of a sensitive variable."


def _from_arguments(arguments: Sequence[str], findings: list[Diagnostic]) -> dict[str, Candidate]:
    given = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if equals and name:
            given[name.strip()] = Candidate(Given(value), "--var", None)
        else:
            summary, detail = "`--var` needs the form name=value", f"It was given `{name}`."
            findings.append(Diagnostic(summary, detail, "Add the `=`."))
    return given


def _refuse_undeclared(
    given: Mapping[str, Candidate], declared: Mapping[str, object], findings: list[Diagnostic]
) -> None:
    for name, candidate in given.items():
        if name not in declared:
            detail = f"{candidate.giver} sets it, but the spec doesn't declare it."
            hint = did_you_mean(name, declared, nothing="Declare it under `variables`.")
            own, sign, value = name.partition("=")
            if sign and candidate.value is None and own.strip() in declared:
                hint = f"Write a colon with a space after it: `{own.strip()}: {value.strip()}`."
            place = candidate.key_place
            if place is not None and place.file == candidate.giver:
                place = place.veiled()  # the value of a misspelled variable may be a secret
            findings.append(Diagnostic(f"there is no variable `{name}`", detail, hint, place))


def _known(
    entry: Entry, block: Variable | None, given: Candidate | None, findings: list[Diagnostic]
) -> VariableValue:
    if block is None:
        return VariableValue(UNKNOWN)
    before = len(findings)
    value: Any = None
    if block.default is not None:
        default = Candidate(block.default, "its default", entry.place(("default",)))
        value = _converted(block, default, entry, findings)
    if given is not None and given.value is not None:
        value = _converted(block, given, entry, findings)
    elif value is None and "default" not in entry.data:
        return VariableValue(UNKNOWN, block.sensitive, _unset(entry))
    is_given = given is not None and given.is_outside
    return VariableValue(value if len(findings) == before else UNKNOWN, block.sensitive, given=is_given)


def _unset(entry: Entry) -> Diagnostic:
    name = entry.name
    detail = "It has no default and isn't set."
    hint = (
        f"Run with `--var {name}=…`, `export {PREFIX}{name}=…`, set it in a file for `--var-file` or under "
        "`variables` of the environment, or give it a `default`."
    )
    return Diagnostic(f"variable `{name}` has no value", detail, hint, entry.place(key=True))


def _converted(block: Variable, given: Candidate, entry: Entry, findings: list[Diagnostic]) -> Any:
    """The value as written, if it has the variable's type and is within its limits. The field that it is used
    in converts it. UNKNOWN with a finding otherwise."""
    if given.value is UNKNOWN:
        return UNKNOWN
    kind = _TYPES[block.type]
    expected, convert = kind.expected, kind.convert
    value = convert(given.value)
    problem = f"must be {expected}" if value is None else _outside(block, value)
    if problem is None and block.sensitive and isinstance(value, dict | list):
        problem = "is sensitive; only text, numbers and booleans can be sensitive"
    if problem is None:
        return kind.written(given.value)
    meaning = f" {block.description}" if block.description else ""
    place = given.place or entry.place(key=True)
    quoted = type(given.value) is str and value is None and convert(Plain(given.value)) is not None
    if block.sensitive:
        shown, hint = "", "Remove the quotes." if quoted else ""
        if place and (given.place or block.default is not None):
            place = place.veiled()
    else:
        shown = "" if value is None and isinstance(given.value, Given) else _shown(given.value)
        hint = f"Remove the quotes: {given.value}" if quoted else ""
        hint = hint or _advice(block, given.value, value)
    detail = f"The value comes from {given.giver}{shown}.{meaning}"
    findings.append(Diagnostic(f"variable `{entry.name}` {problem}", detail, hint, place))
    return UNKNOWN


def _advice(block: Variable, given: Any, value: Any) -> str:
    """What to write in place of a value that isn't of the type (`value` is None), or breaks a rule. Text from
    outside of the spec that isn't of the type isn't shown."""
    if value is not None and block.allowed is not None:
        return did_you_mean(render(value), [render(one) for one in block.allowed])
    if value is not None and block.pattern is not None:
        return "Give it a value that matches as a whole."
    field = _FIELDS.get(block.type)
    if field is None or not isinstance(given, str) or (value is None and isinstance(given, Given)):
        return f"Give it {_TYPES[block.type].expected}."
    return field(block.minimum, block.maximum).hint(Plain(given))


_FIELDS: Mapping[str, Callable[[float | None, float | None], FieldType]] = {
    "integer": Integer,
    "number": Number,
    "boolean": lambda _least, _most: Boolean(),
}
"""By type of variable: the field type that knows what to write, within limits."""


def _outside(block: Variable, value: Any) -> str | None:
    """The limit that the value is outside of; completes the summary of a message."""
    is_number = type(value) in (int, float)
    if block.minimum is not None and (not is_number or value < block.minimum):
        return f"must be at least {render(block.minimum)}"
    if block.maximum is not None and (not is_number or value > block.maximum):
        return f"must be at most {render(block.maximum)}"
    if block.pattern is not None and not _matcher(block.pattern).isinstance_python(value):
        return f"must match the pattern `{block.pattern}`"
    if block.allowed is not None and value not in [_TYPES[block.type].convert(v) for v in block.allowed]:
        return f"must be {one_of(tuple(render(v) for v in block.allowed))}"
    return None


def _shown(value: Any) -> str:
    return f", and is `{render(value)}`" if isinstance(value, str | int | float) else ""


def _string(value: Any) -> str | None:
    return str(value) if isinstance(value, str) else None


def _plain(convert: Callable[[str], Any]) -> Callable[[Any], Any]:
    """The conversion of scalars without quotes."""
    return lambda value: convert(value) if isinstance(value, Plain) else None


def _container(shape: type[Any]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        value = _unpacked(value)
        return yaml_document.resolve(value) if isinstance(value, shape) else None

    return convert


def _unpacked(value: Any) -> Any:
    """A list or mapping; text from outside is parsed as YAML: `[fr, de]`."""
    if not isinstance(value, Given):
        return value
    try:
        document = yaml_document.parse(str(value), "")
    except SpecError:
        return None
    findings: list[Diagnostic] = []
    data = None if document.root is None else yaml_document.data(document, document.root, findings)
    return None if findings else data


class _Type(NamedTuple):
    """A type of variable. `convert`: the value in this type, to check its limits, or None if it isn't of the
    type; `written`: the value as it was written, which expressions give."""

    expected: str
    convert: Callable[[Any], Any]
    written: Callable[[Any], Any]


_TYPES: Mapping[str, _Type] = {
    "string": _Type("text", _string, _string),
    "integer": _Type("an integer", _plain(yaml_document.integer), Plain),
    "number": _Type("a number", _plain(yaml_document.number), Plain),
    "boolean": _Type("`true` or `false`", _plain(yaml_document.boolean), Plain),
    "list": _Type("a list", _container(list), _unpacked),
    "map": _Type("a mapping", _container(dict), _unpacked),
    "any": _Type("a value", lambda v: v if isinstance(v, Given) else yaml_document.resolve(v), lambda v: v),
}
