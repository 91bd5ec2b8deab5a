"""Recipe: what training data is generated from, with the content of its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import PurePath
from typing import Any

import msgspec
from msgspec import Struct, field

from ftops.dataset.files.jsonl_io import canonical, lines_of, list_at
from ftops.evaluation.expectations import schemas_of
from ftops.evaluation.inputs import read_text, read_tools
from ftops.evaluation.schemas import Schema
from ftops.generation.phrasings import Phrasings, read_phrasings
from ftops.generation.plain import plain
from ftops.generation.schema_values import Choice
from ftops.generation.targets import Target

JUDGE = "judge"
"""The step that has a model of its own."""


class Price(Struct, frozen=True):
    """Dollars for a million tokens."""

    input: float
    output: float


class Teacher(Struct, frozen=True):
    """What writes requests: a deployment, an endpoint, or templates."""

    deployment: str = ""
    endpoint: str = ""
    api_key: str = ""
    """The environment variable with the key."""
    model: str = ""
    templates: str = ""
    settings: Mapping[str, Any] = {}
    """Parameters of each request."""
    price: Price | None = None

    @property
    def identity(self) -> list[str]:
        """What its answers depend on, beside the questions: never the name of a deployment."""
        return [self.endpoint, self.model]


class Write(Struct, frozen=True):
    prompts: int = 2
    each_function: int = 0
    styles: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    temperature: float | None = None
    examples: tuple[str, ...] = ()


class Rejections(Struct, frozen=True):
    function: str = ""
    arguments: Mapping[str, Any] = {}
    reply: str = ""
    file: str = ""
    near: int = 0
    ambiguous: int = 0
    missing: int = 0
    out_of_range: bool = False

    @property
    def target(self) -> Target | None:
        """The call that rejects a request; None if a text does."""
        return Target(self.function, self.arguments) if self.function else None

    @property
    def label(self) -> str:
        """What shares name."""
        return self.function or "reply"


class Verify(Struct, frozen=True):
    round_trip: bool = True
    judge: Teacher | None = None
    validator: tuple[str, ...] = ()
    timeout: float = 60.0


class Coverage(Struct, frozen=True):
    each_function: int = 1
    each_value: int = 0


class Settings(Struct, frozen=True):
    """`generate` of a dataset, as it is written in the spec."""

    tools: str
    teacher: Teacher
    system: str = ""
    words: Mapping[str, tuple[Any, ...]] = {}
    numbers: int = 3
    write: Write = Write()
    rejections: Rejections | None = None
    verify: Verify = Verify()
    coverage: Coverage = Coverage()
    shares: Mapping[str, float] = {}
    examples: int = 0
    held_out: float = 0.0
    avoid: tuple[str, ...] = ()
    budget: float | None = None
    seed: int = 1


_PLAIN = ("words", "numbers", "write", "shares", "examples", "held_out", "seed")
"""Settings that the data depends on as they are."""


class Recipe(Struct, frozen=True, dict=True):
    """`avoid` has the prompts that mustn't be in the data, each with the file that has it."""

    name: str
    settings: Settings
    tools: tuple[Mapping[str, Any], ...]
    system: str = ""
    phrasings: Phrasings | None = None
    rejected: tuple[str, ...] = ()
    avoid: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def schemas(self) -> dict[str, Schema]:
        """Of the functions that are taught; that which rejects isn't one of them."""
        rejections = self.settings.rejections
        schemas = schemas_of(self.tools)
        return {name: s for name, s in schemas.items() if not rejections or name != rejections.function}

    def identity(self, step: str, version: int) -> str:
        """What answers of a step are kept under."""
        judge = self.settings.verify.judge
        model = judge if step == JUDGE and judge else self.settings.teacher
        return f"{' '.join(filter(None, (f'{step}@{version}', model.endpoint)))}|{model.model}"

    @property
    def choice(self) -> Choice:
        return Choice(self.settings.words, self.settings.numbers, self.settings.seed)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of each input that the data depends on, by the key of the spec that gives it."""
        s = self.settings
        phrasings = self.phrasings.content if self.phrasings else None
        teacher, judge = s.teacher, s.verify.judge
        verify = [s.verify.round_trip, judge and [judge.identity, judge.settings], s.verify.validator]
        values = {
            "tools": self.tools,
            "system": self.system,
            "teacher": [teacher.identity, teacher.settings, phrasings],
            "rejections": [s.rejections, self.rejected],
            "verify": verify,
            "avoid": sorted(self.avoid),
            **{key: getattr(s, key) for key in _PLAIN},
        }
        return {key: sha256(canonical(value)).hexdigest()[:16] for key, value in values.items()}


def settings_from(data: Mapping[str, Any]) -> Settings:
    """Of a block that the schema has checked."""
    return msgspec.convert(data, Settings)


Read = Callable[[tuple[str, ...], str], tuple[bytes, str]]
"""The content of a file that a key of `generate` names, and its name for messages."""


def read_recipe(name: str, settings: Settings, read: Read, kept_out: Sequence[str] = ()) -> Recipe:
    """`kept_out`: other files whose prompts mustn't be in the data. Raises SpecError, UsageError."""
    tools = read_tools(*read(("tools",), settings.tools))
    system = read_text(*read(("system",), settings.system)).strip() if settings.system else ""
    recipe = Recipe(name, settings, tools, system)
    phrasings, rejected = None, []
    if settings.teacher.templates:
        content = read(("teacher", "templates"), settings.teacher.templates)
        phrasings = read_phrasings(*content, recipe.schemas)
    if settings.rejections and settings.rejections.file:
        text = read_text(*read(("rejections", "file"), settings.rejections.file))
        rejected = list(dict.fromkeys(filter(None, map(str.strip, text.splitlines()))))
    avoid: dict[str, str] = {}
    for path in (*settings.avoid, *kept_out):
        for prompt in _prompts(*read(("avoid",), path), tools):
            avoid.setdefault(plain(prompt), path)
    return Recipe(name, settings, tools, system, phrasings, tuple(rejected), avoid)


def _prompts(content: bytes, name: str, tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """The last message of a user in each example, each line of a text, or the prompts of an evaluation."""
    suffix = PurePath(name).suffix.lower()
    if suffix == ".jsonl":
        examples = [line.example for line in lines_of(content) if line.example is not None]
        return [text for example in examples if (text := _last_request(example))]
    if suffix == ".txt":
        return read_text(content, name).splitlines()
    from ftops.evaluation.prompts import read_prompts

    return [prompt.text for prompt in read_prompts(content, name, tools)]


def _last_request(example: Mapping[str, Any]) -> str:
    if isinstance(example.get("prompt"), str):
        return str(example["prompt"])
    messages = [m for m in list_at(example, "messages") if isinstance(m, dict) and m.get("role") == "user"]
    content = messages[-1].get("content") if messages else ""
    return content if isinstance(content, str) else ""
