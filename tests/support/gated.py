"""A small spec with an evaluation and a gated deployment, in an emulated account of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ftops.core.timestamps import iso_timestamp
from ftops.evaluation.answer_files import AnswerFiles, answers_folder, digests
from tests.contract.azure_cloud import BASE_MODEL, SETTLED, Cloud
from tests.golden.cli import Done, Folder

WORDS = ["anchor", "birch", "comet", "dune", "ember", "falcon"]
WORDS += ["garnet", "harbor", "island", "juniper", "kestrel", "lagoon"]
TUNED = '"${job.copilot.fine_tuned_model}"'
ASKED = 2 * len(WORDS)
"""Requests of an evaluation: to the candidate and to its baseline."""
TEMPORARY = "ftops-eval-"


@dataclass(frozen=True)
class Lab:
    """The spec in its folder, and the account. Prompts are the words; a model that was trained well repeats
    them, and a base model doesn't."""

    folder: Folder
    cloud: Cloud

    @classmethod
    def make(cls, path: Path, cloud: Cloud) -> Lab:
        lab = cls(Folder.make(path), cloud)
        lab.train_well()
        lab.prompts()
        lab.spec()
        return lab

    def spec(self, exam: str = "", prod: str = "gate: {evaluation: exam}", more: str = "") -> None:
        """With these keys of the evaluation and of the deployment, and more sections."""
        provider = f"{{type: emulator, url: '{self.cloud.url}', api_key: '{self.cloud.key}', default: true}}"
        jobs = f"copilot: {{model: {BASE_MODEL}, training: train, hyperparameters: {{n_epochs: 8}}}}"
        self.folder.write(
            "ftops.yaml",
            f"ftops: {{name: lab}}\nproviders:\n  here: {provider}\n"
            f"datasets:\n  train: {{path: data/train.jsonl}}\njobs:\n  {jobs}\n"
            f"evaluations:\n  exam: {{prompts: prompts.json, {exam or f'model: {TUNED}'}}}\n"
            f"deployments:\n  prod: {{model: {TUNED}, {prod}}}\n{more}",
        )

    def train_well(self) -> None:
        self._training({word: word for word in WORDS})

    def train_badly(self) -> None:
        self._training(dict.fromkeys(WORDS, "no"))

    def train_half(self) -> None:
        """Right for three of four prompts."""
        self._training({word: "no" if i % 4 == 0 else word for i, word in enumerate(WORDS)})

    def _training(self, replies: Mapping[str, str]) -> None:
        self.folder.write("data/train.jsonl", "".join(_example(*pair) for pair in replies.items()))

    def prompts(self, words: list[str] = WORDS, **more: Any) -> None:
        rows = [{"prompt": f"say {word}", "expect": {"text": word}, **more} for word in words]
        self.folder.write("prompts.json", json.dumps(rows))

    def run(self, *words: str) -> Done:
        return self.folder.run(*words)

    def apply(self, *words: str, code: int = 0) -> str:
        done = self.run("apply", "-y", *words)
        assert done.code == code, done
        return done.out + done.err

    def plan(self) -> Any:
        """The plan as JSON; its keys `changes` and `held` say what happens."""
        done = self.run("plan", "-o", "json")
        assert done.code == 0, done
        return done.json

    def is_settled(self) -> bool:
        return self.run("plan", "--detailed-exitcode").code == 0

    def record(self, address: str = "evaluation.exam") -> Any:
        return self.run("state", "pull").json["resources"].get(address)

    def result(self, address: str = "evaluation.exam") -> Any:
        return self.record(address)["outputs"]

    def tuned(self) -> str:
        """The model of the job in the state."""
        return str(self.record("job.copilot")["outputs"]["fine_tuned_model"])

    def answered(self, ago: timedelta) -> None:
        """Dates all cached answers to that time ago."""
        given = iso_timestamp(datetime.now(UTC) - ago, "microseconds")
        folder = answers_folder(self.folder.path)
        for digest in digests(folder):
            files = AnswerFiles(folder, digest)
            aged = [replace(kept, at=given) for kept in files.unshared().kept]
            files.replace_unshared(files.model(), aged)

    def objects(self) -> Any:
        return self.cloud.admin("GET", "objects")

    def deployments(self) -> dict[str, str]:
        """What the account has: name → model."""
        return {one["name"]: one["model"] for one in self.objects()["deployments"]}

    def temporary(self) -> list[str]:
        return [name for name in self.deployments() if name.startswith(TEMPORARY)]

    def created(self, kind: str = "deployments") -> int:
        """How many were ever created."""
        return int(self.objects()["created"][kind])

    def log(self) -> list[Any]:
        return list(self.cloud.admin("GET", "log")["requests"])

    def asked(self) -> int:
        """Questions that were answered. A new deployment is also called once to see whether it answers."""
        sent = (r for r in self.log() if r["path"].endswith("/chat/completions") and r["status"] == 200)
        return sum("max_tokens" not in request["body_keys"] for request in sent)

    def forget_log(self) -> None:
        self.cloud.admin("DELETE", "log")


def held(plan: Any) -> dict[str, str]:
    """Address → reasons, of what a plan holds."""
    return {one["address"]: "; ".join(one["reasons"]) for one in plan["held"]}


def actions(plan: Any) -> dict[str, str]:
    """Step → action."""
    return {change["step"]: change["action"] for change in plan["changes"]}


@contextmanager
def emptied(cloud: Cloud) -> Iterator[Cloud]:
    """The account without objects, faults and requests in its log, and quick."""
    cloud.admin("POST", "reset")
    cloud.admin("PATCH", "settings", SETTLED)
    cloud.clear_faults()
    cloud.admin("DELETE", "log")
    yield cloud
    cloud.clear_faults()


def _example(word: str, reply: str) -> str:
    messages = [{"role": "user", "content": f"say {word}"}, {"role": "assistant", "content": reply}]
    return json.dumps({"messages": messages}) + "\n"
