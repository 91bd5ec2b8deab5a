"""Sends tickets to the deployment, and shows what it makes of them.

    ftops exec specs/triage -- specs/triage/ask.py "Where is my parcel?"

`ftops exec` sets AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY.
"""

import json
import os
import sys
from pathlib import Path

import openai
import yaml

HERE = Path(__file__).resolve().parent
DEPLOYMENT = "triage"


def main(tickets: list[str]) -> None:
    job = yaml.safe_load((HERE / "ftops.yaml").read_text(encoding="utf-8"))["jobs"]["triage"]
    first_row = json.loads((HERE / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    instructions = first_row["messages"][0]  # the same as in training
    endpoint = os.environ["AZURE_OPENAI_ENDPOINT"].rstrip("/")
    with openai.OpenAI(
        base_url=f"{endpoint}/openai/v1/", api_key=os.environ["AZURE_OPENAI_API_KEY"]
    ) as client:
        for ticket in tickets:
            completion = client.chat.completions.create(
                model=DEPLOYMENT,
                messages=[instructions, {"role": "user", "content": ticket}],
                response_format=job["response_format"],
            )
            print(f"{ticket}  {completion.choices[0].message.content}")


if __name__ == "__main__":
    main(sys.argv[1:])
