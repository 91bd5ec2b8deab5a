"""Common mistakes in YAML: what is wrong, why, and what to do; one row for each."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """A common mistake. `pattern`, if there is one, must match in the parser's message; what follows a `\\n`
    in it matches the rest of the line, from the place on."""

    summary: str
    detail: str
    hint: str
    pattern: str = ""


QUOTE = Mistake(
    "an expression must be quoted here",
    "Inside `{…}` and `[…]`, YAML reads the brace of `${` as the start of a mapping.",
    'Put quotes around the value: "${…}".',
    r"expected ',' or[^\n]*\n\{",
)

OPEN_QUOTE = Mistake(
    "a quote is not closed",
    "The text goes on to the next quote, which is in a line below.",
    "Close the quote in this line.",
)
NO_COLON = Mistake(
    "a colon is missing in this line",
    "A mapping has one `key: value` per line, or a `key:` above the lines that are indented below it.",
    "Write a colon and a space after the key.",
)
NO_SPACE = Mistake(
    "a space is missing after the colon",
    "Only a colon with a space after it ends a key; this line is read as text.",
    "Write `key: value`.",
)

DEEPER = Mistake(
    "this line is indented deeper than the one above, which has a value already",
    "Keys of one mapping start in the same column; deeper lines belong to a `key:` without a value.",
    "Indent both alike. Text that contains `: ` needs quotes.",
)
SHALLOWER = Mistake(
    "this line is indented less than the line below it",
    "Keys of one mapping start in the same column, and this one has a value already.",
    "Indent both alike.",
)
UNMATCHED = Mistake(
    "the indentation doesn't match any line above",
    "Keys of a mapping start in the same column.",
    "Indent the line like its neighbours.",
    "did not find expected key|expected <block end>",
)
AFTER_QUOTE = Mistake(
    "there is text after the closing quote",
    "A value that begins with a quote ends with it.",
    "Put the whole value in quotes, or none of it.",
)
EXTRA_BRACKET = Mistake(
    "a closing bracket too many",
    "Every `{` and `[` is closed once.",
    "Remove the bracket, or put text that contains brackets in quotes.",
)
CONFLICT = Mistake(
    "a conflict of a merge isn't resolved",
    "`<<<<<<<`, `=======` and `>>>>>>>` mark two versions of the same lines.",
    "Keep one of the versions, and remove the marks.",
    r"<{7}|={7}|>{7}",
)
NO_COMMA = Mistake(
    "a comma is missing",
    "The entries of `{…}` and `[…]` are separated by commas.",
    "Add the comma before this entry; text that contains `: ` needs quotes.",
)
UNCLOSED = Mistake(
    "a bracket is not closed",
    "Every `{` and `[` is closed by its own `}` or `]`, the inner ones first.",
    "Close it; text that contains brackets or commas needs quotes.",
)
TWO_COLONS = Mistake(
    "there is a second `: ` in this line",
    "A colon followed by a space ends a key, and a line can have only one key.",
    "Put text that contains `: ` in quotes.",
)
TWO_COLONS_INSIDE = Mistake(
    "there is a second `: ` in this entry",
    "A colon followed by a space ends a key, and an entry of `{…}` can have only one key.",
    TWO_COLONS.hint,
)
CURLY_QUOTE = Mistake(
    "this isn't a quote of YAML",
    "Only straight quotes begin a text in quotes; after a curly one, text is read as if it had none.",
    "Write straight quotes (\" or ').",
)
OPERATOR = Mistake(
    "operators are not part of the language",
    "A spec is plain data: an expression names a value, and nothing in it is executed.",
    "Compute the value beforehand and pass it with `--var`.",
)
LIST_OF_NAMES = Mistake(
    "a list can't have entries that are named",
    "This line starts a list, and the names below it are keys of a mapping.",
    "Remove the `- `: sections name their entries by keys.",
)
BLOCK_TEXT = Mistake(
    "the text of `|` or `>` isn't indented",
    "It is what is indented deeper than its key.",
    "Indent this line deeper than the key above.",
)
OF_LINES = (
    CONFLICT,
    Mistake(
        "this isn't a comment",
        "Comments of YAML start with `#`.",
        "Write `# …`.",
        r"//|/\*|--\s",
    ),
    Mistake(
        "YAML tags aren't supported",
        "A spec is plain data, and includes nothing.",
        "Remove the line; all files of a folder are read as one spec.",
        r"!\w",
    ),
    Mistake(
        "templates aren't part of the language",
        "A spec is plain data, and nothing in it is executed.",
        "Remove the line; `${var.NAME}`, `enabled` and `for_each` vary a spec.",
        r"\{%|\{#",
    ),
    Mistake(
        "this line is a fence of Markdown",
        "A spec is YAML alone.",
        "Remove this line and the one that closes the fence.",
        r"```|~~~",
    ),
    Mistake(
        "a key is followed by `=`, not by a colon",
        "YAML has `key: value`; `key = value` is text.",
        "Write a colon and a space after the key.",
        r"[\w.-]+\s*:?=>?\s*\S|\w+ (\"[^\"]*\" ?){1,2}\{$",
    ),
    Mistake(
        "the colon is a full-width one",
        "`\uff1a` is another character than `:`.",
        "Write `key: value`.",
        r"[\w.-]+\uff1a",
    ),
    Mistake(
        "there is a no-break space",
        "It looks like a space, but YAML reads it as text.",
        "Replace it by a space.",
        r"[\w.-]+:[\u00a0\u2007\u202f]|[\u00a0\u2007\u202f]",
    ),
)
"""What a line that YAML can't read begins with."""

