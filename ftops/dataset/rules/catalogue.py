"""Rule catalogue: id, grade, requirement, reason and fix of every rule about data.

docs/data-rules.md says the same with an example for each. The sources are the service's documents on data
for fine-tuning and what its preprocessing is known to refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

GRADES = ("error", "warning", "note")
OFF = "off"
"""In place of a grade: the rule says nothing."""
SETTINGS = (*GRADES, OFF)

_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.'
)
_PER_LINE = "Each line is one example: a complete JSON object, from { to }, without a comma after it."
_SCHEMA_WHY = "The model would learn calls that your code can't handle."


class Rule(NamedTuple):
    """One rule. Texts are sentences; a finding may carry more exact ones of its own."""

    id: str
    grade: str
    what: str
    why: str
    fix: str


_ROWS = (
    # Files
    Rule(
        "file/missing",
        "error",
        "The file exists.",
        "",
        "Correct the path. It is relative to the spec file.",
    ),
    Rule(
        "file/unreadable",
        "error",
        "The file can be read, and is a regular file.",
        "",
        "Check the path and its permissions; use a file on disk, not a folder, a pipe or a device.",
    ),
    Rule(
        "file/too-large",
        "error",
        "The file has less than 512 MB.",
        "The service doesn't accept larger files.",
        "Remove examples, or train in two steps on two files.",
    ),
    Rule(
        "file/changed",
        "error",
        "The file doesn't change while it is read.",
        "The file that is checked must be the file that is uploaded.",
        "Wait until the program that writes it is done.",
    ),
    Rule(
        "file/compressed",
        "error",
        "The file is text, not compressed or in another format.",
        "The service reads plain JSON Lines and doesn't decompress files.",
        "Unpack it, or export it as JSON Lines.",
    ),
    Rule(
        "file/not-utf8",
        "error",
        "The file is UTF-8.",
        "The service rejects other encodings, or trains on garbled text.",
        "Save it as UTF-8.",
    ),
    Rule(
        "file/byte-order-mark",
        "note",
        "The file starts with a byte order mark.",
        "The service's documentation asks for one, but files without it are accepted.",
        "Save it as UTF-8 with a byte order mark, or ignore this: nothing is known to depend on it.",
    ),
    Rule("file/empty", "error", "The file has examples.", "", "Write one example per line."),
    Rule(
        "file/too-few-examples",
        "error",
        "The file has at least 10 examples.",
        "The service requires at least 10.",
        "Add examples.",
    ),
    Rule(
        "file/few-examples",
        "note",
        "The file has at least 100 examples.",
        "So few examples hardly change a model's answers; use hundreds or thousands.",
        "Add examples of high quality.",
    ),
    Rule(
        "file/long-line",
        "warning",
        "A line has at most 32 MiB.",
        "It was not checked.",
        "Is a line break missing? Refer to large images by URL.",
    ),
    # JSON
    Rule("json/syntax", "error", "Every line is JSON.", "", _PER_LINE),
    Rule("json/not-object", "error", "Every line is an object.", "", _PER_LINE),
    Rule(
        "json/duplicate-key",
        "error",
        "No object has two members with the same name.",
        "JSON parsers keep one of them, but not all the same one.",
        "Remove or rename one of them.",
    ),
    Rule(
        "json/surrogate",
        "error",
        r"A \ud800 to \udfff comes in pairs.",
        "It is half of a character, which can't be encoded in UTF-8.",
        "Write the character itself, or both halves.",
    ),
    Rule(
        "json/too-deep",
        "error",
        "Lists and objects are nested less than 100 deep.",
        "",
        _PER_LINE,
    ),
    Rule(
        "json/number",
        "error",
        "Numbers are finite and have fewer than 4,000 digits.",
        "",
        "Write it as text, or null.",
    ),
    # Conversations
    Rule("chat/no-messages", "error", "An example has `messages`, a list that isn't empty.", "", _SHAPE),
    Rule("chat/type", "error", "Every value has the right type.", "", _SHAPE),
    Rule(
        "chat/format",
        "error",
        "All examples of a file have the same format, and it is the declared one.",
        "A job supports one format: chat, preference or reinforcement.",
        "Move it to another file, or correct `format`.",
    ),
    Rule(
        "chat/unknown-key",
        "error",
        "Objects have only keys of the format.",
        "The service rejects files with other keys.",
        "Remove it.",
    ),
    Rule(
        "chat/role",
        "error",
        "Every message has a role: system, developer, user, assistant, tool or function.",
        "",
        "Roles are system, developer, user, assistant, tool, function.",
    ),
    Rule(
        "chat/role-order",
        "error",
        "There are no consecutive assistant messages or system messages.",
        "The service's preprocessing rejects it after the job has started.",
        "Join them, or add the missing message between them.",
    ),
    Rule(
        "chat/system-late",
        "warning",
        "The system message comes first.",
        "The model learns to expect instructions there, and callers put it first.",
        "Move it to the start.",
    ),
    Rule(
        "chat/no-user",
        "note",
        "There is a user message before the first answer.",
        "The model would learn to answer without a question.",
        "Add the user message.",
    ),
    Rule(
        "chat/no-assistant",
        "error",
        "An example has an assistant message.",
        "The model learns from assistant messages; it can't learn from this example.",
        "Add the answer as an assistant message.",
    ),
    Rule(
        "chat/last-message",
        "warning",
        "The last message is an assistant message.",
        "The model doesn't learn from messages after the last answer.",
        "Add the answer, or remove the messages after the last one.",
    ),
    Rule(
        "chat/no-content",
        "error",
        "Every message has `content`; assistant messages may have calls instead.",
        "",
        "Add the text, or remove the message.",
    ),
    Rule(
        "chat/null-content",
        "error",
        "No `content` is null, not even next to calls.",
        "The service's preprocessing rejects it after the job has started.",
        "Remove `content` if there are calls.",
    ),
    Rule(
        "chat/empty-reply",
        "error",
        "Assistant messages aren't empty.",
        "The model would learn to give empty answers.",
        "Add the answer, or remove the example.",
    ),
    Rule(
        "chat/empty-message",
        "warning",
        "Other messages aren't empty either.",
        "It costs tokens and teaches nothing.",
        "Add the text, or remove the message.",
    ),
    Rule(
        "chat/weight",
        "error",
        "`weight` is 0 or 1, and is used in assistant messages only.",
        "It determines whether the model learns this answer.",
        "Write 0 or 1, or remove it.",
    ),
    Rule(
        "chat/nothing-trained",
        "warning",
        "Every example has an answer with weight 1.",
        "It costs tokens, but the model learns nothing from it.",
        "Give an answer weight 1, or remove the example.",
    ),
    Rule(
        "chat/name",
        "error",
        "`name` has at most 64 letters, digits, `_` and `-`.",
        "The service rejects other names.",
        "Use letters, digits, `_` and `-`.",
    ),
    # Functions
    Rule(
        "tools/definition",
        "error",
        "A function has a name of at most 64 letters, digits, `_` and `-`, and no two have the same.",
        "The service rejects others.",
        'A tool is {"type": "function", "function": {"name": "…", "parameters": {…}}}.',
    ),
    Rule(
        "tools/schema",
        "error",
        "`parameters` is a JSON Schema that describes an object.",
        "The service rejects the file.",
        'Parameters are {"type": "object", "properties": {…}}.',
    ),
    Rule(
        "tools/schema-extras",
        "error",
        "`parameters` has no `title`, no null `default` and no `anyOf` with null.",
        "Schema generators write them, but the service's preprocessing rejects them after the job has "
        "started.",
        "Remove it.",
    ),
    Rule(
        "tools/mixed",
        "error",
        "An example has `tools` and `tool_calls`, or `functions` and `function_call`, not both.",
        "The latter is the legacy format.",
        "Use `tools` throughout; `ftops data convert` converts the legacy format.",
    ),
    Rule(
        "tools/too-many",
        "error",
        "An example has at most 128 functions.",
        "The service doesn't accept more.",
        "Remove functions that are never called.",
    ),
    Rule(
        "tools/call",
        "error",
        "A call has a function with `name` and `arguments`; a tool call also has its own `id`.",
        "The service rejects others.",
        'A call is {"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{…}"}}.',
    ),
    Rule(
        "tools/arguments",
        "error",
        "`arguments` is a JSON object as text.",
        _SCHEMA_WHY,
        r'Write an object as text: "{\"place\": \"Paris\"}".',
    ),
    Rule(
        "tools/arguments-schema",
        "error",
        "Arguments match the function's parameters.",
        _SCHEMA_WHY,
        "Correct the arguments, or the parameters.",
    ),
    Rule(
        "tools/not-offered",
        "error",
        "Called functions are among those of the example.",
        "The service's preprocessing rejects it after the job has started.",
        "Add its definition, or remove all functions.",
    ),
    Rule(
        "tools/none-offered",
        "note",
        "If functions are called, the example defines functions.",
        "Omitting them saves tokens, but works only if callers omit them too.",
        "Define the functions that callers will send.",
    ),
    Rule(
        "tools/result",
        "error",
        "A result belongs to a call before it: by `tool_call_id`, or by the function's `name`.",
        "The service's preprocessing rejects it after the job has started.",
        "Correct the id, or remove the message.",
    ),
    Rule(
        "tools/no-result",
        "warning",
        "A call gets its result before the conversation continues.",
        "Callers always send the result, so the model would learn from a conversation that never occurs.",
        "Add the result as a tool message.",
    ),
    Rule(
        "tools/differ",
        "warning",
        "A function has the same definition in all examples.",
        "Calls are better if the definitions in training and in use are identical.",
        "Use one definition, and the same one when the model is called.",
    ),
    # Images
    Rule(
        "vision/part",
        "error",
        "A part of `content` is a text, or an image with its `url`.",
        "",
        'Parts are {"type": "text", "text": "…"} and {"type": "image_url", "image_url": {"url": "…"}}.',
    ),
    Rule(
        "vision/role",
        "error",
        "Images are in user messages.",
        "The service accepts images only in user messages.",
        "Move the image to a user message.",
    ),
    Rule(
        "vision/url",
        "error",
        "An image is an http or https URL, or a data URI in base64.",
        "The service can't fetch anything else.",
        "Write https://…, or data:image/png;base64,….",
    ),
    Rule(
        "vision/kind",
        "error",
        "An image is JPEG, PNG or WEBP, in RGB or RGBA, and matches its declared type.",
        "The service skips others.",
        "Convert the image.",
    ),
    Rule(
        "vision/too-large",
        "error",
        "An image has at most 10 MB.",
        "The service doesn't accept larger images.",
        "Make it smaller.",
    ),
    Rule(
        "vision/too-many",
        "error",
        "An example has at most 64 images, and a file 50,000 examples with images.",
        "The service doesn't accept more.",
        "Split the example, or remove images.",
    ),
    Rule(
        "vision/detail",
        "error",
        "`detail` is low, high or auto.",
        "",
        "Write low, high or auto, or remove it.",
    ),
    # Preference pairs
    Rule(
        "preference/shape",
        "error",
        "An example has `input` with `messages`, `preferred_output` and `non_preferred_output`.",
        "The method dpo trains on pairs.",
        'A pair is {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}.',
    ),
    Rule(
        "preference/output",
        "error",
        "An output has assistant and tool messages, and at least one assistant message.",
        "The service rejects others.",
        'An output is [{"role": "assistant", "content": "…"}].',
    ),
    Rule(
        "preference/same",
        "error",
        "The two outputs differ.",
        "There is no preference to learn.",
        "Remove the example, or correct an output.",
    ),
    Rule(
        "preference/input",
        "warning",
        "The input doesn't end with an assistant message.",
        "The outputs are the next assistant messages.",
        "Move the answer to the outputs.",
    ),
    # Reinforcement
    Rule(
        "reinforcement/last-message",
        "error",
        "The last message is a user message.",
        "The model's own answers are graded; the service rejects other examples.",
        "Remove the answer; if the grader needs it, keep it in a key next to `messages`.",
    ),
    Rule(
        "reinforcement/no-fields",
        "note",
        "An example has keys besides `messages` for the grader.",
        "Without them, the grader sees only the answer.",
        "Add the expected answer, for example as `answer`.",
    ),
    Rule(
        "reinforcement/fields",
        "warning",
        "All examples have the same keys for the grader.",
        "A grader template such as {{item.answer}} would be empty.",
        "Add the key, or correct its spelling.",
    ),
    # Across examples
    Rule(
        "data/special-token",
        "error",
        "No text contains a special token of the model, such as <|im_end|>.",
        "It marks the end of messages; the service rejects it.",
        "Remove it.",
    ),
    Rule(
        "data/duplicate",
        "warning",
        "No example is a duplicate.",
        "It costs twice and counts twice.",
        "Remove one of them.",
    ),
    Rule(
        "data/near-duplicate",
        "note",
        "No two examples are nearly the same.",
        "They count twice but teach the same thing.",
        "Keep the better one, unless the difference is intended.",
    ),
    Rule(
        "data/overlap",
        "warning",
        "No validation example is among the training examples of the model.",
        "The model knows the answer, so the validation result is meaningless.",
        "Remove it from one of the files.",
    ),
    Rule(
        "data/near-overlap",
        "note",
        "No validation example is nearly the same as a training example of the model.",
        "The model nearly knows the answer, so the validation result is too good.",
        "Remove it from one of the files, unless the difference is intended.",
    ),
    Rule(
        "data/system-differs",
        "note",
        "All examples have the same system message.",
        "A model that is called with a different one than in training gives worse answers.",
        "Use one, and the same one when the model is called.",
    ),
    Rule(
        "data/imbalance",
        "note",
        "No answer occurs in nine of ten examples.",
        "The model learns that it is nearly always right.",
        "Add examples with other answers, or remove some.",
    ),
    Rule(
        "data/too-long",
        "warning",
        "No example is longer than the model's limit.",
        "The rest is cut off, or the file is rejected.",
        "Shorten or split it.",
    ),
    # Secrets and personal data
    *(
        Rule(
            f"secret/{name}",
            "warning",
            f"The examples contain no {what}.",
            "A model can be made to reveal its training data.",
            "Replace it with a placeholder, and revoke it.",
        )
        for name, what in (
            ("private-key", "private key"),
            ("aws-key", "AWS access key"),
            ("azure-key", "Azure storage account key or signature"),
            ("openai-key", "OpenAI API key"),
            ("github-token", "GitHub token"),
            ("google-key", "Google API key"),
            ("slack-token", "Slack token"),
            ("stripe-key", "Stripe live key"),
            ("jwt", "JSON Web Token"),
            ("url-password", "password in a URL"),
        )
    ),
    *(
        Rule(
            f"personal/{name}",
            grade,
            f"The examples contain no {what}.",
            "A model can be made to reveal its training data.",
            "Replace it with a placeholder, unless you are allowed to use it for training.",
        )
        for name, what, grade in (
            ("email", "e-mail address", "note"),
            ("card", "payment card number", "warning"),
            ("iban", "bank account number (IBAN)", "warning"),
            ("us-ssn", "US social security number", "warning"),
        )
    ),
)

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _ROWS}


def grade_of(rule: str, severity: Mapping[str, str]) -> str:
    """What a rule's findings count as: as set for it, for its group (`secret/*`), or by default."""
    group = f"{rule.partition('/')[0]}/*"
    return severity.get(rule) or severity.get(group) or RULES[rule].grade


def names() -> tuple[str, ...]:
    """Everything that a severity can be set for."""
    groups = dict.fromkeys(f"{rule.partition('/')[0]}/*" for rule in RULES)
    return (*RULES, *groups)
