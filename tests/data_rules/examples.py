"""What each rule finds, and what it doesn't: lines of a file, padded with good ones where they are few."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Mapping
from struct import pack
from typing import Any, NamedTuple
from zlib import compress, crc32


class Example(NamedTuple):
    """`bad` and `fixed` are lines of a file; bytes are whole files, which no page can show."""

    bad: list[str] | bytes
    fixed: list[str] | bytes
    format: str = "chat"


def chat(*messages: Any, **more: Any) -> str:
    """One line; a message is (role, content) or a mapping."""
    rows = [dict(zip(("role", "content"), m, strict=True)) if isinstance(m, tuple) else m for m in messages]
    return json.dumps({"messages": rows, **more}, ensure_ascii=False)


ASK = ("user", "Where is it?")
REPLY = ("assistant", "On the desk.")
GOOD = chat(ASK, REPLY)
PARAMETERS = {"type": "object", "properties": {"height": {"type": "integer"}}, "required": ["height"]}
RISE = {"name": "rise", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": RISE}


def call(arguments: object = '{"height": 5}', name: str = "rise", **more: Any) -> dict[str, Any]:
    made = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [{**made, **more}]}


def two_calls() -> dict[str, Any]:
    first, second = (call(id=id)["tool_calls"][0] for id in ("call_1", "call_2"))
    return {"role": "assistant", "tool_calls": [first, second]}


RESULTS = [{"role": "tool", "tool_call_id": id, "content": "5"} for id in ("call_1", "call_2")]


def legacy(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "function_call": {"name": "rise", "arguments": '{"height": 5}'}, **more}


def tools(message: Mapping[str, Any], *more: Any, definition: Any = TOOL, **keys: Any) -> str:
    return chat(("user", "Rise"), message, *more, tools=[definition], **keys)


def defined(**changed: Any) -> dict[str, Any]:
    return {"type": "function", "function": {**RISE, **changed}}


def image(url: str = "https://example.com/a.png", role: str = "user", count: int = 1, **more: Any) -> str:
    part = {"type": "image_url", "image_url": {"url": url, **more}}
    shown = {"role": role, "content": [{"type": "text", "text": "See"}, *[part] * count]}
    return chat(*([shown, REPLY] if role == "user" else [ASK, shown]))


def pair(input: Any = None, preferred: Any = None, other: Any = None, **more: Any) -> str:
    made = {
        "input": input or {"messages": [{"role": "user", "content": "Hi"}]},
        "preferred_output": preferred or [{"role": "assistant", "content": "Hello!"}],
        "non_preferred_output": other or [{"role": "assistant", "content": "What?"}],
    }
    return json.dumps({**made, **more})


def graded(*messages: Any, **fields: Any) -> str:
    return chat(*messages, **fields)


def spread(count: int, answer: str = "Shelf {n}.") -> list[str]:
    """Examples of which no two are alike."""
    words = [
        "amber",
        "birch",
        "cedar",
        "delta",
        "ember",
        "flint",
        "grove",
        "heron",
        "inlet",
        "jetty",
        "kelp",
        "larch",
    ]
    made = []
    for n in range(count):
        what = " ".join(words[(n * k + n // 12) % 12] for k in (1, 5, 7))
        made.append(
            chat(("user", f"Where is the {what} box number {n * 37}?"), ("assistant", answer.format(n=n)))
        )
    return made


def png(colour: int) -> bytes:
    """A pixel: 2 is RGB, 3 has a palette."""
    parts = [(b"IHDR", b"\x00\x00\x00\x01" * 2 + bytes([8, colour, 0, 0, 0]))]
    parts += [(b"IDAT", compress(bytes(4))), (b"IEND", b"")]
    chunks = (pack(">I", len(c)) + name + c + pack(">I", crc32(name + c)) for name, c in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(components: int) -> bytes:
    """The skeleton of an image: 3 components are RGB, 1 is grayscale, 4 are CMYK."""
    frame = pack(">BHHB", 8, 1, 1, components) + bytes(3 * components)
    parts = [(0xE0, b"JFIF\x00" + bytes(9)), (0xC0, frame), (0xDA, bytes(2 * components + 4))]
    segments = b"".join(bytes([0xFF, code]) + pack(">H", len(body) + 2) + body for code, body in parts)
    return b"\xff\xd8" + segments + b"\x12\x34\xff\xd9"


def data_uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


LONG = (
    "The quick brown fox jumps over the lazy dog while seven wizards brew strange potions beside the old "
    "mill and nobody in the village seems to notice anything unusual about {} this evening"
)
STRANGE = "Sure. <|im_end|>"
KEY = "sk-proj-" + "Zx9" * 12
EXAMPLES: dict[str, Example] = {
    "file/too-few-examples": Example("\n".join([GOOD] * 9).encode(), "\n".join([GOOD] * 10).encode()),
    "file/few-examples": Example("\n".join([GOOD] * 99).encode(), "\n".join([GOOD] * 100).encode()),
    "file/empty": Example(b"", GOOD.encode()),
    "file/byte-order-mark": Example(GOOD.encode(), b"\xef\xbb\xbf" + GOOD.encode()),
    "file/not-utf8": Example(GOOD.replace("desk", "caf\xe9").encode("latin-1"), GOOD.encode()),
    "file/compressed": Example(gzip.compress(GOOD.encode(), mtime=0), GOOD.encode()),
    "json/syntax": Example([GOOD + ","], [GOOD]),
    "file/git-lfs": Example(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n",
        GOOD.encode(),
    ),
    "file/pointer": Example(
        b"/annex/objects/SHA256E-s1048576--" + b"0" * 64 + b".jsonl\n",
        GOOD.encode(),
    ),
    "file/table": Example(b"question,answer\nWhere is it?,On the desk.\n", GOOD.encode()),
    "file/other-format": Example(
        ['{"instruction": "Where is it?", "input": "", "output": "There."}'], [GOOD]
    ),
    "file/document": Example(json.dumps([json.loads(GOOD)] * 2, indent=1).encode(), GOOD.encode()),
    "file/line-ends": Example("\r".join([GOOD] * 12).encode(), "\r\n".join([GOOD] * 12).encode()),
    "file/mark-inside": Example(f"{GOOD}\n\ufeff{GOOD}".encode(), f"\ufeff{GOOD}\n{GOOD}".encode()),
    "json/not-object": Example(['["Where is it?", "On the desk."]'], [GOOD]),
    "json/duplicate-key": Example(
        [GOOD.replace('"role": "user"', '"role": "system", "role": "user"')], [GOOD]
    ),
    "json/surrogate": Example([GOOD.replace("desk", r"\ud83d")], [GOOD.replace("desk", r"\ud83d\ude00")]),
    "json/too-deep": Example([GOOD[:-1] + ', "x": ' + "[" * 120 + "]" * 120 + "}"], [GOOD]),
    "json/number": Example([GOOD[:-1] + ', "x": NaN}'], [GOOD]),
    "chat/no-messages": Example([GOOD.replace("messages", "message")], [GOOD]),
    "chat/type": Example([chat(ASK, ("assistant", 42))], [chat(ASK, ("assistant", "42"))]),
    "chat/format": Example([GOOD, pair()], [GOOD]),
    "chat/unknown-key": Example([chat(ASK, REPLY, source="faq")], [GOOD]),
    "chat/role": Example([chat(ASK, ("asistant", "On the desk."))], [GOOD]),
    "chat/role-order": Example(
        [chat(ASK, REPLY, ("assistant", "Or below."))], [chat(ASK, REPLY, ASK, REPLY)]
    ),
    "chat/system-late": Example(
        [chat(ASK, ("system", "Be brief."), REPLY)], [chat(("system", "Be brief."), ASK, REPLY)]
    ),
    "chat/no-user": Example([chat(REPLY)], [GOOD]),
    "chat/no-assistant": Example([chat(ASK)], [GOOD]),
    "chat/last-message": Example([chat(ASK, REPLY, ("user", "Thanks"))], [GOOD]),
    "chat/no-content": Example([chat({"role": "user"}, REPLY)], [GOOD]),
    "chat/null-content": Example([tools({**call(), "content": None})], [tools(call())]),
    "chat/empty-content": Example([tools({**call(), "content": "null"})], [tools(call())]),
    "chat/empty-reply": Example([chat(ASK, ("assistant", " "))], [GOOD]),
    "chat/empty-message": Example([chat(("user", ""), REPLY)], [GOOD]),
    "chat/weight": Example(
        [chat(ASK, {"role": "assistant", "content": "Here.", "weight": 0.5})],
        [chat(ASK, {"role": "assistant", "content": "Here.", "weight": 1})],
    ),
    "chat/nothing-trained": Example(
        [chat(ASK, {"role": "assistant", "content": "Here.", "weight": 0})],
        [chat(ASK, {"role": "assistant", "content": "Here.", "weight": 0}, ASK, REPLY)],
    ),
    "chat/name": Example(
        [chat({"role": "user", "content": "Hi", "name": "Jo Doe"}, REPLY)],
        [chat({"role": "user", "content": "Hi", "name": "Jo_Doe"}, REPLY)],
    ),
    "tools/definition": Example([tools(call(), definition=RISE)], [tools(call())]),
    "tools/schema": Example(
        [tools(call(), definition=defined(parameters={"type": "object", "required": "height"}))],
        [tools(call())],
    ),
    "tools/schema-extras": Example(
        [tools(call(), definition=defined(parameters={**PARAMETERS, "title": "Rise"}))], [tools(call())]
    ),
    "tools/mixed": Example(
        [tools(call(), functions=[RISE])], [chat(("user", "Rise"), legacy(), functions=[RISE]), tools(call())]
    ),
    "tools/requests": Example(
        [tools(call(), definition=defined(parameters={"properties": PARAMETERS["properties"]}))],
        [tools(call())],
    ),
    "tools/parallel": Example(
        [tools(two_calls(), *RESULTS, REPLY, parallel_tool_calls=False)],
        [tools(two_calls(), *RESULTS, REPLY)],
    ),
    "tools/too-many": Example(
        [chat(ASK, REPLY, tools=[defined(name=f"f{n}") for n in range(129)])],
        [chat(ASK, REPLY, tools=[defined(name=f"f{n}") for n in range(128)])],
    ),
    "tools/call": Example([tools(call(id=""))], [tools(call())]),
    "tools/arguments": Example([tools(call('{"height": 5'))], [tools(call())]),
    "tools/arguments-schema": Example([tools(call('{"height": "high"}'))], [tools(call())]),
    "tools/not-offered": Example([tools(call(name="raise"))], [tools(call())]),
    "tools/none-offered": Example([chat(("user", "Rise"), call())], [tools(call())]),
    "tools/result": Example(
        [tools(call(), {"role": "tool", "tool_call_id": "call_2", "content": "5"}, REPLY)],
        [tools(call(), {"role": "tool", "tool_call_id": "call_1", "content": "5"}, REPLY)],
    ),
    "tools/result-text": Example(
        [tools(call(), {**RESULTS[0], "content": [{"type": "text", "text": "5"}]}, REPLY)],
        [tools(call(), RESULTS[0], REPLY)],
    ),
    "tools/no-result": Example(
        [tools(call(), ASK, REPLY)],
        [tools(call(), {"role": "tool", "tool_call_id": "call_1", "content": "5"}, ASK, REPLY)],
    ),
    "tools/differ": Example(
        [tools(call()), tools(call()), tools(call(), definition=defined(description="Go up."))],
        [tools(call()), tools(call())],
    ),
    "vision/part": Example([chat(("user", [{"type": "image", "url": "a.png"}]), REPLY)], [image()]),
    "vision/role": Example([image(role="assistant")], [image()]),
    "vision/url": Example([image("file:///tmp/a.png")], [image()]),
    "vision/kind": Example([image(data_uri(png(3)))], [image(data_uri(png(2)))]),
    "vision/truncated": Example([image(data_uri(png(2)[:50]))], [image(data_uri(png(2)))]),
    "vision/too-large": Example(
        [image("data:image/png;base64," + "A" * 13_400_000)], [image("https://example.com/large.png")]
    ),
    "vision/too-many": Example([image(count=65)], [image(count=64)]),
    "vision/detail": Example([image(detail="medium")], [image(detail="low")]),
    "preference/shape": Example(
        ['{"input": {"messages": []}, "preferred_output": []}'], [pair()], "preference"
    ),
    "preference/output": Example([pair(other=[{"role": "user", "content": "?"}])], [pair()], "preference"),
    "preference/same": Example(
        [pair(other=[{"role": "assistant", "content": "Hello!"}])], [pair()], "preference"
    ),
    "preference/input": Example(
        [
            pair(
                input={
                    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
                }
            )
        ],
        [pair()],
        "preference",
    ),
    "reinforcement/last-message": Example(
        [graded(ASK, REPLY, answer="desk")], [graded(ASK, answer="desk")], "reinforcement"
    ),
    "reinforcement/no-fields": Example([graded(ASK)], [graded(ASK, answer="desk")], "reinforcement"),
    "reinforcement/fields": Example(
        [graded(ASK, answer="desk"), graded(ASK, answer="shelf"), graded(ASK, anwser="box")],
        [graded(ASK, answer="desk"), graded(ASK, answer="shelf"), graded(ASK, answer="box")],
        "reinforcement",
    ),
    "data/special-token": Example([chat(ASK, ("assistant", STRANGE))], [chat(ASK, ("assistant", "Sure."))]),
    "data/duplicate": Example([GOOD, GOOD.replace(": ", ":")], [GOOD]),
    "data/near-duplicate": Example(
        [chat(("user", LONG.format("here")), REPLY), chat(("user", LONG.format("there")), REPLY)],
        [chat(("user", LONG.format("here")), REPLY)],
    ),
    "data/beginning": Example(
        [chat(ASK, REPLY, ("user", "And the key?"), ("assistant", "In it.")), GOOD],
        [chat(ASK, REPLY, ("user", "And the key?"), ("assistant", "In it."))],
    ),
    "data/system-differs": Example(
        [
            chat(("system", "Be brief."), ASK, REPLY),
            chat(("system", "Be brief."), ("user", "And now?"), REPLY),
            chat(("system", "Be kind."), ("user", "Who is it?"), ("assistant", "Jo.")),
        ],
        [chat(("system", "Be brief."), ASK, REPLY), chat(("system", "Be brief."), ("user", "Now?"), REPLY)],
    ),
    "data/imbalance": Example(
        "\n".join([*spread(54, "yes"), *spread(6)[::-1]]).encode(),
        "\n".join([*spread(40, "yes"), *spread(30, "no")]).encode(),
    ),
    "secret/private-key": Example(
        [chat(ASK, ("assistant", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7k2\n-----END RSA…"))],
        [chat(ASK, ("assistant", "PRIVATE_KEY"))],
    ),
    "secret/aws-key": Example(
        [chat(ASK, ("assistant", "Use AKIA" + "Q3EG7RZ2" * 2))], [chat(ASK, ("assistant", "Use ACCESS_KEY"))]
    ),
    "secret/azure-key": Example(
        [chat(ASK, ("assistant", "AccountName=acme;AccountKey=" + "aB3" * 28 + "xy=="))],
        [chat(ASK, ("assistant", "AccountName=acme;AccountKey=ACCOUNT_KEY"))],
    ),
    "secret/openai-key": Example(
        [chat(ASK, ("assistant", f"Set it to {KEY}"))], [chat(ASK, ("assistant", "Set it to API_KEY"))]
    ),
    "secret/github-token": Example(
        [chat(ASK, ("assistant", "Use ghp_" + "a1B2" * 9))], [chat(ASK, ("assistant", "Use TOKEN"))]
    ),
    "secret/google-key": Example(
        [chat(ASK, ("assistant", "key=AIza" + "Sy4Qz" * 7))], [chat(ASK, ("assistant", "key=API_KEY"))]
    ),
    "secret/slack-token": Example(
        [chat(ASK, ("assistant", "xoxb-" + "1234567890" * 2 + "-aBcDeFgHiJ"))],
        [chat(ASK, ("assistant", "TOKEN"))],
    ),
    "secret/stripe-key": Example(
        [chat(ASK, ("assistant", "sk_live_" + "4eC39HqLyj" * 2))], [chat(ASK, ("assistant", "STRIPE_KEY"))]
    ),
    "secret/huggingface-token": Example(
        [chat(ASK, ("assistant", "Use hf_" + "aBcZx9" * 6))], [chat(ASK, ("assistant", "Use HF_TOKEN"))]
    ),
    "secret/npm-token": Example(
        [chat(ASK, ("assistant", "Use npm_" + "aBcZx9" * 6))], [chat(ASK, ("assistant", "Use NPM_TOKEN"))]
    ),
    "secret/pypi-token": Example(
        [chat(ASK, ("assistant", "Use pypi-AgEIcHlwaS5vcmcCJ" + "aBcZx9" * 9))],
        [chat(ASK, ("assistant", "Use PYPI_TOKEN"))],
    ),
    "secret/twilio-key": Example(
        [chat(ASK, ("assistant", "Use SK" + "3f9a1c7e5b2d8046" * 2))],
        [chat(ASK, ("assistant", "Use TWILIO_KEY"))],
    ),
    "secret/connection-string": Example(
        [chat(ASK, ("assistant", "Server=db.acme.net;Database=shop;Uid=jo;Pwd=pa55word"))],
        [chat(ASK, ("assistant", "Server=db.acme.net;Database=shop;Uid=jo;Pwd=<password>"))],
    ),
    "secret/gitlab-token": Example(
        [chat(ASK, ("assistant", "Use glpat-" + "Zx9-Q_" * 4))],
        [chat(ASK, ("assistant", "Use glpat-your-token-goes-here-please"))],
    ),
    "secret/sendgrid-key": Example(
        [chat(ASK, ("assistant", "Use SG." + "a1B2" * 5 + ".x" + "Zx9Q" * 10))],
        [chat(ASK, ("assistant", "Use SENDGRID_API_KEY"))],
    ),
    "secret/service-token": Example(
        [chat(ASK, ("assistant", "Use dapi" + "3f9a1c7e5b2d8046" * 2))],
        [chat(ASK, ("assistant", "Use DATABRICKS_TOKEN"))],
    ),
    "secret/jwt": Example(
        [chat(ASK, ("assistant", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"))],
        [chat(ASK, ("assistant", "TOKEN"))],
    ),
    "secret/url-password": Example(
        [chat(ASK, ("assistant", "postgres://jo:pa55word@db.acme.net/x"))],
        [chat(ASK, ("assistant", "postgres://db.acme.net/x"))],
    ),
    "personal/email": Example(
        [chat(ASK, ("assistant", "Write to jo.doe@acme.net"))],
        [chat(ASK, ("assistant", "Write to jo.doe@example.com"))],
    ),
    "personal/phone": Example(
        [chat(ASK, ("assistant", "Call +49 30 901820, or 415-623-4567"))],
        [chat(ASK, ("assistant", "Call 415-555-0123"))],
    ),
    "personal/card": Example(
        [chat(ASK, ("assistant", "Paid with 4539 5787 6362 1486"))],
        [chat(ASK, ("assistant", "Paid with CARD_NUMBER"))],
    ),
    "personal/iban": Example(
        [chat(ASK, ("assistant", "To DE44 5001 0517 5407 3249 31"))], [chat(ASK, ("assistant", "To IBAN"))]
    ),
    "personal/us-ssn": Example(
        [chat(ASK, ("assistant", "It is 219-09-9999"))], [chat(ASK, ("assistant", "It is SSN"))]
    ),
}
TOLD_OTHERWISE = {
    "file/missing": "A path that names no file.",
    "file/unreadable": "A folder, a pipe, a file without permission, a loop of links.",
    "file/too-large": "A file of 512 MB or more.",
    "file/changed": "A file that something writes to while it is read.",
    "file/long-line": "A line of more than 32 MiB.",
    "data/overlap": "An example of a job's `validation` that is in its `training`, or a former job's.",
    "data/near-overlap": "The same, with a word changed.",
    "data/grown-overlap": "A conversation of a job's `validation`, of which `training` has a part.",
    "data/too-long": "An example with more tokens than the job's model takes in one.",
}
"""Rules that no few lines can show, and what they find. Other tests are theirs."""
