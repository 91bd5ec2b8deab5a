"""Generation: what the examples of a dataset are made from."""

from __future__ import annotations

from typing import Any

from ftops.config.schema.block import Block, ListOf, MapOf, optional, required
from ftops.config.schema.field_aliases import AMOUNT, FIXED_TEXT, FLAG
from ftops.config.schema.field_types import FieldType, Integer, JsonSchema, Number, Untyped
from ftops.core.address import Secret

_COUNT = Integer(minimum=0, closed=True)
_SHARE = Number(minimum=0, maximum=1, closed=True)


class KeyVariable(FieldType, frozen=True):
    """The environment variable with a key: `${env.NAME}`. Its value is read only when a request is sent.
    Empty if the key itself is written; the loader reports that without showing it."""

    def read(self, value: Any) -> Any:
        return value.name if isinstance(value, Secret) else ""

    def schema(self) -> JsonSchema:
        return {"type": "string", "pattern": r"^\$\{\s*env\.[A-Za-z_][A-Za-z0-9_]*\s*\}$"}


class PriceBlock(Block, noun="`price`"):
    """Dollars for a million tokens."""

    input = required(AMOUNT, "Dollars for a million tokens of requests.")
    output = required(AMOUNT, "Dollars for a million tokens of answers.")


class ModelBlock(Block, noun="a model"):
    """A deployment of the spec, or an endpoint with the API of OpenAI."""

    deployment = optional(FIXED_TEXT, "Name of a deployment of this spec, which was applied before.")
    endpoint = optional(FIXED_TEXT, "Address of another service with the API of OpenAI.")
    api_key = optional(KeyVariable(), "Key of the endpoint: ${env.NAME}.")
    model = optional(FIXED_TEXT, "Model of the endpoint.")
    settings = optional(Untyped(dict, "{temperature: 0.8}"), "Parameters of each request.")
    price = optional(PriceBlock, "What the model costs, to estimate costs and keep a budget.")


class TeacherBlock(ModelBlock, noun="`teacher`"):
    """What writes the requests: a deployment, an endpoint, or templates."""

    templates = optional(FIXED_TEXT, "File of phrasings, which requests are made of without a model.")


class WriteBlock(Block, noun="`write`"):
    """The requests for each call."""

    prompts = optional(Integer(1, 100, closed=True), "Requests for each call, in each style and language.", 2)
    each_function = optional(_COUNT, "Requests for each function: if it has few calls, more for each.", 0)
    styles = optional(ListOf(FIXED_TEXT), "Styles, such as terse or polite.")
    languages = optional(ListOf(FIXED_TEXT), "Languages, such as English.")
    temperature = optional(Number(0, 2, closed=True), "Temperature of these requests.")
    examples = optional(ListOf(FIXED_TEXT), "Real requests, which show the teacher the tone.")


class RejectionsBlock(Block, noun="`rejections`"):
    """Requests that can't be met, and how they are rejected: by a call of `function`, or with `reply`."""

    function = optional(FIXED_TEXT, "Function that rejects a request.")
    arguments = optional(Untyped(dict, "{city: Paris}"), "Arguments of that function.")
    reply = optional(FIXED_TEXT, "Text that rejects a request.")
    file = optional(FIXED_TEXT, "File of such requests, one on each line.")
    near = optional(_COUNT, "Requests that fit the functions, but that none of them can meet.", 0)
    ambiguous = optional(_COUNT, "Requests that aren't clear.", 0)
    missing = optional(_COUNT, "Requests without a required argument.", 0)
    out_of_range = optional(FLAG, "Requests with numbers outside of the limits of the schemas.", False)


class VerifyBlock(Block, noun="`verify`"):
    """Checks of each request, beside those by rules."""

    round_trip = optional(FLAG, "Whether the teacher, given the request alone, must make the call.", True)
    judge = optional(ModelBlock, "Model that judges whether the call answers the request.")
    validator = optional(ListOf(FIXED_TEXT), "Program, with its arguments, that checks calls.")
    timeout = optional(Number(above=0, maximum=3600, closed=True), "Seconds for the program.", 60)


class CoverageBlock(Block, noun="`coverage`"):
    """How many examples there must be."""

    each_function = optional(_COUNT, "Of each function.", 1)
    each_value = optional(_COUNT, "Of each value of each parameter.", 0)


class GenerateBlock(Block, noun="`generate`"):
    """What the examples of a dataset are made from."""

    tools = required(FIXED_TEXT, "File of functions, as JSON.")
    teacher = required(TeacherBlock, "What writes the requests.")
    system = optional(FIXED_TEXT, "File with the system message.")
    words = optional(
        MapOf(Untyped(list, "[Paris, Rome]")),
        "Values of parameters, by name or by `function.parameter`: {city: [Paris]}.",
    )
    numbers = optional(Integer(1, 1000, closed=True), "Values of each number: both ends, and others.", 3)
    write = optional(WriteBlock, "The requests for each call.")
    rejections = optional(RejectionsBlock, "Requests that can't be met.")
    verify = optional(VerifyBlock, "Checks of each request.")
    coverage = optional(CoverageBlock, "How many examples there must be.")
    shares = optional(MapOf(_SHARE), "Shares of functions in the examples: {reject_request: 0.28}.")
    examples = optional(_COUNT, "Number of examples; 0: as many as the shares allow.", 0)
    held_out = optional(
        Number(minimum=0, maximum=0.5, closed=True), "Share that is kept out of training, by call.", 0
    )
    avoid = optional(ListOf(FIXED_TEXT), "Files whose prompts mustn't be in the examples.")
    budget = optional(Number(above=0, closed=True), "Dollars that one run may spend.")
    seed = optional(Integer(0, 2**31 - 1, closed=True), "A different seed gives other examples.", 1)
