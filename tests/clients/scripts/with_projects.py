"""azure-ai-projects: deployments and connections of a project; a file, a job and a response."""

import json
import time

QUESTIONS = json.loads(os.environ["QUESTIONS"])


def until(read, status):
    while (found := read()).status != status:
        time.sleep(0.1)
    return found


with open(os.environ["DATA"], "rb") as data:
    created = client.files.create(file=data, purpose="fine-tune")
file = until(lambda: client.files.retrieve(created.id), "processed")
job = client.fine_tuning.jobs.create(
    model="gpt-4o-mini-2024-07-18", training_file=file.id, extra_body={"trainingType": "Standard"}
)
done = until(lambda: client.fine_tuning.jobs.retrieve(job.id), "succeeded")
response = client.responses.create(
    model="copilot", instructions=QUESTIONS["messages"][0]["content"], input="Say hello"
)
default = project.connections.get_default("AzureOpenAI", include_credentials=True)
print(
    json.dumps(
        {
            "deployments": {row.name: row.model_name for row in project.deployments.list()},
            "publisher": [row.name for row in project.deployments.list(model_publisher="Meta")],
            "sku": project.deployments.get("base").sku.name,
            "connections": [(row.name, row.type, row.is_default) for row in project.connections.list()],
            "key": default.credentials.api_key,
            "base_url": str(client.base_url),
            "model": done.fine_tuned_model,
            "hello": response.output_text,
        }
    )
)
