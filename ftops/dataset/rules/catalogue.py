"""Every rule about data: its id, its grade, what it asks, why, and what to do. Data, not code.

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
_PER_LINE = "Each line is one example: a whole JSON object, from { to }, with no comma after it."
_SCHEMA_WHY = "Training would teach the model to make calls that your code can't take."


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
        "Correct the path. It is relative to the spec file that names it.",
    ),
    Rule(
        "file/unreadable",
        "error",
        "The file can be read, and is a regular file.",
        "",
        "Check the path and its permissions; name a file on disk, not a folder, a pipe or a device.",
    ),
    Rule(
        "file/too-large",
        "error",
        "The file has less than 512 MB.",
        "The service takes no larger file.",
        "Remove examples, or train in two steps on two files.",
    ),
    Rule(
        "file/changed",
        "error",
        "The file stays as it is while it is read.",
        "What was checked has to be what is uploaded.",
        "Wait until whatever writes it is done.",
    ),
    Rule(
        "file/compressed",
        "error",
        "The file is text, and not compressed or of another kind.",
        "The service reads plain JSON Lines and unpacks nothing.",
        "Unpack it, or export it as JSON Lines.",
    ),
    Rule(
        "file/not-utf8",
        "error",
        "The file is UTF-8.",
        "The service refuses other encodings, or trains on broken letters.",
        "Save it as UTF-8.",
    ),
    Rule(
        "file/byte-order-mark",
        "note",
        "The file starts with a byte order mark.",
        "The service's documents ask for one, though it takes files without.",
        "Save it as UTF-8 with a byte order mark, or leave it: nothing is known to depend on it.",
    ),
    Rule("file/empty", "error", "The file holds examples.", "", "Write one example per line."),
    Rule(
        "file/too-few-examples",
        "error",
        "The file holds at least 10 examples.",
        "The service trains on no fewer than 10.",
        "Add examples.",
    ),
    Rule(
        "file/few-examples",
        "note",
        "The file holds at least 100 examples.",
        "So few hardly change how a model answers; hundreds or thousands are good practice.",
        "Add examples of the quality of the best.",
    ),
    Rule(
        "file/long-line",
        "warning",
        "A line has at most 32 MiB.",
        "It was not checked.",
        "Is a line break missing? Name large images by their address.",
    ),
    # JSON
    Rule("json/syntax", "error", "Every line is JSON.", "", _PER_LINE),
    Rule("json/not-object", "error", "Every line is an object.", "", _PER_LINE),
    Rule(
        "json/duplicate-key",
        "error",
        "No object has two members of one name.",
        "Readers keep one of them, and not all the same one.",
        "Remove or rename one of them.",
    ),
    Rule(
        "json/surrogate",
        "error",
        r"A \ud800 to \udfff comes in pairs.",
        "It is half a letter, which can't be written in UTF-8.",
        "Write the letter itself, or both halves.",
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
    Rule("chat/type", "error", "Every value is of its type.", "", _SHAPE),
    Rule(
        "chat/format",
        "error",
        "All examples of a file are of one format, and of the format that is declared.",
        "A job reads one format: chat, preference or reinforcement.",
        "Move it to a file of its own, or correct `format`.",
    ),
    Rule(
        "chat/unknown-key",
        "error",
        "Objects have only the keys that the format knows.",
        "The service refuses files with others.",
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
        "No two messages of the assistant, and no two of the system, follow each other.",
        "The service's preprocessing refuses it, after the job has started.",
        "Join the two, or put what was said between them.",
    ),
    Rule(
        "chat/system-late",
        "warning",
        "The system message comes first.",
        "The model learns to be instructed there, and callers put it first.",
        "Move it to the start.",
    ),
    Rule(
        "chat/no-user",
        "note",
        "Something is asked before the first answer.",
        "The model would learn to talk unasked.",
        "Add the message of the user.",
    ),
    Rule(
        "chat/no-assistant",
        "error",
        "An example has a message of the assistant.",
        "The model learns from what the assistant says; this example has nothing to learn.",
        "Add the answer as a message of the role assistant.",
    ),
    Rule(
        "chat/last-message",
        "warning",
        "The last message is the assistant's.",
        "Nothing is learned from what comes after the last answer.",
        "Add the answer, or remove what follows the last one.",
    ),
    Rule(
        "chat/no-content",
        "error",
        "Every message has `content`; the assistant's may have calls instead.",
        "",
        "Add the text, or remove the message.",
    ),
    Rule(
        "chat/null-content",
        "error",
        "No `content` is null, not even beside calls.",
        "The service's preprocessing refuses it, after the job has started.",
        "Leave `content` out where there are calls.",
    ),
    Rule(
        "chat/empty-reply",
        "error",
        "The assistant says something.",
        "The model would learn to say nothing.",
        "Add the answer, or remove the example.",
    ),
    Rule(
        "chat/empty-message",
        "warning",
        "Messages of others aren't empty either.",
        "It costs tokens and teaches nothing.",
        "Add the text, or remove the message.",
    ),
    Rule(
        "chat/weight",
        "error",
        "`weight` is 0 or 1, and stands in messages of the assistant.",
        "It says whether the model learns this answer.",
        "Write 0 or 1, or leave it out.",
    ),
    Rule(
        "chat/nothing-trained",
        "warning",
        "An answer of weight 1 is left in every example.",
        "It costs tokens, and nothing is learned from it.",
        "Give an answer the weight 1, or remove the example.",
    ),
    Rule(
        "chat/name",
        "error",
        "`name` has at most 64 letters, digits, `_` and `-`.",
        "The service refuses other names.",
        "Use letters, digits, `_` and `-`.",
    ),
    # Functions
    Rule(
        "tools/definition",
        "error",
        "A function has a name of at most 64 letters, digits, `_` and `-`, and no two have the same.",
        "The service refuses others.",
        'A tool is {"type": "function", "function": {"name": "…", "parameters": {…}}}.',
    ),
    Rule(
        "tools/schema",
        "error",
        "`parameters` are a JSON Schema of an object.",
        "The service refuses the file.",
        'Parameters are {"type": "object", "properties": {…}}.',
    ),
    Rule(
        "tools/schema-extras",
        "error",
        "`parameters` hold no `title`, no null `default` and no `anyOf` with null.",
        "Generators write them, and the service's preprocessing refuses them, after the job has started.",
        "Remove it.",
    ),
    Rule(
        "tools/mixed",
        "error",
        "An example has `tools` and `tool_calls`, or `functions` and `function_call`, not both.",
        "The one is the older form of the other.",
        "Use `tools` throughout; `ftops data convert` rewrites the older form.",
    ),
    Rule(
        "tools/too-many",
        "error",
        "An example has at most 128 functions.",
        "The service takes no more.",
        "Leave out functions that are never called.",
    ),
    Rule(
        "tools/call",
        "error",
        "A call has a function with `name` and `arguments`; a tool call has an `id` of its own too.",
        "The service refuses others.",
        'A call is {"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{…}"}}.',
    ),
    Rule(
        "tools/arguments",
        "error",
        "`arguments` are the text of a JSON object.",
        _SCHEMA_WHY,
        r'Write an object as text: "{\"place\": \"Paris\"}".',
    ),
    Rule(
        "tools/arguments-schema",
        "error",
        "Arguments are as the function's own parameters ask.",
        _SCHEMA_WHY,
        "Correct the arguments, or the parameters.",
    ),
    Rule(
        "tools/not-offered",
        "error",
        "Functions that are called are among those that are offered.",
        "The service's preprocessing refuses it, after the job has started.",
        "Add its definition, or offer no functions at all.",
    ),
    Rule(
        "tools/none-offered",
        "note",
        "Where functions are called, some are offered.",
        "It saves tokens, and works only if callers leave them out too.",
        "Offer the functions that callers will offer.",
    ),
    Rule(
        "tools/result",
        "error",
        "A result belongs to a call before it: by `tool_call_id`, or by the function's `name`.",
        "The service's preprocessing refuses it, after the job has started.",
        "Correct the id, or remove the message.",
    ),
    Rule(
        "tools/no-result",
        "warning",
        "A call gets its result before the conversation goes on.",
        "Callers always send it, so the model learns a conversation that never happens.",
        "Add the result as a message of the role tool.",
    ),
    Rule(
        "tools/differ",
        "warning",
        "A function is defined alike in all examples.",
        "Calls get better where definitions in training and in use are identical.",
        "Use one definition, and the same when the model is called.",
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
        "Images stand in messages of the user.",
        "The service learns from images that are shown to it, and takes none from others.",
        "Move the image to a message of the user.",
    ),
    Rule(
        "vision/url",
        "error",
        "An image is an address, http or https, or a data URI in base64.",
        "The service can't fetch anything else.",
        "Write https://…, or data:image/png;base64,….",
    ),
    Rule(
        "vision/kind",
        "error",
        "An image is JPEG, PNG or WEBP, in RGB or RGBA, and what it says it is.",
        "The service leaves out others.",
        "Convert the image.",
    ),
    Rule(
        "vision/too-large",
        "error",
        "An image has at most 10 MB.",
        "The service takes no larger one.",
        "Make it smaller.",
    ),
    Rule(
        "vision/too-many",
        "error",
        "An example has at most 64 images, and a file 50,000 examples with images.",
        "The service takes no more.",
        "Split the example, or leave images out.",
    ),
    Rule(
        "vision/detail",
        "error",
        "`detail` is low, high or auto.",
        "",
        "Write low, high or auto, or leave it out.",
    ),
    # Preference pairs
    Rule(
        "preference/shape",
        "error",
        "An example has `input` with `messages`, `preferred_output` and `non_preferred_output`.",
        "The method dpo learns from pairs.",
        'A pair is {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}.',
    ),
    Rule(
        "preference/output",
        "error",
        "An output holds messages of the roles assistant and tool, one of the assistant at least.",
        "The service refuses others.",
        'An output is [{"role": "assistant", "content": "…"}].',
    ),
    Rule(
        "preference/same",
        "error",
        "The two outputs differ.",
        "Nothing can be preferred.",
        "Remove the example, or correct an output.",
    ),
    Rule(
        "preference/input",
        "warning",
        "The input doesn't end with the assistant.",
        "The outputs are what the assistant says next.",
        "Move the answer to the outputs.",
    ),
    # Reinforcement
    Rule(
        "reinforcement/last-message",
        "error",
        "The last message is the user's.",
        "The model's own answers are graded; the service refuses what ends otherwise.",
        "Remove the answer; keep what the grader needs of it as a key beside `messages`.",
    ),
    Rule(
        "reinforcement/no-fields",
        "note",
        "An example has keys beside `messages` for the grader.",
        "Without any, the grader sees only the answer.",
        "Add what a right answer is, such as `answer`.",
    ),
    Rule(
        "reinforcement/fields",
        "warning",
        "All examples have the same keys for the grader.",
        "A template of the grader such as {{item.answer}} would find nothing.",
        "Add the key, or correct its spelling.",
    ),
    # Across examples
    Rule(
        "data/special-token",
        "error",
        "No text holds a special token of the model, such as <|im_end|>.",
        "It marks where messages end; the service refuses it.",
        "Remove it.",
    ),
    Rule(
        "data/duplicate",
        "warning",
        "No example is there twice.",
        "It is paid for and weighs twice.",
        "Remove one of them.",
    ),
    Rule(
        "data/near-duplicate",
        "note",
        "No two examples are nearly the same.",
        "They weigh as two and teach one thing.",
        "Keep the better one, unless the difference is the point.",
    ),
    Rule(
        "data/overlap",
        "warning",
        "No example of the validation data is among those that the model has learned from.",
        "The model knows the answer, so validation measures nothing.",
        "Remove it from one of the two.",
    ),
    Rule(
        "data/near-overlap",
        "note",
        "No example of the validation data is nearly one of those that the model has learned from.",
        "The model nearly knows the answer, so validation says too much good.",
        "Remove it from one of the two, unless the difference is the point.",
    ),
    Rule(
        "data/system-differs",
        "note",
        "All examples have the same system message.",
        "A model that is called with another one than in training answers worse.",
        "Use one, and the same when the model is called.",
    ),
    Rule(
        "data/imbalance",
        "note",
        "No answer is given in nine of ten examples.",
        "The model learns that it is right nearly always.",
        "Add examples of the others, or leave some out.",
    ),
    Rule(
        "data/too-long",
        "warning",
        "No example is longer than the model's limit.",
        "What is beyond it is cut off, or the file refused.",
        "Shorten or split it.",
    ),
    # Secrets and personal data
    *(
        Rule(
            f"secret/{name}",
            "warning",
            f"No {what} is among the examples.",
            "A model can be made to say what it was trained on.",
            "Replace it by a placeholder, and revoke it.",
        )
        for name, what in (
            ("private-key", "private key"),
            ("aws-key", "access key of AWS"),
            ("azure-key", "key or signature of an Azure storage account"),
            ("openai-key", "API key of OpenAI"),
            ("github-token", "token of GitHub"),
            ("google-key", "API key of Google"),
            ("slack-token", "token of Slack"),
            ("stripe-key", "live key of Stripe"),
            ("jwt", "JSON Web Token"),
            ("url-password", "password within an address"),
        )
    ),
    *(
        Rule(
            f"personal/{name}",
            grade,
            f"No {what} is among the examples.",
            "A model can be made to say what it was trained on.",
            "Replace it by a placeholder, unless you may use it for this.",
        )
        for name, what, grade in (
            ("email", "e-mail address", "note"),
            ("card", "number of a payment card", "warning"),
            ("iban", "number of a bank account (IBAN)", "warning"),
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
