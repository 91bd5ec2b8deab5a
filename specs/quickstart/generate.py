"""Writes data/train.jsonl and data/valid.jsonl from phrasings.json.

The files are committed, so you don't need this script to try the example. Use it to change the data:
the same seed gives the same bytes.

In phrasings.json, a request that starts with a lower-case letter is a command and gets an opener
("please …"); one that starts with an upper-case letter is a whole sentence. `{pan}` and
`{direction:pan}` are replaced by a word from the list `pan`. If the part before the colon is a
parameter of the function, the word also becomes its argument.
"""

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, product, zip_longest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class Split:
    """Number of requests in one file."""

    file: str
    commands: int
    rejections: int


SPLITS = (Split("train.jsonl", 180, 70), Split("valid.jsonl", 34, 14))


@dataclass(frozen=True, slots=True)
class Example:
    """A request, and the call that answers it."""

    prompt: str
    function: str
    arguments: dict[str, Any]


def main() -> int:
    options = parse_arguments()
    files = generate(options.seed)
    if options.check:
        return check(files, options.out)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (options.out / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {len(text.splitlines())} examples")
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Generate the training and validation data.")
    parser.add_argument("--seed", type=int, default=105, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=HERE / "data", help="default: data")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if the files in --out differ"
    )
    return parser.parse_args()


def check(files: dict[str, str], folder: Path) -> int:
    stale = [name for name, text in files.items() if read(folder / name) != text.encode()]
    for name in stale:
        print(f"{folder / name} is not what generate.py makes: run it again", file=sys.stderr)
    return 1 if stale else 0


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def generate(seed: int) -> dict[str, str]:
    """The text of each file, by its name."""
    rng = random.Random(seed)
    tools = load("functions.json")
    system = (HERE / "system.txt").read_text(encoding="utf-8").strip()
    phrasings = load("phrasings.json")
    requests = phrasings["requests"]
    commands = spread([r for r in requests if "theme" not in r], phrasings, tools, rng)
    rejections = spread([r for r in requests if "theme" in r], phrasings, tools, rng)
    files = {}
    for split in SPLITS:
        examples = [*islice(commands, split.commands), *islice(rejections, split.rejections)]
        rng.shuffle(examples)
        lines = [line(example, index, system, tools) for index, example in enumerate(examples, 1)]
        files[split.file] = "".join(lines)
    return files


def load(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def spread(requests: Any, phrasings: Any, tools: Any, rng: random.Random) -> Iterator[Example]:
    """Examples in an order that alternates between functions or themes, and between their phrases."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    topics: dict[str, list[list[Example]]] = defaultdict(list)
    for request in requests:
        parameters = list(schemas[request["function"]]["properties"])
        for phrase in request["say"]:
            variants = list(vary(phrase, request, parameters, phrasings))
            rng.shuffle(variants)
            topics[request.get("theme", request["function"])].append(variants)
    for phrases in topics.values():
        rng.shuffle(phrases)
    return unseen(interleave(interleave(phrases) for phrases in topics.values()))


def vary(phrase: str, request: Any, parameters: list[str], phrasings: Any) -> Iterator[Example]:
    """A phrase with each combination of openers and words for its slots."""
    slots = [(name, words or name) for name, words in SLOT.findall(phrase)]
    openers = phrasings["openers"] if phrase[0].islower() else ["{}"]
    for words in product(*(phrasings["words"][source] for _, source in slots)):
        text = SLOT.sub("{}", phrase).format(*words)
        given = request.get("with", {}) | {name: word for (name, _), word in zip(slots, words, strict=True)}
        arguments = {name: given[name] for name in parameters if name in given}
        for opener in openers:
            prompt = opener.format(text)
            yield Example(prompt[0].upper() + prompt[1:], request["function"], arguments)


def interleave(pools: Iterable[Iterable[Example]]) -> Iterator[Example]:
    """The first item of each pool, then the second of each, and so on."""
    for row in zip_longest(*pools):
        yield from (example for example in row if example is not None)


def unseen(examples: Iterable[Example]) -> Iterator[Example]:
    """The items without duplicate prompts and without prompts of the evaluation."""
    seen = {plain(prompt) for prompts in load("prompts.json").values() for prompt in prompts}
    for example in examples:
        if plain(example.prompt) not in seen:
            seen.add(plain(example.prompt))
            yield example


def plain(prompt: str) -> str:
    return " ".join(re.findall(r"[\w/-]+", prompt.casefold()))


def line(example: Example, index: int, system: str, tools: Any) -> str:
    """One line of a file. A call has no `content`, because the service rejects `content: null`."""
    function = {"name": example.function, "arguments": json.dumps(example.arguments)}
    call = {"id": f"call_{index}", "type": "function", "function": function}
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": example.prompt},
        {"role": "assistant", "tool_calls": [call]},
    ]
    return json.dumps({"messages": messages, "tools": tools}, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    sys.exit(main())
