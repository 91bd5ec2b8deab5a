"""Rule catalogue: grade, requirement, reason and fix of every rule about data, by its id.

docs/data-rules.md lists them with examples. The sources are the service's documentation of data for
fine-tuning, and what its preprocessing is known to reject.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

GRADES = ("error", "warning", "note")
OFF = "off"
"""In place of a grade: the rule is disabled."""
SETTINGS = (*GRADES, OFF)


class Rule(NamedTuple):
    """One rule. Texts are sentences; a finding may have more specific ones."""

    grade: str
    what: str
    why: str
    fix: str


_error, _warning, _note = (partial(Rule, grade) for grade in GRADES)

_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.'
)
TASK_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}], "answer": "…"}: a conversation that ends '
    "with the user, and the keys that the grader needs."
)
_PER_LINE = "Each line is one example: a complete JSON object, from { to }, without a comma after it."
_REJECTED_LATE = "The service's preprocessing rejects it after the job has started."
_WRONG_CALLS = "The model would learn calls that your code can't handle."
_REVEALED = "A model can be made to reveal its training data."
_REVOKE = "Replace it with a placeholder, and revoke it."
_ALLOWED = "Replace it with a placeholder, unless you are allowed to use it for training."
_SECRETS = {
    "private-key": "private key",
    "aws-key": "AWS access key",
    "azure-key": "Azure storage account key or signature",
    "openai-key": "OpenAI API key",
    "github-token": "GitHub token",
    "google-key": "Google API key",
    "slack-token": "Slack token",
    "stripe-key": "Stripe live key",
    "huggingface-token": "Hugging Face token",
    "gitlab-token": "GitLab token",
    "sendgrid-key": "SendGrid key",
    "jwt": "JSON Web Token",
    "url-password": "password in a URL",
}

RULES: Mapping[str, Rule] = {
    # Files
    "file/missing": _error("The file exists.", "", "Correct the path. It is relative to the spec file."),
    "file/unreadable": _error(
        "The file can be read, and is a regular file.",
        "",
        "Check the path and its permissions; use a file on disk, not a folder, a pipe or a device.",
    ),
    "file/too-large": _error(
        "The file is smaller than 512 MB.",
        "The service doesn't accept larger files.",
        "Remove examples, or train in two steps on two files.",
    ),
    "file/changed": _error(
        "The file doesn't change while it is read.",
        "The file that is checked must be the file that is uploaded.",
        "Wait until the program that writes it is done.",
    ),
    "file/compressed": _error(
        "The file is text, not compressed or in another format.",
        "The service reads plain JSON Lines and doesn't decompress files.",
        "Unpack it, or export it as JSON Lines.",
    ),
    "file/not-utf8": _error(
        "The file is UTF-8.",
        "The service rejects other encodings, or trains on garbled text.",
        "Save it as UTF-8.",
    ),
    "file/git-lfs": _error(
        "The file is the data, not a Git LFS pointer to it.",
        "The checkout has only a pointer, as if Git LFS weren't installed.",
        "Run `git lfs pull`.",
    ),
    "file/other-format": _error(
        "The file has a format of the service: chat, preference or reinforcement.",
        "Alpaca, ShareGPT and other formats, and prompts with completions, are not accepted.",
        "`ftops data convert` converts it.",
    ),
    "file/document": _error(
        "The file is JSON Lines: one example per line.",
        "The service doesn't read a JSON list, or objects over several lines.",
        "`ftops data convert` converts it.",
    ),
    "file/line-ends": _error(
        "Lines end with a line feed, alone or after a carriage return.",
        "With carriage returns only, the whole file is one line.",
        "Save it with Unix line ends.",
    ),
    "file/mark-inside": _error(
        "A byte order mark is only at the start of the file.",
        "Files with marks were probably joined. The mark is not JSON.",
        "Remove it: `ftops data convert --no-bom` removes all of them.",
    ),
    "file/byte-order-mark": _note(
        "The file starts with a byte order mark.",
        "The service's documentation asks for one, but files without it are accepted.",
        "Save it as UTF-8 with a byte order mark, or ignore this: nothing is known to depend on it.",
    ),
    "file/empty": _error("The file has examples.", "", "Write one example per line."),
    "file/too-few-examples": _error(
        "The file has at least 10 examples.",
        "The service requires at least 10 to train on; of fewer validation examples, the result says little.",
        "Add examples.",
    ),
    "file/few-examples": _note(
        "The file has at least 100 examples.",
        "So few examples hardly change a model's answers; use hundreds or thousands.",
        "Add examples of high quality.",
    ),
    "file/long-line": _warning(
        "A line has at most 32 MiB.",
        "It was not checked.",
        "Is a line break missing? Refer to large images by URL.",
    ),
    # JSON
    "json/syntax": _error("Every line is JSON.", "", _PER_LINE),
    "json/not-object": _error("Every line is an object.", "", _PER_LINE),
    "json/duplicate-key": _error(
        "No object has two members with the same name.",
        "JSON parsers keep one of them, but not all the same one.",
        "Remove or rename one of them.",
    ),
    "json/surrogate": _error(
        r"A \ud800 to \udfff comes in pairs.",
        "It is half of a character, which can't be encoded in UTF-8.",
        "Write the character itself, or both halves.",
    ),
    "json/too-deep": _error("Lists and objects are nested less than 100 levels deep.", "", _PER_LINE),
    "json/number": _error(
        "Numbers are finite and have fewer than 4,000 digits.",
        "",
        "Write it as text, or null.",
    ),
    # Conversations
    "chat/no-messages": _error("An example has `messages`, a list that isn't empty.", "", _SHAPE),
    "chat/type": _error("Every value has the right type.", "", _SHAPE),
    "chat/format": _error(
        "All examples of a file have the same format, and it is the declared one.",
        "A job supports one format: chat, preference or reinforcement.",
        "Move it to another file, or correct `format`.",
    ),
    "chat/unknown-key": _error(
        "Objects have only keys of the format.",
        "The service rejects files with other keys.",
        "Remove it.",
    ),
    "chat/role": _error(
        "Every message has a role: system, developer, user, assistant, tool or function.",
        "",
        "Roles are system, developer, user, assistant, tool, function.",
    ),
    "chat/role-order": _error(
        "There are no consecutive assistant messages or system messages.",
        _REJECTED_LATE,
        "Join them, or add the missing message between them.",
    ),
    "chat/system-late": _warning(
        "The system message comes first.",
        "The model learns to expect instructions there, and callers put it first.",
        "Move it to the start.",
    ),
    "chat/no-user": _warning(
        "There is a user message before the first answer.",
        "The model would learn to answer without a question.",
        "Add the user message.",
    ),
    "chat/no-assistant": _error(
        "An example has an assistant message.",
        "The model learns from assistant messages; it can't learn from this example.",
        "Add the answer as an assistant message.",
    ),
    "chat/last-message": _error(
        "The last message is an assistant message.",
        "The service rejects the file; and the model doesn't learn from messages after the last answer.",
        "Add the answer, or remove the messages after the last one.",
    ),
    "chat/no-content": _error(
        "Every message has `content`; assistant messages may have calls instead.",
        "",
        "Add the text, or remove the message.",
    ),
    "chat/null-content": _error(
        "No `content` is null, not even next to calls.",
        _REJECTED_LATE,
        "Remove `content` if there are calls.",
    ),
    "chat/empty-content": _warning(
        "Next to calls, `content` is left out, or is a text with a meaning.",
        "The model would learn to write it with every call.",
        "Remove `content`.",
    ),
    "chat/empty-reply": _error(
        "Assistant messages aren't empty.",
        "The model would learn to give empty answers.",
        "Add the answer, or remove the example.",
    ),
    "chat/empty-message": _warning(
        "Other messages aren't empty either.",
        "It costs tokens and teaches nothing.",
        "Add the text, or remove the message.",
    ),
    "chat/weight": _error(
        "`weight` is 0 or 1, and is used in assistant messages only.",
        "It determines whether the model learns this answer.",
        "Write 0 or 1, or remove it.",
    ),
    "chat/nothing-trained": _warning(
        "Every example has an answer with weight 1.",
        "It costs tokens, but the model learns nothing from it.",
        "Give an answer weight 1, or remove the example.",
    ),
    "chat/name": _error(
        "`name` has at most 64 letters, digits, `_` and `-`.",
        "The service rejects other names.",
        "Use letters, digits, `_` and `-`.",
    ),
    # Functions
    "tools/definition": _error(
        "A function has a name of at most 64 letters, digits, `_` and `-`, and no two have the same.",
        "The service rejects others.",
        'A tool is {"type": "function", "function": {"name": "…", "parameters": {…}}}.',
    ),
    "tools/schema": _error(
        "`parameters` is a JSON Schema that describes an object.",
        "The service rejects the file.",
        'Parameters are {"type": "object", "properties": {…}}.',
    ),
    "tools/schema-extras": _error(
        "`parameters` has no `title`, no null `default` and no `anyOf` with null.",
        "Schema generators write them, but the service's preprocessing rejects them after the job has "
        "started.",
        "Remove it.",
    ),
    "tools/mixed": _error(
        "An example has `tools` and `tool_calls`, or `functions` and `function_call`, not both.",
        "The latter is the legacy format.",
        "Use `tools` throughout; `ftops data convert` converts the legacy format.",
    ),
    "tools/requests": _warning(
        "Functions can be sent in requests: `parameters` has the type object, arrays have `items`, "
        "descriptions have at most 1,024 characters, and `parallel_tool_calls` comes with `tools`.",
        "Requests with others are rejected; whether training data with them is rejected isn't known.",
        "Correct it, so that the tuned model can be called with the same functions.",
    ),
    "tools/parallel": _warning(
        "If `parallel_tool_calls` is false, no message has several calls.",
        "The model would learn several calls at once, which requests with this setting don't allow.",
        "Remove `parallel_tool_calls`, or write one call per message.",
    ),
    "tools/too-many": _error(
        "An example has at most 128 functions.",
        "The service doesn't accept more.",
        "Remove functions that are never called.",
    ),
    "tools/call": _error(
        "A call has a function with `name` and `arguments`; a tool call also has its own `id`.",
        "The service rejects others.",
        'A call is {"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{…}"}}.',
    ),
    "tools/arguments": _error(
        "`arguments` is a JSON object as text.",
        _WRONG_CALLS,
        r'Write an object as text: "{\"place\": \"Paris\"}".',
    ),
    "tools/arguments-schema": _error(
        "Arguments match the function's parameters.",
        _WRONG_CALLS,
        "Correct the arguments, or the parameters.",
    ),
    "tools/not-offered": _error(
        "Called functions are among those of the example.",
        _REJECTED_LATE,
        "Add its definition, or remove all functions.",
    ),
    "tools/none-offered": _note(
        "If functions are called, the example defines functions.",
        "Omitting them saves tokens, but works only if callers omit them too.",
        "Define the functions that callers will send.",
    ),
    "tools/result": _error(
        "A result belongs to a call before it: by `tool_call_id`, or by the function's `name`.",
        _REJECTED_LATE,
        "Correct the id, or remove the message.",
    ),
    "tools/result-text": _warning(
        "The result of a call is a text.",
        "The service's documentation of training data has only texts; parts are known from requests.",
        "Write the result as text.",
    ),
    "tools/no-result": _warning(
        "A call gets its result before the conversation continues.",
        "Callers always send the result, so the model would learn from a conversation that never occurs.",
        "Add the result as a tool message.",
    ),
    "tools/differ": _warning(
        "A function has the same definition in all examples.",
        "Calls are better if the definitions in training and in use are identical.",
        "Use one definition, and the same one when the model is called.",
    ),
    # Images
    "vision/part": _error(
        "A part of `content` is a text, or an image with its `url`.",
        "",
        'Parts are {"type": "text", "text": "…"} and {"type": "image_url", "image_url": {"url": "…"}}.',
    ),
    "vision/role": _error(
        "Images are in user messages.",
        "The service accepts images only in user messages.",
        "Move the image to a user message.",
    ),
    "vision/url": _error(
        "An image is an http or https URL, or a data URI in base64.",
        "The service can't fetch anything else.",
        "Write https://…, or data:image/png;base64,….",
    ),
    "vision/kind": _error(
        "An image is JPEG, PNG or WEBP, in RGB or RGBA, and matches its declared type.",
        "The service skips others.",
        "Convert the image.",
    ),
    "vision/truncated": _error(
        "An image is complete.",
        "The service can't read it.",
        "Export it again.",
    ),
    "vision/too-large": _error(
        "An image is not larger than 10 MB.",
        "The service doesn't accept larger images.",
        "Make it smaller.",
    ),
    "vision/too-many": _error(
        "An example has at most 64 images, and a file 50,000 examples with images.",
        "The service doesn't accept more.",
        "Split the example, or remove images.",
    ),
    "vision/detail": _error("`detail` is low, high or auto.", "", "Write low, high or auto, or remove it."),
    # Preference pairs
    "preference/shape": _error(
        "An example has `input` with `messages`, `preferred_output` and `non_preferred_output`.",
        "The method dpo trains on pairs.",
        'A pair is {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}.',
    ),
    "preference/output": _error(
        "An output has assistant and tool messages, and at least one assistant message.",
        "The service rejects others.",
        'An output is [{"role": "assistant", "content": "…"}].',
    ),
    "preference/same": _error(
        "The two outputs differ.",
        "There is no preference to learn.",
        "Remove the example, or correct an output.",
    ),
    "preference/input": _warning(
        "The input doesn't end with an assistant message.",
        "The outputs are the next assistant messages.",
        "Move the answer to the outputs.",
    ),
    # Reinforcement
    "reinforcement/last-message": _error(
        "The last message is a user message.",
        "The model's own answers are graded; the service rejects other examples.",
        "Remove the answer; if the grader needs it, keep it in a key next to `messages`.",
    ),
    "reinforcement/no-fields": _warning(
        "An example has keys besides `messages` for the grader.",
        "Without them, the grader sees only the answer of the model.",
        "Add the expected answer, for example as `answer`. If the model is to learn an answer (method "
        "supervised), add it as an assistant message.",
    ),
    "reinforcement/fields": _warning(
        "All examples have the same keys for the grader.",
        "A grader template such as {{item.answer}} would be empty.",
        "Add the key, or correct its spelling.",
    ),
    # Across examples
    "data/special-token": _error(
        "No text contains a special token of the model, such as <|im_end|>.",
        "It marks the end of messages; the service rejects it.",
        "Remove it.",
    ),
    "data/duplicate": _warning(
        "No example is a duplicate.",
        "It costs twice and counts twice.",
        "Remove one of them.",
    ),
    "data/near-duplicate": _note(
        "No two examples are nearly the same.",
        "They count twice but teach the same thing.",
        "Keep the better one, unless the difference is intended.",
    ),
    "data/overlap": _warning(
        "No validation example is among the training examples of the model.",
        "The model knows the answer, so the validation result is meaningless.",
        "Remove it from one of the files.",
    ),
    "data/near-overlap": _note(
        "No validation example is nearly the same as a training example of the model.",
        "The model nearly knows the answer, so the validation result is too good.",
        "Remove it from one of the files, unless the difference is intended.",
    ),
    "data/beginning": _warning(
        "No conversation is the beginning of another one.",
        "Its answers are learned several times, and cost as often. Agents record conversations like this.",
        "Keep the longest, or give the answers of the shorter ones weight 0.",
    ),
    "data/grown-overlap": _warning(
        "No validation conversation is the beginning of one that the model trains on, or continues it.",
        "The model knows some of the answers, so the validation result is too good.",
        "Keep a conversation in one file: `ftops data split` does.",
    ),
    "data/system-differs": _note(
        "All examples have the same system message.",
        "A model that is called with a different one than in training gives worse answers.",
        "Use one, and the same one when the model is called.",
    ),
    "data/imbalance": _note(
        "No answer occurs in nine of ten examples.",
        "The model learns that it is nearly always right.",
        "Add examples with other answers, or remove some.",
    ),
    "data/too-long": _warning(
        "No example is longer than the model's limit.",
        "The rest is cut off, or the file is rejected.",
        "Shorten or split it.",
    ),
    # Secrets and personal data
    **{
        f"secret/{n}": _warning(f"The examples contain no {s}.", _REVEALED, _REVOKE)
        for n, s in _SECRETS.items()
    },
    "personal/email": _note("The examples contain no e-mail address.", _REVEALED, _ALLOWED),
    "personal/phone": _note("The examples contain no telephone number.", _REVEALED, _ALLOWED),
    "personal/card": _warning("The examples contain no payment card number.", _REVEALED, _ALLOWED),
    "personal/iban": _warning("The examples contain no bank account number (IBAN).", _REVEALED, _ALLOWED),
    "personal/us-ssn": _warning("The examples contain no US social security number.", _REVEALED, _ALLOWED),
}


def grade_of(rule: str, severity: Mapping[str, str]) -> str:
    """The grade of a rule: as set for it, as set for its group (`secret/*`), or its own."""
    group = f"{rule.partition('/')[0]}/*"
    return severity.get(rule) or severity.get(group) or RULES[rule].grade


def names() -> tuple[str, ...]:
    """The rules and groups that a severity can be set for."""
    groups = dict.fromkeys(f"{rule.partition('/')[0]}/*" for rule in RULES)
    return (*RULES, *groups)
