"""Tokens: the same as tiktoken counts, and examples as OpenAI documents them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.vocabulary import reference
from ftops.dataset.profile.tokens import ENCODINGS, NoEncoding, by_words, counter, exact

Count = Callable[[str], int]


@pytest.fixture(scope="module", params=ENCODINGS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Count, Count]]:
    name = request.param
    with reference(tmp_path_factory.mktemp("vocabulary"), name) as theirs:
        yield exact(name), lambda text: len(theirs.encode_ordinary(text))


PIECES = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    st.sampled_from(
        [
            "'s",
            "'LL",
            "<|endoftext|>",
            " the",
            "12345",
            "\r\n",
            "\n\n  ",
            "aaaaaaaa",
            "\u017f",
            "日本語",
            "👩‍👩‍👧",
        ]
    ),
)


@settings(max_examples=400, deadline=None)
@given(pieces=st.lists(PIECES, max_size=6))
def test_counts_are_those_of_tiktoken(both: tuple[Count, Count], pieces: list[str]) -> None:
    ours, theirs = both
    text = "".join(pieces)
    assert ours(text) == theirs(text)


SPACED = st.lists(
    st.one_of(
        st.text(max_size=4),
        st.sampled_from(
            [
                *(
                    " ",
                    "  ",
                    "\n",
                    "\r\n",
                    "\t",
                    "\u00a0",
                    "\u2028",
                    "\u3000",
                    "\x1c",
                    "\x85",
                    "\u200b",
                    "\u0301",
                ),
                *(
                    "word",
                    "Word",
                    "WORD",
                    "it's",
                    "'s",
                    "5",
                    "1234",
                    ".",
                    "/",
                    "--",
                    "é",
                    "中文",
                    "ß",
                    "😀",
                    "(",
                ),
            ]
        ),
    ),
    max_size=14,
).map("".join)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_words_add_up_to_their_text(encoding: str) -> None:
    whole = exact(encoding)

    @settings(max_examples=600, deadline=None)
    @given(text=SPACED)
    def adds_up(text: str) -> None:
        try:
            expected = whole(text)
        except UnicodeEncodeError:
            return
        assert in_words(text) == in_words(text) == expected

    in_words = by_words(whole)
    adds_up()


@pytest.mark.parametrize("text", ["a" * 20_000, " " * 20_000, "\n" * 20_000, "=" * 20_000, "ab " * 20_000])
def test_long_runs(both: tuple[Count, Count], text: str) -> None:
    ours, theirs = both
    assert ours(text) == theirs(text)


MESSAGES = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon "
        "into plain English.",
    },
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Things working well together will increase revenue.",
    },
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for "
        "increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
WEATHER = {
    "name": "get_current_weather",
    "description": "Get the current weather in a given location",
    "parameters": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"},
            "unit": {
                "type": "string",
                "description": "The unit of temperature to return",
                "enum": ["celsius", "fahrenheit"],
            },
        },
        "required": ["location"],
    },
}
ASKED = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


@pytest.mark.parametrize(
    ("encoding", "example", "documented"),
    [
        ("o200k_base", {"messages": MESSAGES}, 124),
        ("cl100k_base", {"messages": MESSAGES}, 129),
        ("o200k_base", {"messages": ASKED, "tools": [{"type": "function", "function": WEATHER}]}, 101),
        ("cl100k_base", {"messages": ASKED, "tools": [{"type": "function", "function": WEATHER}]}, 105),
        ("cl100k_base", {"messages": ASKED, "functions": [WEATHER]}, 105),
    ],
)
def test_what_the_cookbook_says_the_service_counts(
    encoding: str, example: dict[str, Any], documented: int
) -> None:
    """The figures of OpenAI's cookbook, "How to count tokens with tiktoken": prompt tokens as billed."""
    assert counter(encoding).tokens(example) == documented


def test_what_is_trained_and_what_is_only_read() -> None:
    example = {
        "messages": [
            {"role": "user", "content": "one two three"},
            {"role": "assistant", "content": "masked", "weight": 0},
            {"role": "user", "content": "four"},
            {"role": "assistant", "content": "learned", "weight": 1},
        ]
    }
    count = counter("o200k_base")
    trained = sum(part.tokens for part in count.parts(example) if part.trained)
    assert trained == 3 + count.count("assistant") + count.count("learned")


def test_calls_count_in_either_form() -> None:
    call = {"name": "land", "arguments": '{"where":"home"}'}
    legacy = {"messages": [{"role": "assistant", "function_call": call}]}
    modern = {
        "messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": call}]}]
    }
    count = counter("o200k_base")
    assert count.tokens(legacy) == count.tokens(modern) > count.tokens({"messages": [{"role": "assistant"}]})


def test_both_answers_of_a_preference_pair_count() -> None:
    def pair(said: str) -> dict[str, Any]:
        return {
            "input": {"messages": [{"role": "user", "content": "Hi"}]},
            "preferred_output": [{"role": "assistant", "content": "Hello."}],
            "non_preferred_output": [{"role": "assistant", "content": said}],
        }

    count = counter("o200k_base")
    assert count.tokens(pair("No, never again.")) > count.tokens(pair("No."))


def test_an_image_is_not_counted_as_text() -> None:
    data = "data:image/png;base64," + "A" * 10_000
    part = {"type": "image_url", "image_url": {"url": data}}
    count = counter("o200k_base")
    assert count.tokens({"messages": [{"role": "user", "content": [part]}]}) < 100


@pytest.mark.parametrize(
    "example",
    [
        {},
        {"messages": None},
        {"messages": [1, None, {}, {"role": 5, "content": 7, "tool_calls": "x", "function_call": []}]},
        {"messages": [{"role": "user", "content": [1, {"type": "text"}, {"text": 5}]}]},
        {
            "messages": [],
            "tools": [{"function": {"parameters": {"properties": {"a": 1}}}}, 3],
            "functions": 4,
        },
        {"messages": [{"role": "user", "content": "\ud800"}]},
    ],
)
def test_malformed_examples_count_what_there_is(example: dict[str, Any]) -> None:
    assert counter("o200k_base").tokens(example) >= 0


def test_an_unknown_encoding() -> None:
    with pytest.raises(NoEncoding, match="o200k_base, cl100k_base"):
        counter("p50k_base")
