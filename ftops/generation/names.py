"""Names of the files that a recording consists of."""

DATASET, HELD_OUT, ANSWERS, MANIFEST = "dataset.jsonl", "held_out.jsonl", "answers.jsonl", "manifest.jsonl"


def folder_of(name: str) -> str:
    """Of a dataset, relative to the folder of the spec."""
    return f"data/{name}.generated"
