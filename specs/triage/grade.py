"""Gives an answer to the grader of the spec, for each validation example, and shows its scores.

    ftops exec specs/triage -- specs/triage/grade.py '{"queue": "billing", "urgency": "high"}'

`ftops exec` sets AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY. Nothing is trained.
"""

import json
import os
import sys
from pathlib import Path

import openai
import yaml

HERE = Path(__file__).resolve().parent


def main(answer: str) -> None:
    grader = yaml.safe_load((HERE / "ftops.yaml").read_text(encoding="utf-8"))["jobs"]["triage"]["grader"]
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/")
    with openai.OpenAI(
        base_url=f"{endpoint}/openai/v1/", api_key=os.environ["AZURE_OPENAI_API_KEY"]
    ) as client:
        for line in (HERE / "data" / "valid.jsonl").read_text(encoding="utf-8").splitlines():
            item = json.loads(line)
            body = {
                "grader": grader,
                "model_sample": answer,
                "item": item,
            }  # the SDK drops parts of a multi grader
            graded = client.fine_tuning.alpha.graders.run(grader=grader, model_sample=answer, extra_body=body)
            errors = [name for name, value in graded.metadata.errors if value is True]
            print(f"{graded.reward:.2f}  {item['messages'][-1]['content']}  {' '.join(errors)}".rstrip())


if __name__ == "__main__":
    main(sys.argv[1])
