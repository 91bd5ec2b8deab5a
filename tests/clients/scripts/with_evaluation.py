"""azure-ai-evaluation: graders of the service, by its evals, over rows of a file."""

import json

from azure.ai.evaluation import AzureOpenAIScoreModelGrader, AzureOpenAITextSimilarityGrader

label = AzureOpenAILabelGrader(
    model_config=account,
    name="is a city",
    model="copilot",
    input=[{"role": "user", "content": "label {{item.answer}}"}],
    labels=["city", "country"],
    passing_labels=["city"],
)
alike = AzureOpenAITextSimilarityGrader(
    model_config=account,
    name="alike",
    input="{{item.answer}}",
    reference="{{item.expected}}",
    evaluation_metric="fuzzy_match",
    pass_threshold=0.5,
)
score = AzureOpenAIScoreModelGrader(
    model_config=account,
    name="size",
    model="copilot",
    input=[{"role": "user", "content": "score {{item.answer}}"}],
    range=[0, 10],
    pass_threshold=5,
)
graders = {"exact": exact, "city": label, "alike": alike, "size": score}
found = evaluate(data=os.environ["DATA"], evaluators=graders)
rows = [{key: value for key, value in row.items() if key.startswith("outputs.")} for row in found["rows"]]
print(json.dumps({"metrics": found["metrics"], "rows": rows}, default=str))
