"""LiteLLM: a completion, a stream, tools, JSON; a file and a job."""

import json
import time

QUESTIONS = json.loads(os.environ["QUESTIONS"])
SYSTEM = QUESTIONS["messages"]
ON_AZURE = {"custom_llm_provider": "azure", **account}


def chat(text, **more):
    asked = [*SYSTEM, {"role": "user", "content": text}]
    return litellm.completion(model="azure/copilot", messages=asked, **account, **more)


def until(read, status):
    while (found := read()).status != status:
        time.sleep(0.1)
    return found


stream = chat("Say hello", stream=True)
form = {"type": "json_schema", "json_schema": {"name": "sky", "strict": True, "schema": QUESTIONS["schema"]}}
call = chat("make the light red", tools=QUESTIONS["tools"]).choices[0].message.tool_calls[0].function
with open(os.environ["DATA"], "rb") as data:
    created = litellm.create_file(file=data, purpose="fine-tune", **ON_AZURE)
file = until(lambda: litellm.file_retrieve(file_id=created.id, **ON_AZURE), "processed")
job = litellm.create_fine_tuning_job(
    model="gpt-4o-mini-2024-07-18",
    training_file=file.id,
    extra_body={"trainingType": "Standard"},
    **ON_AZURE,
)
done = until(lambda: litellm.retrieve_fine_tuning_job(fine_tuning_job_id=job.id, **ON_AZURE), "succeeded")
try:
    refused = chat("Say hello", temperature=3)
except litellm.BadRequestError as exc:
    refused = exc.status_code
print(
    json.dumps(
        {
            "first": answer.choices[0].message.content,
            "hello": chat("Say hello").choices[0].message.content,
            "stream": "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices),
            "call": [call.name, json.loads(call.arguments)],
            "sky": json.loads(
                chat("Which colour is the sea? Answer in JSON.", response_format=form)
                .choices[0]
                .message.content
            ),
            "bytes": file.bytes,
            "model": done.fine_tuned_model,
            "jobs": [row.id for row in litellm.list_fine_tuning_jobs(**ON_AZURE).data].count(job.id),
            "refused": refused,
        }
    )
)
