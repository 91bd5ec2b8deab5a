"""LangChain: messages, streams, tools, structured output; on v1, too."""

import json
from typing import Annotated

from pydantic import BaseModel

QUESTIONS = json.loads(os.environ["QUESTIONS"])
SYSTEM = QUESTIONS["messages"][0]["content"]


class Sky(BaseModel):
    colour: str
    sure: bool


def set_colour(colour: Annotated[str, "the colour"]) -> None:
    """Choose the colour of the lamp."""


def asked(text):
    return [("system", SYSTEM), ("human", text)]


def results(model):
    hello = model.invoke(asked("Say hello"))
    call = model.bind_tools([set_colour]).invoke(asked("make the light red")).tool_calls[0]
    sky = asked("Which colour is the sea? Answer in JSON.")
    return {
        "hello": hello.content,
        "tokens": hello.usage_metadata["output_tokens"],
        "stream": "".join(str(chunk.content) for chunk in model.stream(asked("Say hello"))),
        "call": [call["name"], call["args"]],
        "sky": model.with_structured_output(Sky).invoke(sky).model_dump(),
        "json": model.with_structured_output(Sky, method="json_mode").invoke(sky).model_dump(),
    }


print(json.dumps({"AzureChatOpenAI": results(model), "ChatOpenAI": results(on_v1)}))
