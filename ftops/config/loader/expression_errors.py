"""Expression errors: summary, detail and hint of everything that can be wrong with a `${…}`."""

from __future__ import annotations

import re

from ftops.core.resource_types import RESOURCE_TYPES
from ftops.core.suggestions import did_you_mean

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


def plain_address(inside: str) -> tuple[str, str, str]:
    """The error about an expression in `depends_on`."""
    detail = "`depends_on` lists the addresses of resources that are applied first."
    return "addresses are written without `${…}`", detail, f"Write `{inside}`."


_FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\s*\(")
_OPERATOR = re.compile(r"[-+*/%?:|&<>=!]\s|\s[-+*/%?:|&<>=!]")


def not_an_expression(inside: str) -> tuple[str, str, str]:
    """The error about the inside of a `${…}` that has none of the valid forms."""
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
        hint = "Check the spelling; resource names are lower case."
        return f"`{inside}` isn't a valid expression", _FORMS, hint
    return unknown_scope(head)


_KINDS = {
    **{kind: kind for kind in RESOURCE_TYPES},
    **{row.section: kind for kind, row in RESOURCE_TYPES.items()},
}
_BARE = re.compile(
    rf"(?:\{{\{{\s*|\$)?(?P<head>{'|'.join((*_KINDS, 'var', 'env', 'each'))})\."
    r"(?P<rest>[A-Za-z_][^{}]*?)(?:\s*\}\})?"
)


def not_written_as_expression(text: str, *, is_model: bool = True) -> tuple[str, str, str] | None:
    """The error about a text that is an expression without `${` and `}`, such as `job.chat.fine_tuned_model`;
    None for any other. `is_model`: an address alone stands for the model of the resource."""
    match = _BARE.fullmatch(text)
    if not match:
        return None
    inside = f"{_KINDS.get(match['head'], match['head'])}.{match['rest']}"
    if match["head"] in _KINDS and "." not in re.sub(r"\[.*\]", "", match["rest"]):
        names = [a for a in sorted(RESOURCE_TYPES[_KINDS[match["head"]]].model_attributes) if "*" not in a]
        if not is_model or not names:
            return None
        inside = f"{inside}.{names[0]}"
    detail = "Text is used as it is; only `${…}` is replaced by a value."
    return f"`{text}` isn't an expression", detail, f'Write "${{{inside}}}".'


def _not_computed(what: str) -> tuple[str, str, str]:
    detail = f"A spec is plain data: it has no {what}, and nothing in it is executed."
    hint = "Compute the value beforehand and pass it with `--var`."
    return f"{what} are not part of the language", detail, hint


def unknown_scope(head: str) -> tuple[str, str, str]:
    meant = {row.section: row.kind for row in RESOURCE_TYPES.values()}
    meant |= dict.fromkeys(("variables", "variable", "vars", "local"), "var")
    known = ("var", "env", "each", "state", *RESOURCE_TYPES)
    hint = f"Did you mean `{meant[head]}`?" if head in meant else did_you_mean(head, known)
    return f"an expression can't refer to `{head}`", _FORMS, hint
