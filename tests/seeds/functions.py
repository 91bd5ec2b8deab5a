"""Fine-tuning for function calls: measure a base model, train on examples of calls, measure again.

Twice: with the legacy `functions` and with `tools`; and a third model learns what to say about a result.
It speaks v1: the client of OpenAI with another address. The base model has to be deployed under its name.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import requests
from openai import NotFoundError, OpenAI

PAUSE = float(os.getenv("PAUSE", "10"))
BASE = "gpt-4o-mini-2024-07-18"
SYSTEM = (
    "You fly a drone. Call one of your functions for every request. Where none of them can do what is asked, "
    "or the request is unclear, call reject_request."
)
FUNCTIONS: list[dict[str, Any]] = [
    {"name": "takeoff_drone", "description": "Start and rise.", "parameters": {
        "type": "object", "properties": {"altitude": {"type": "integer", "description": "Metres"}},
        "required": ["altitude"]}},
    {"name": "land_drone", "description": "Land here or at a given place.", "parameters": {
        "type": "object", "properties": {"location": {"type": "string", "enum": ["current", "home_base"]}},
        "required": ["location"]}},
    {"name": "set_drone_speed", "description": "Set the speed.", "parameters": {
        "type": "object", "properties": {"speed": {"type": "integer", "minimum": 0}}, "required": ["speed"]}},
    {"name": "control_camera", "description": "Take pictures and films.", "parameters": {
        "type": "object", "properties": {"mode": {"type": "string", "enum": ["photo", "video"]}},
        "required": ["mode"]}},
    {"name": "reject_request", "description": "Use this function if the request is not possible.",
     "parameters": {"type": "object", "properties": {}}},
]  # fmt: skip
TOOLS = [{"type": "function", "function": function} for function in FUNCTIONS]
LEARNED: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"Take off to {n} meters": ("takeoff_drone", {"altitude": n}) for n in (10, 30, 50, 75)},
    **{f"Fly at {n} km/h": ("set_drone_speed", {"speed": n}) for n in (5, 15, 25, 40)},
    "Land right here": ("land_drone", {"location": "current"}),
    "Come home and land at the home base": ("land_drone", {"location": "home_base"}),
    "Can you take a photo?": ("control_camera", {"mode": "photo"}),
    "Record a video of the lake": ("control_camera", {"mode": "video"}),
    **{
        f"{verb} {what}": ("reject_request", {})
        for verb in ("Play", "Scan for", "Paint", "Order", "Report on")
        for what in ("a recorded message", "heat signatures", "the drone pink", "the humidity")
    },
}
REMARKS = {"heavy rain": "Take an umbrella.", "clear sky": "Take a hat.", "storm": "Stay at home."}
STRAIGHTFORWARD = {
    "Land at the home base": "land_drone",
    "Take off to 60 meters": "takeoff_drone",
    "Can you take a photo of me?": "control_camera",
    "Fly at 20 km/h": "set_drone_speed",
}
CHALLENGING = dict.fromkeys(
    ("Play a song", "Scan for people", "Paint the drone blue", "Order a battery", "Report on the wind"),
    "reject_request",
)

client = OpenAI(
    base_url=f"{os.environ['AZURE_OPENAI_ENDPOINT']}/openai/v1/", api_key=os.environ["AZURE_OPENAI_API_KEY"]
)


def deploy(name: str, model: str, version: str) -> None:
    url = (
        f"{os.environ['MANAGEMENT_ENDPOINT']}/subscriptions/{os.environ['SUBSCRIPTION']}"
        f"/resourceGroups/{os.environ['RESOURCE_GROUP']}/providers/Microsoft.CognitiveServices"
        f"/accounts/{os.environ['RESOURCE_NAME']}/deployments/{name}?api-version=2024-10-01"
    )
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    body: Any = {
        "sku": {"name": "Standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": model, "version": version}},
    }
    requests.put(url, headers=headers, json=body, timeout=30).raise_for_status()
    state = "Creating"
    while state == "Creating":
        time.sleep(PAUSE)
        state = requests.get(url, headers=headers, timeout=30).json()["properties"]["provisioningState"]
    assert state == "Succeeded", state


def ask(**request: Any) -> Any:
    for _ in range(100):
        try:
            return client.chat.completions.create(**request)
        except NotFoundError:
            time.sleep(PAUSE)
    raise TimeoutError(request["model"])


def called(model: str, prompt: str, legacy: bool) -> str:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    settings = {"model": model, "messages": messages, "temperature": 0.0, "seed": 42, "max_tokens": 500}
    if legacy:
        message = ask(**settings, functions=FUNCTIONS).choices[0].message
        return str(message.function_call.name) if message.function_call else ""
    reply = ask(**settings, tools=TOOLS, tool_choice="required")
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    (call,) = reply.choices[0].message.tool_calls
    json.loads(call.function.arguments)
    return str(call.function.name)


def matches(model: str, expected: dict[str, str], legacy: bool) -> float:
    """The share of prompts that lead to the expected function, in percent."""
    right = sum(called(model, prompt, legacy) == wanted for prompt, wanted in expected.items())
    print(f"{model}: {right} of {len(expected)}")
    return 100 * right / len(expected)


def row(number: int, prompt: str, name: str, arguments: dict[str, Any], legacy: bool) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    reply = {"function_call": function} if legacy else {"tool_calls": [call]}
    asked = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    offered = {"functions": FUNCTIONS} if legacy else {"tools": TOOLS, "parallel_tool_calls": False}
    return {"messages": [*asked, {"role": "assistant", **reply}], **offered}


def weather(city: str, sky: str) -> dict[str, Any]:
    """A call, its result, and what to say of it."""
    call = {"name": "get_current_weather", "arguments": json.dumps({"location": city, "format": "celsius"})}
    return {
        "messages": [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "function_call": call},
            {"role": "function", "name": "get_current_weather", "content": sky},
            {"role": "assistant", "content": REMARKS[sky]},
        ],
        "functions": [{"name": "get_current_weather", "parameters": {"type": "object", "properties": {
            "location": {"type": "string"}, "format": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["location", "format"]}}],
    }  # fmt: skip


def trained(rows: list[dict[str, Any]], suffix: str) -> str:
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file = client.files.create(file=(f"{suffix}.jsonl", content), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=file.id, suffix=suffix, seed=1, extra_body={"trainingType": "Standard"}
    )
    while job.status not in ("succeeded", "failed", "cancelled"):
        time.sleep(PAUSE)
        job = client.fine_tuning.jobs.retrieve(job.id)
    assert job.status == "succeeded" and job.fine_tuned_model, job.error
    return job.fine_tuned_model


deploy(BASE, "gpt-4o-mini", "2024-07-18")
before = matches(BASE, CHALLENGING, legacy=False)
for legacy, name in ((True, "pilot-functions"), (False, "pilot-tools")):
    rows = [
        row(number, prompt, called_name, arguments, legacy)
        for number, (prompt, (called_name, arguments)) in enumerate(LEARNED.items())
    ]
    deploy(name, trained(rows, name.replace("pilot-", "p-")), "1")
    assert matches(name, STRAIGHTFORWARD, legacy) == 100
    assert matches(name, CHALLENGING, legacy) == 100 > before

cities = [weather(city, sky) for city in ("Oslo", "Rome", "Lima", "Kyoto") for sky in REMARKS]
deploy("weather", trained(cities, "weather"), "1")
wet, dry = weather("Oslo", "heavy rain"), weather("Rome", "clear sky")
for conversation, expected in ((wet, "Take an umbrella."), (dry, "Take a hat.")):
    messages, functions = conversation["messages"], conversation["functions"]
    first = ask(model="weather", messages=messages[:1], functions=functions).choices[0]
    assert first.finish_reason == "function_call"
    assert json.loads(first.message.function_call.arguments)["format"] == "celsius"
    second = ask(model="weather", messages=messages[:3], functions=functions).choices[0]
    assert second.message.content == expected, second
print("done")
