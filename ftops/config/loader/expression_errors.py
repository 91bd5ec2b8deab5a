"""Expression errors: summary, detail and hint of everything that can be wrong with a `${…}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ftops.core.address import parse_reference
from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean, nearest

MAX_CHARACTERS = 16_000_000
"""Of all texts that contain expressions: a short spec could repeat a long value any number of times."""
VALUE_SIZE = 16
"""Characters that each value of a list or mapping counts as."""
_FORMS = (
    "Valid expressions are `${var.name}`, `${env.NAME}`, `${each.key}`, `${each.value}` and "
    "`${kind.name.attribute}`."
)
FIXED_HINT = "Write the value out; `$${` stands for a literal `${`."
UNCLOSED = (
    "an expression is not closed",
    "`${` begins an expression, and `}` ends it.",
    "Add the `}`; `$${` stands for a literal `${`.",
)
OUTPUT_FORM = (
    "this isn't an output of another state",
    "`${state.NAME.outputs.OUTPUT}` is one: NAME is declared under `states`, OUTPUT in the other spec.",
    "Write it in this form.",
)
NO_TEXT = (
    "a list or mapping can't be part of a text",
    "Only text, numbers and booleans can be inserted into a text.",
    "Make the expression the whole value, or name one of its keys: `${var.name.key}`.",
)
NULL_IN_TEXT = (
    "null can't be part of a text",
    "A key whose value is null counts as not set; a text needs all of its parts.",
    "Give it a value, or make the expression the whole value.",
)
TOO_MUCH = (
    "expressions produce too much text",
    f"All texts that contain expressions may have {MAX_CHARACTERS:,} characters in total; each value of a "
    f"list or mapping counts as {VALUE_SIZE}.",
    "Use a shorter value here, or keep it in a file of its own.",
)
DOLLAR = (
    "a `$` right before an expression is ambiguous",
    "`$${` is an escaped `${`, so the two couldn't be told apart.",
    "Put a space between them, or move the `$`.",
)
NO_KEY = (
    "this isn't a valid key",
    "The key of a resource is text, and is part of its address.",
    "Use `[each.key]` or a key in quotes.",
)
ENV_PATH = ("environment variables have no keys", "Its value is text.", "Write `${env.NAME}`.")
SENSITIVE = (
    "sensitive variables aren't allowed here",
    "The value would appear in addresses, IDs and plans.",
    "Use a variable that is not sensitive.",
)
ENV_IN_NAME = (
    "environment variables aren't allowed here",
    "`${env.…}` may be a secret, and the value would appear in addresses, plans and the state.",
    "Declare a variable; FTOPS_VAR_<name> sets it from the environment.",
)
ENV_IN_PATH = (
    "environment variables aren't allowed here",
    "`${env.…}` may be a secret, and every plan would send it to the owner of the bucket or account.",
    "Write the value in the spec. Only `bucket`, `account_url` and `endpoint_url` may come from the "
    "environment.",
)
IN_ADDRESS = (
    "a secret can't be part of a URL",
    "`${env.…}` and sensitive variables may be secrets, and would be sent to the host in the rest of "
    "the URL.",
    "Put the whole URL into one variable, and make the expression the whole value.",
)
IN_HOST = (
    "a secret can't be part of this name",
    "`${env.…}` may be a secret, and the names of a bucket and a region become parts of a host name, "
    "which every plan looks up and connects to.",
    "Put the whole name into one variable, and make the expression the whole value.",
)
NO_EACH = (
    "`each` is only available in resources with `for_each`",
    "It is the entry of `for_each` that a resource is created for.",
    "Add `for_each` to the resource.",
)
NO_EACH_IN_SET = (
    "`each` isn't available in named hyperparameters",
    "It is the entry of `for_each` that a resource is created for; named hyperparameters are shared by many.",
    'Write it in the job: `hyperparameters: {use: name, n_epochs: "${each.value}"}`.',
)
KEY_PATH = ("`each.key` has no keys", "It is text.", "Write `${each.key}` or `${each.value.name}`.")


def plain_address(inside: str, where: str) -> tuple[str, str, str]:
    """The error about an expression in `depends_on`, or in a section that lists addresses."""
    detail = f"`{where}` names resources by their addresses."
    return "addresses are written without `${…}`", detail, f"Write `{inside}`."


_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*\(")
_OPERATOR = re.compile(r"[-+*/%?:|&<>=!]\s|\s[-+*/%?:|&<>=!]")


def not_an_expression(inside: str) -> tuple[str, str, str]:
    """The error about the inside of a `${…}` that has none of the valid forms."""
    if not inside:
        hint = "Name a value, such as `${var.name}`; `$${` stands for a literal `${`."
        return "an expression is empty", _FORMS, hint
    if inside in _KINDS:
        names = [a for a in sorted(RESOURCE_TYPES[_KINDS[inside]].model_attributes) if "*" not in a]
        hint = f"Write `${{{_KINDS[inside]}.NAME.{names[0] if names else 'id'}}}`."
        return f"`{inside}` names no resource", _FORMS, hint
    if inside.startswith("{"):
        text, inner = inside.strip("{} "), _whole(inside.strip("{} "))
        hint = f"Write `${{{inner}}}`." if inner else unknown_scope(text)[2]
        return f"`${{{{ {text} }}}}` isn't a valid expression", _FORMS, hint
    if _FUNCTION.match(inside):
        return _not_computed("functions")
    if default := _DEFAULT.match(inside):
        hint = f"Declare a variable with `default: {default[2]}`, and write `${{var.…}}`."
        return "an expression has no default of its own", _FORMS, hint
    if _OPERATOR.search(inside):
        return _not_computed("operators")
    if inside[0] in "!-~":
        return _not_computed("operators")
    if "${" in inside:
        hint = "Write the whole name, or use a variable of type map: `${var.NAME.KEY}`."
        return "an expression can't contain another one", _FORMS, hint
    head, dot, rest = inside.partition(".")
    if not dot:
        return f"`{inside}` isn't a valid expression", _FORMS, _single_word(inside)
    if head in RESOURCE_TYPES and "." not in re.sub(r"\[.*\]", "", rest):
        row = RESOURCE_TYPES[head]
        attributes = ", ".join(f"`{a}`" for a in sorted(row.computed))
        models = [a for a in sorted(row.model_attributes) if "*" not in a]
        usual = models[0] if models else row.named_by if row.named_by in row.computed else "id"
        hint = f"Write `${{{inside}.{usual}}}`."
        return f"`{inside}` names no attribute", f"{row.noun.capitalize()} has {attributes}.", hint
    if head in (*RESOURCE_TYPES, "var", "env", "each"):
        return f"`{inside}` isn't a valid expression", _FORMS, _corrected(head, rest)
    return unknown_scope(inside)


def _single_word(inside: str) -> str:
    """A hint about an expression without a point."""
    if inside in _ALONE:
        return f"Write `${{{_ALONE[inside]}}}`."
    joined = re.fullmatch(rf"({'|'.join(_HEADS)})[-_:/ ]+([A-Za-z_]\w*)", inside)
    if joined:
        return f"Did you mean `${{{joined[1]}.{joined[2]}}}`?"
    meant = f"env.{inside}" if inside.isupper() else f"var.{inside}"
    return f"Did you mean `${{{meant}}}`?" if inside.isidentifier() else "Write one of them."


_HEADS = ("var", "env", "each")
_ALONE: Mapping[str, str] = {"var": "var.NAME", "env": "env.NAME", "each": "each.value"}
_DEFAULT = re.compile(r"(?:env|var)\.[A-Za-z0-9_]+\s*(:[-=?]|\?\?|\|\|?)\s*(.*)")
_INDEX = re.compile(r"\[\s*['\"]?([^'\"\]]+)['\"]?\s*\]")
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def _corrected(head: str, rest: str) -> str:
    """A hint about what is below `job`, `var`, `env` or `each` and has a wrong form."""
    if head in ("each", "var") and "[" in rest:
        return f"Write `${{{head}.{re.sub(_INDEX, _as_step, rest)}}}`."
    if head == "each":
        near = nearest(rest, ("key", "value"))
        return f"Did you mean `${{each.{near}}}`?" if near else "Write `${each.key}` or `${each.value}`."
    if head in ("var", "env"):
        return "Names are letters, digits and `_`."
    spaceless = re.sub(r"\s*\.\s*", ".", f"{head}.{rest}")
    if spaceless != f"{head}.{rest}" and parse_reference(spaceless):
        return f"Write `${{{spaceless}}}`."
    if index := _INDEX.search(rest):
        if "." in rest[: index.start()]:
            return f"An attribute has no index: `${{{head}.{rest[: index.start()].partition('.')[0]}.…}}`."
        key = index[1] if not index[1].isdigit() else "KEY"
        right = f'{head}.{rest[: index.start()]}["{key}"]{rest[index.end() :]}'
        return f"A resource of `for_each` is named by its key, in double quotes: `${{{right}}}`."
    name, _, attribute = rest.partition(".")
    snake = _HUMP.sub(r"_\1", attribute).lower()
    proper = f"{head}.{name.lower().replace('_', '-')}.{snake}"
    if proper != f"{head}.{rest}" and parse_reference(proper):
        return f"Did you mean `${{{proper}}}`?"
    return "Names of resources are lower-case letters, digits and `-`."


def _as_step(index: re.Match[str]) -> str:
    return f".{index[1]}"


def _whole(text: str) -> str:
    """The inside of the expression that a text stands for; empty if it is none."""
    match = _BARE.fullmatch(text)
    return f"{_KINDS.get(match['head'], match['head'])}.{match['rest']}" if match else ""


_KINDS = {
    **{kind: kind for kind in RESOURCE_TYPES},
    **{row.section: kind for kind, row in RESOURCE_TYPES.items()},
}
_BARE = re.compile(
    r"(?:\{\{\s*|[$#%@]?\s*[({<\[]?=?\s*|\$)?"
    rf"(?P<head>{'|'.join((*_KINDS, 'var', 'env', 'each'))})\."
    r"(?P<rest>[A-Za-z_][^{}<>()]*?)\s*[)}>\]]{0,2}"
)


def not_written_as_expression(text: str, *, is_model: bool = True) -> tuple[str, str, str] | None:
    """The error about a text that is an expression without `${` and `}`, such as `job.chat.fine_tuned_model`;
    None for any other. `is_model`: an address alone stands for the model of the resource."""
    match = None if text.startswith("${") else _BARE.fullmatch(text)
    if not match:
        return None
    inside = f"{_KINDS.get(match['head'], match['head'])}.{match['rest']}"
    if match["head"] in _KINDS and "." not in re.sub(r"\[.*\]", "", match["rest"]):
        names = [a for a in sorted(RESOURCE_TYPES[_KINDS[match["head"]]].model_attributes) if "*" not in a]
        if not is_model or not names:
            return None
        inside = f"{inside}.{names[0]}"
    inside = re.sub(r"\[['\"]?(\w+)['\"]?\]\Z", r".\1", inside) if match["head"] in ("var", "env") else inside
    detail = "Text is used as it is; only `${…}` is replaced by a value."
    return f"`{text}` isn't an expression", detail, f'Write "${{{inside}}}".'


def escaped(text: str) -> tuple[str, str, str] | None:
    """The error about a text that was written as `$${…}` in place of an expression; None for any other."""
    match = re.fullmatch(r"\$\{\s*(.+?)\s*\}", text)
    if not match or not _whole(match[1]):
        return None
    detail = "`$${` stands for a literal `${`, so nothing is replaced here."
    return f"`$${{{match[1]}}}` isn't an expression", detail, f"Write `${{{match[1]}}}`."


def _not_computed(what: str) -> tuple[str, str, str]:
    detail = f"A spec is plain data: it has no {what}, and nothing in it is executed."
    hint = "Compute the value beforehand and pass it with `--var`."
    return f"{what} are not part of the language", detail, hint


_VARIABLES = ("variables", "variable", "vars", "local", "locals", "params", "parameters", "inputs", "input")
"""What other tools call variables."""


def unknown_scope(inside: str) -> tuple[str, str, str]:
    """The error about an expression that begins with another word than those of the language."""
    head, _, rest = inside.partition(".")
    summary = f"an expression can't refer to `{head}`"
    if head in ("item", "sample"):
        detail = "Templates of graders have two braces on each side, and no `$`."
        hint = f"Write `{{{{{inside}}}}}` in a grader, or `${{each.value.{rest}}}` with `for_each`."
        return summary, detail, hint
    if head in ("matrix", "for_each", "foreach", "for", "loop"):
        return summary, "An entry of `for_each` is `each`.", f"Write `${{each.value.{rest}}}`."
    if head in ("self", "this"):
        return summary, _FORMS, f"Write the address of the resource: `${{job.NAME.{rest}}}`."
    if head in ("secrets", "secret", "environ", "ENV", "process.env"):
        return summary, _FORMS, f"Write `${{env.{rest}}}`, and set the environment variable."
    while rest:
        reference = parse_reference(rest)
        if reference and reference.address.kind in RESOURCE_TYPES:
            return summary, _FORMS, f"Write `${{{rest}}}`."
        rest = rest.partition(".")[2]
    meant = {row.section: row.kind for row in RESOURCE_TYPES.values()}
    meant |= dict.fromkeys(_VARIABLES, "var")
    meant |= {f"{prefix}_{kind}": kind for kind in RESOURCE_TYPES for prefix in ("ftops", "azure", "openai")}
    if head in ("output", "outputs"):
        hint = "Refer to what the output refers to, such as `${job.name.fine_tuned_model}`."
        return summary, "Outputs are for other programs and specs.", hint
    if head == "hyperparameters":
        name = inside.partition(".")[2].partition(".")[0]
        return summary, "Named hyperparameters are used by name.", f"Write the name alone: `{name}`."
    known = ("var", "env", "each", "state", *RESOURCE_TYPES)
    if head in _VARIABLES and re.fullmatch(r"[A-Za-z_]\w*", inside.partition(".")[2]):
        return summary, _FORMS, f"Write `${{var.{inside.partition('.')[2]}}}`."
    hint = f"Did you mean `{meant[head]}`?" if head in meant else did_you_mean(head, known)
    return summary, _FORMS, hint
