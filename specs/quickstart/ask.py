"""Sends prompts to deployments of the drone copilot, and shows which function each of them calls.

    ask.py "Land on the landing pad"              ask both deployments
    ask.py --deployment copilot "Follow me"       ask one

The endpoint and the key come from options, or from AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    import openai
    from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
except ModuleNotFoundError:
    sys.exit(
        f"ask.py: {sys.executable} has no openai package. The Python of ftops has it:\n"
        f"  ftops exec specs/quickstart -- {sys.argv[0]} PROMPT"
    )

HERE = Path(__file__).resolve().parent
API_VERSION = "2024-10-21"
GAP = "  "


class AskError(Exception):
    """A problem, and what to do about it, as a message for the user."""


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt, and the function call with which each deployment answered it."""

    prompt: str
    answers: list[str]


def main() -> int:
    options = parse_arguments()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        rows = ask_all(options)
        print_table(rows, options.deployment)
        sys.stdout.flush()
    except BrokenPipeError:
        # The pipe was closed (`| head`). Without this, Python prints another error when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    except (openai.OpenAIError, AskError, OSError) as error:
        print(f"ask.py: {explain(error, options)}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("prompt", nargs="+", help="prompts, each sent on its own")
    parser.add_argument("--endpoint", default=os.environ.get("AZURE_OPENAI_ENDPOINT"))
    parser.add_argument("--api-key", default=os.environ.get("AZURE_OPENAI_API_KEY"))
    parser.add_argument(
        "--deployment",
        action="append",
        metavar="NAME",
        help="deployment to call; repeatable (default: copilot and base)",
    )
    options = parser.parse_args()
    options.deployment = options.deployment or ["copilot", "base"]
    if problem := complaint(options):
        parser.error(problem)
    return options


def complaint(options: argparse.Namespace) -> str | None:
    if not options.endpoint:
        return "no endpoint: give --endpoint or set AZURE_OPENAI_ENDPOINT"
    if not options.api_key:
        return "no key: give --api-key or set AZURE_OPENAI_API_KEY"
    if not is_address(options.endpoint):
        return f"the endpoint must be an http or https address, not {options.endpoint!r}"
    if not (options.api_key.isascii() and options.api_key.isprintable()):
        return "the key contains invalid characters: check that it was copied completely"
    return None


def is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def ask_all(options: argparse.Namespace) -> list[Row]:
    """Sends every prompt to every deployment, a few at a time."""
    system = (HERE / "system.txt").read_text(encoding="utf-8").strip()
    tools = json.loads((HERE / "functions.json").read_text(encoding="utf-8"))

    def ask_each(prompt: str) -> Row:
        return Row(prompt, [ask(client, name, prompt, system, tools) for name in options.deployment])

    with (
        openai.AzureOpenAI(
            azure_endpoint=options.endpoint, api_key=options.api_key, api_version=API_VERSION
        ) as client,
        ThreadPoolExecutor(max_workers=4) as pool,
    ):
        return list(pool.map(ask_each, options.prompt))


def ask(client: openai.AzureOpenAI, deployment: str, prompt: str, system: str, tools: Any) -> str:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": system},
        {"role": "user", "content": prompt},
    ]
    try:
        completion = client.chat.completions.create(
            model=deployment, messages=messages, tools=tools, tool_choice="required", temperature=0
        )
        return read_answer(completion)
    except openai.NotFoundError as error:
        raise AskError(f"no deployment {deployment}: has `ftops apply` finished?") from error
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        # The SDK accepts any reply as a completion, so an invalid one fails only when it is read.
        raise AskError("the server is not Azure OpenAI: check the endpoint") from error


def read_answer(completion: ChatCompletion) -> str:
    for call in completion.choices[0].message.tool_calls or ():
        if call.type == "function":
            return f"{call.function.name}({shorten(call.function.arguments)})"
    return "no call"


def shorten(arguments: str) -> str:
    """The arguments as `mode=video, duration=30`; the text itself if it isn't valid JSON."""
    try:
        return ", ".join(f"{name}={value}" for name, value in json.loads(arguments).items())
    except (ValueError, AttributeError):
        return arguments


def print_table(rows: Sequence[Row], deployments: Sequence[str]) -> None:
    heading = ["prompt", *deployments]
    cells = [[row.prompt, *row.answers] for row in rows]
    widths = fit([max(map(len, column)) for column in zip(heading, *cells, strict=True)])
    print(paint("1", join(heading, widths)))
    for texts in cells:
        print(join(texts, widths))


def fit(widths: list[int]) -> list[int]:
    """Shortens the widest columns to the width of the terminal. Output to a pipe isn't shortened."""
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - len(GAP) * (len(widths) - 1)
        while sum(widths) > room and max(widths) > 12:
            widths[widths.index(max(widths))] -= 1
    return widths


def join(texts: Iterable[str], widths: Iterable[int]) -> str:
    padded = [
        (text if len(text) <= width else text[: width - 1] + "…").ljust(width)
        for text, width in zip(texts, widths, strict=True)
    ]
    return GAP.join(padded).rstrip()


def paint(color: str, text: str) -> str:
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
    return text if plain or not color else f"\x1b[{color}m{text}\x1b[0m"


def explain(error: Exception, options: argparse.Namespace) -> str:
    """The problem and what to do about it, in one line."""
    host = urlsplit(options.endpoint).netloc
    match error:
        case openai.APITimeoutError():
            return f"{host} did not answer in time: try again"
        case openai.APIConnectionError():
            return f"cannot reach {host}: check the endpoint, and that it is running"
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return f"{host} refused the key: check --api-key"
        case openai.RateLimitError():
            return f"{host} returned 429 (too many requests): wait a minute, or increase the capacity"
        case _:
            return f"{host}: {' '.join(str(error).split())}"


if __name__ == "__main__":
    sys.exit(main())
