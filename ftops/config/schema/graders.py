"""Graders of reinforcement fine-tuning: a block for each type, and the format of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from ftops.config.schema.block import Block, ListOf, MapOf, OneOf, optional, required
from ftops.config.schema.field_aliases import FIXED_TEXT, OPEN_TEXT, choice
from ftops.config.schema.field_types import Boolean, Integer, JsonSchema, Number, Refused, Untyped
from ftops.config.schema.text_types import Text
from ftops.core.address import Reference, Secret

OPERATIONS = ("eq", "ne", "like", "ilike")
_OPERATIONS = {
    **dict.fromkeys(("equals", "equal", "==", "=", "exact", "exact_match"), "eq"),
    **dict.fromkeys(("not_equals", "not_equal", "!="), "ne"),
    **dict.fromkeys(("contains", "includes", "in"), "like"),
}
_TYPES = {
    **dict.fromkeys(("exact", "exact_match", "equals", "string"), "string_check"),
    **dict.fromkeys(("fuzzy", "bleu", "rouge", "similarity"), "text_similarity"),
    **dict.fromkeys(("judge", "llm", "model", "llm_judge", "model_graded"), "score_model"),
    **dict.fromkeys(("code", "function", "script"), "python"),
}
"""What other tools call operations and types."""
METRICS = ("fuzzy_match", "bleu", "gleu", "meteor", *(f"rouge_{n}" for n in range(1, 6)), "rouge_l")
PARTS = ("string_check", "text_similarity", "score_model", "python", "endpoint")
"""Types that a `multi` grader can combine."""
_CONTENT = ("input_text", "output_text", "input_image")
_TEMPLATE = "{{item.FIELD}} stands for a field of the example, {{sample.output_text}} for the answer."


class Content(Untyped, frozen=True):
    """The content of a message: a text, a part such as {type: input_text, text: …}, or a list of these."""

    json_schema: JsonSchema = field(default_factory=lambda: {"type": ["string", "object", "array"]})

    @property
    def expected(self) -> str:
        return "a text, a mapping with the `type` input_text, output_text or input_image, or a list of these"

    def read(self, value: Any) -> Any:
        converted = super().read(value)
        parts = converted if isinstance(converted, list) else [converted]
        if not parts or not all(map(_is_content, parts)):
            raise Refused(f"must be {self.expected}")
        return converted


def _is_content(part: Any) -> bool:
    return part.get("type") in _CONTENT if isinstance(part, Mapping) else isinstance(part, str | Reference)


class Header(Text, frozen=True):
    """The value of an HTTP header, which may be a secret."""

    def read(self, value: Any) -> Any:
        return value if type(value) is Secret else super().read(value)


class Message(Block, noun="a message of `input`"):
    """One message to the model that grades."""

    role = required(choice("user", "assistant", "system", "developer"), "Who says it.")
    content = required(Content(), f"What is said. {_TEMPLATE}")
    type = optional(choice("message"), "Always `message`.")


class SamplingParams(Block, noun="`sampling_params`"):
    """How the model that grades is asked."""

    seed = optional(Integer(), "Seed.")
    temperature = optional(Number(0, 2), "Temperature.")
    top_p = optional(Number(0, 1), "Share of the probability from which tokens are drawn.")
    max_completions_tokens = optional(Integer(1), "Maximum number of tokens of its answer.")
    reasoning_effort = optional(
        choice("none", "minimal", "low", "medium", "high", "xhigh"), "Reasoning effort of a reasoning model."
    )


class Grader(Block, noun="a grader"):
    """Scores the answers that the model is trained on."""

    type = required(
        choice(*PARTS, "multi", elsewhere=_TYPES),
        "Type of the grader. (label_model is for evaluations only.)",
    )
    name = required(OPEN_TEXT, "Name of the grader, shown in metrics.")
    pass_threshold = optional(Number(), "Lowest score of a right answer, for the share of right answers.")


class StringCheck(Grader, noun="a grader of type string_check"):
    """Compares texts: 1 if the comparison holds, else 0."""

    type = required(choice("string_check"), "Type of the grader.")
    input = required(OPEN_TEXT, f"Text to check. {_TEMPLATE}")
    reference = required(OPEN_TEXT, f"Text to compare it with. {_TEMPLATE}")
    operation = required(
        choice(*OPERATIONS, elsewhere=_OPERATIONS),
        "eq: equal; ne: not equal; like: contains `reference`; ilike: in any case.",
    )


class TextSimilarity(Grader, noun="a grader of type text_similarity"):
    """Measures how similar two texts are, from 0 to 1."""

    type = required(choice("text_similarity"), "Type of the grader.")
    input = required(OPEN_TEXT, f"Text to compare. {_TEMPLATE}")
    reference = required(OPEN_TEXT, f"Text to compare it with. {_TEMPLATE}")
    evaluation_metric = required(choice(*METRICS), "Measure. (cosine is for evaluations only.)")


class ScoreModel(Grader, noun="a grader of type score_model"):
    """Asks a model for a score."""

    type = required(choice("score_model"), "Type of the grader.")
    model = required(OPEN_TEXT, "Model that grades.")
    input = required(ListOf(Message), "Messages to the model.")
    range = optional(ListOf(Number()), "Lowest and highest score; default: [0, 1].")
    sampling_params = optional(SamplingParams, "How the model is asked.")


class Python(Grader, noun="a grader of type python"):
    """Runs Python code that defines `grade(sample, item)`, which returns a number."""

    type = required(choice("python"), "Type of the grader.")
    source = required(OPEN_TEXT, "Code, at most 256 KB. It has no network.")
    image_tag = optional(FIXED_TEXT, "Image in which the code runs.")


class Endpoint(Grader, noun="a grader of type endpoint"):
    """Asks your own HTTP endpoint for a score (preview)."""

    type = required(choice("endpoint"), "Type of the grader.")
    name = optional(OPEN_TEXT, "Name of the grader, shown in metrics.")
    url = required(
        Text(r"https?://\S+", "a URL such as https://grader.example.com/grade"),
        "URL that gets sample and item by POST.",
    )
    headers = optional(MapOf(Header()), "HTTP headers, such as a key: ${env.GRADER_KEY}.")
    rate_limit = optional(Number(above=0), "Requests per second, at most.")


_PARTS: Mapping[str, type[Block]] = {
    "string_check": StringCheck,
    "text_similarity": TextSimilarity,
    "score_model": ScoreModel,
    "python": Python,
    "endpoint": Endpoint,
}


class Part(Grader, noun="a part of a multi grader"):
    """One of the graders that a `multi` grader combines."""

    type = required(choice(*PARTS), "Type of the grader. A multi grader can't contain another one.")


class Multi(Grader, noun="a grader of type multi"):
    """Combines the scores of several graders by a formula."""

    type = required(choice("multi"), "Type of the grader.")
    graders = required(MapOf(OneOf(Part, _PARTS)), "Graders, by the name that the formula uses.")
    calculate_output = required(OPEN_TEXT, "Formula of their names, such as 0.8 * exact + 0.2 * similar.")
    invalid_grade = optional(Number(), "Score of an answer that can't be graded.")


GRADER = OneOf(Grader, {**_PARTS, "multi": Multi})


class AnswerSchema(Block, noun="`json_schema`"):
    """The JSON Schema of answers."""

    name = required(
        Text(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, `-` or `_`", closed=True),
        "Name of the format.",
    )
    schema = required(Untyped(dict), "JSON Schema of an answer.")
    description = optional(OPEN_TEXT, "What the format is for.")
    strict = optional(Boolean(closed=True), "Answers follow the schema exactly.")


class ResponseFormat(Block, noun="`response_format`"):
    """Format of the answers; without one, answers are texts."""

    type = required(choice("json_schema"), "Always `json_schema`; for texts, leave out `response_format`.")
    json_schema = required(AnswerSchema, "The JSON Schema, with its name.")