OF_MESSAGES = (
    QUOTE,
    Mistake(
        "a `{` or `[` is not closed, or a comma is missing",
        "The entries of `{…}` and `[…]` are separated by commas, up to the closing bracket.",
        "Close the bracket or add the comma; text that contains brackets or commas needs quotes.",
        "expected ',' or",
    ),
    Mistake(
        "a value is missing here",
        "The entries of `{…}` and `[…]` are separated by commas, up to the closing bracket.",
        "Close every `{` and `[` once, and put text that starts with a bracket in quotes.",
        "node content",
    ),
    Mistake(
        "tabs can't be used for indentation",
        "YAML counts spaces; the width of a tab is undefined.",
        "Indent with spaces, two per level.",
        r"cannot start any token[^\n]*\n\t|tab character that violates indentation",
    ),
    Mistake(
        "a value can't start with this character",
        "`@`, `` ` `` and `%` are reserved in YAML.",
        "Put the value in quotes.",
        "cannot start any token",
    ),
    Mistake(
        "there is a second `: ` in this line, or the indentation is wrong",
        "A colon followed by a space ends a key, and a line can have only one key.",
        "Put text that contains `: ` in quotes, or check the indentation of this line and the one above.",
        "mapping values are not allowed",
    ),
    Mistake(
        "a list can't start here",
        "The `- ` of a list must be at the start of a line.",
        "Put the list on the next lines, or write it as `[a, b]`.",
        "block sequence entries are not allowed",
    ),
    Mistake(
        "a list can't start among the keys of a mapping",
        "The lines above are `key: value`; an entry of a list starts with `- `.",
        "Remove the `- ` and write `name:` with its keys below it; sections name their entries by keys.",
        r"(?:did not find expected key|expected <block end>)[^\n]*\n- ",
    ),
    UNMATCHED,
    Mistake(
        "the indentation doesn't match any line above",
        "Entries of a list start in the same column, each with its own `- `.",
        "Indent the line like its neighbours.",
        "did not find expected '-' indicator",
    ),
    Mistake(
        NO_SPACE.summary,
        NO_SPACE.detail,
        NO_SPACE.hint,
        r"could not find expected ':'[^\n]*\n\s*[\w.-]+:(?!//)\S",
    ),
    Mistake(
        "this line is neither a key nor part of the value above",
        "A mapping has one `key: value` per line.",
        "Add the colon, or indent the line so that it continues the value above.",
        "could not find expected ':'",
    ),
    Mistake(
        "a quote is not closed",
        "Everything after the opening quote was read as text, to the end of the file.",
        "Close the quote.",
        "unexpected end of stream",
    ),
    Mistake(
        "unknown escape sequence",
        "In double quotes, a backslash starts an escape sequence such as `\\n`.",
        "Write the backslash twice, or use single quotes.",
        "unknown escape character",
    ),
    Mistake(
        "this alias has no anchor",
        "`*name` repeats the value that is marked `&name` earlier in the same file.",
        "Mark the value, or put text that starts with `*` in quotes.",
        "undefined alias",
    ),
    Mistake(
        "text can't follow `|` or `>` in the same line",
        "They announce text on the lines below, which are indented deeper.",
        "Remove the `|` or `>`, put the value in quotes, or move the text to the next line.",
        r"expected (?:a )?comment or (?:a )?line break",
    ),
    Mistake(
        "a value can't start with `? `",
        "`? ` announces a key.",
        "Put the value in quotes.",
        "mapping keys are not allowed",
    ),
    Mistake(
        "`*` and `&` are followed by a name",
        "`&name` marks a value, and `*name` repeats it.",
        "Put text that starts with `*` or `&` in quotes.",
        "alphabetic or numeric character",
    ),
    Mistake(
        "there is something after the end of the document",
        "`...`, or a value that is complete, ends it; a spec file contains one mapping.",
        "Remove what ends it, or write `section:` above the lines that are indented below it.",
        "expected '?<document start>",
    ),
    Mistake(
        "this anchor is set twice",
        "An alias could refer to either of them.",
        "Give one of them another name.",
        "duplicate anchor",
    ),
    Mistake(
        "a spec file can contain only one document",
        "`---` starts another document.",
        "Split the file in two (all files of a folder are read as one spec), or remove the line.",
        "another document",
    ),
    Mistake(
        "YAML tags aren't supported",
        "A spec is plain data: the type of a value is that of its field.",
        "Remove the tag; put the value in quotes if it must be text.",
        "undefined tag handle",
    ),
    Mistake(
        "unsupported YAML version",
        "A spec doesn't need a `%YAML` line.",
        "Remove the line.",
        "incompatible YAML document",
    ),
)
