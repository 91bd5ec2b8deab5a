"""Rules about examples: conversations, functions, images, preference pairs and reinforcement."""

from __future__ import annotations

from collections.abc import Mapping

from ftops.dataset.rules.rule import Rule, error, note, warning

_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.'
)
TASK_SHAPE = (
    'An example is {"messages": [{"role": "user", "content": "…"}], "answer": "…"}: a conversation that ends '
    "with the user, and the keys that the grader needs."
)
_REJECTED_LATE = "The service's preprocessing rejects it after the job has started."
_WRONG_CALLS = "The model would learn calls that your code can't handle."

EXAMPLES: Mapping[str, Rule] = {
    # Conversations
    "chat/no-messages": error("An example has `messages`, a list that isn't empty.", "", _SHAPE),
    "chat/type": error("Every value has the right type.", "", _SHAPE),
    "chat/format": error(
        "All examples of a file have the same format, and it is the declared one.",
        "A job supports one format: chat, preference or reinforcement.",
        "Move it to another file, or correct `format`.",
    ),
    "chat/unknown-key": error(
        "Objects have only keys of the format.",
        "The service rejects files with other keys.",
        "Remove it.",
    ),
    "chat/role": error(
        "Every message has a role: system, developer, user, assistant, tool or function.",
        "",
        "Roles are system, developer, user, assistant, tool, function.",
    ),
    "chat/role-order": error(
        "There are no consecutive assistant messages or system messages.",
        _REJECTED_LATE,
        "Join them, or add the missing message between them.",
    ),
    "chat/system-late": warning(
        "The system message comes first.",
        "The model learns to expect instructions there, and callers put it first.",
        "Move it to the start.",
    ),
    "chat/no-user": warning(
        "There is a user message before the first answer.",
        "The model would learn to answer without a question.",
        "Add the user message.",
    ),
    "chat/no-assistant": error(
        "An example has an assistant message.",
        "The model learns from assistant messages; it can't learn from this example.",
        "Add the answer as an assistant message.",
    ),
    "chat/last-message": error(
        "The last message is an assistant message.",
        "The service rejects the file; and the model doesn't learn from messages after the last answer.",
        "Add the answer, or remove the messages after the last one.",
    ),
    "chat/no-content": error(
        "Every message has `content`; assistant messages may have calls instead.",
        "",
        "Add the text, or remove the message.",
    ),
    "chat/null-content": error(
        "No `content` is null, not even next to calls.",
        _REJECTED_LATE,
        "Remove `content` if there are calls.",
    ),
    "chat/empty-content": warning(
        "Next to calls, `content` is left out, or is a text with a meaning.",
        "The model would learn to write it with every call.",
        "Remove `content`.",
    ),
    "chat/empty-reply": error(
        "Assistant messages aren't empty.",
        "The model would learn to give empty answers.",
        "Add the answer, or remove the example.",
    ),
    "chat/empty-message": warning(
        "Other messages aren't empty either.",
        "It costs tokens and teaches nothing.",
        "Add the text, or remove the message.",
    ),
    "chat/weight": error(
        "`weight` is 0 or 1, and is used in assistant messages only.",
        "It determines whether the model learns this answer.",
        "Write 0 or 1, or remove it.",
    ),
    "chat/nothing-trained": warning(
        "Every example has an answer with weight 1.",
        "It costs tokens, but the model learns nothing from it.",
        "Give an answer weight 1, or remove the example.",
    ),
    "chat/name": error(
        "`name` has at most 64 letters, digits, `_` and `-`.",
        "The service rejects other names.",
        "Use letters, digits, `_` and `-`.",
    ),
    # Functions
    "tools/definition": error(
        "A function has a name of at most 64 letters, digits, `_` and `-`, and no two have the same.",
        "The service rejects others.",
        'A tool is {"type": "function", "function": {"name": "…", "parameters": {…}}}.',
    ),
    "tools/schema": error(
        "`parameters` is a JSON Schema that describes an object.",
        "The service rejects the file.",
        'Parameters are {"type": "object", "properties": {…}}.',
    ),
    "tools/schema-extras": error(
        "`parameters` has no `title`, no null `default` and no `anyOf` with null.",
        "Schema generators write them, but the service's preprocessing rejects them after the job has "
        "started.",
        "Remove it.",
    ),
    "tools/mixed": error(
        "An example has `tools` and `tool_calls`, or `functions` and `function_call`, not both.",
        "The latter is the legacy format.",
        "Use `tools` throughout; `ftops data convert` converts the legacy format.",
    ),
    "tools/requests": warning(
        "Functions can be sent in requests: `parameters` has the type object, arrays have `items`, no `$ref` "
        "leads to another document, objects of a `strict` function have no other keys, descriptions have at "
        "most 1,024 characters, calls have their `type`, and `parallel_tool_calls` comes with `tools`, which "
        "aren't empty.",
        "Requests with others are rejected; whether training data with them is rejected isn't known.",
        "Correct it, so that the tuned model can be called with the same functions.",
    ),
    "tools/parallel": warning(
        "If `parallel_tool_calls` is false, no message has several calls.",
        "The model would learn several calls at once, which requests with this setting don't allow.",
        "Remove `parallel_tool_calls`, or write one call per message.",
    ),
    "tools/too-many": error(
        "An example has at most 128 functions.",
        "The service doesn't accept more.",
        "Remove functions that are never called.",
    ),
    "tools/call": error(
        "A call has a function with `name` and `arguments`; a tool call also has its own `id`.",
        "The service rejects others.",
        'A call is {"id": "call_1", "type": "function", "function": {"name": "…", "arguments": "{…}"}}.',
    ),
    "tools/arguments": error(
        "`arguments` is a JSON object as text.",
        _WRONG_CALLS,
        r'Write an object as text: "{\"place\": \"Paris\"}".',
    ),
    "tools/arguments-schema": error(
        "Arguments match the function's parameters.",
        _WRONG_CALLS,
        "Correct the arguments, or the parameters.",
    ),
    "tools/not-offered": error(
        "Called functions are among those of the example.",
        _REJECTED_LATE,
        "Add its definition, or remove all functions.",
    ),
    "tools/none-offered": note(
        "If functions are called, the example defines functions.",
        "Omitting them saves tokens, but works only if callers omit them too.",
        "Define the functions that callers will send.",
    ),
    "tools/result": error(
        "A result belongs to a call before it: by `tool_call_id`, or by the function's `name`.",
        _REJECTED_LATE,
        "Correct the id, or remove the message.",
    ),
    "tools/result-text": warning(
        "The result of a call is a text.",
        "The service's documentation of training data has only texts; parts are known from requests.",
        "Write the result as text.",
    ),
    "tools/no-result": warning(
        "A call gets its result before the conversation continues.",
        "Callers always send the result, so the model would learn from a conversation that never occurs.",
        "Add the result as a tool message.",
    ),
    "tools/differ": warning(
        "A function has the same definition in all examples.",
        "Calls are better if the definitions in training and in use are identical.",
        "Use one definition, and the same one when the model is called.",
    ),
    # Images
    "vision/part": error(
        "A part of `content` is a text, or an image with its `url`.",
        "",
        'Parts are {"type": "text", "text": "…"} and {"type": "image_url", "image_url": {"url": "…"}}.',
    ),
    "vision/role": error(
        "Images are in user messages.",
        "The service accepts images only in user messages.",
        "Move the image to a user message.",
    ),
    "vision/url": error(
        "An image is an http or https URL, or a data URI in base64.",
        "The service can't fetch anything else.",
        "Write https://…, or data:image/png;base64,….",
    ),
    "vision/kind": error(
        "An image is JPEG, PNG or WEBP, in RGB or RGBA, and matches its declared type.",
        "The service skips others.",
        "Convert the image.",
    ),
    "vision/truncated": error(
        "An image is complete.",
        "The service can't read it.",
        "Export it again.",
    ),
    "vision/too-large": error(
        "An image is not larger than 10 MB.",
        "The service doesn't accept larger images.",
        "Make it smaller.",
    ),
    "vision/too-many": error(
        "An example has at most 64 images, and a file 50,000 examples with images.",
        "The service doesn't accept more.",
        "Split the example, or remove images.",
    ),
    "vision/detail": error("`detail` is low, high or auto.", "", "Write low, high or auto, or remove it."),
    # Preference pairs
    "preference/shape": error(
        "An example has `input` with `messages`, `preferred_output` and `non_preferred_output`.",
        "The method dpo trains on pairs.",
        'A pair is {"input": {"messages": […]}, "preferred_output": […], "non_preferred_output": […]}.',
    ),
    "preference/output": error(
        "An output has assistant and tool messages, and at least one assistant message.",
        "The service rejects others.",
        'An output is [{"role": "assistant", "content": "…"}].',
    ),
    "preference/same": error(
        "The two outputs differ.",
        "There is no preference to learn.",
        "Remove the example, or correct an output.",
    ),
    "preference/input": warning(
        "The input doesn't end with an assistant message.",
        "The outputs are the next assistant messages.",
        "Move the answer to the outputs.",
    ),
    # Reinforcement
    "reinforcement/last-message": error(
        "The last message is a user message.",
        "The model's own answers are graded; the service rejects other examples.",
        "Remove the answer; if the grader needs it, keep it in a key next to `messages`.",
    ),
    "reinforcement/no-fields": warning(
        "An example has keys besides `messages` for the grader.",
        "Without them, the grader sees only the answer of the model.",
        "Add the expected answer, for example as `answer`. If the model is to learn an answer (method "
        "supervised), add it as an assistant message.",
    ),
    "reinforcement/fields": warning(
        "All examples have the same keys for the grader.",
        "A grader template such as {{item.answer}} would be empty.",
        "Add the key, or correct its spelling.",
    ),
}
