"""ftops report -o FILE.md: a model card with metadata in YAML, text of others escaped, nothing invented."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import replace

from ftops.config.loader import load
from ftops.core.address import Address
from ftops.core.errors import Diagnostic
from ftops.session.report.card import gather_card
from ftops.session.session import Session
from ftops.views.model_card import model_card
from tests.functional.test_sweeps import SPEC, with_data
from tests.golden.cli import Folder

HOSTILE = "</td><script>alert(1)</script> | [x](javascript:a) `a` *b* --- ${env.X}"
CARD = (
    SPEC
    + """
  told:
    model: gpt-4.1-nano-2025-04-14
    training: train
    validation: valid
    metadata:
      license: apache-2.0
      language: en, de
      intended_use: "Answers <b>questions</b> | about numbers.\\n\\n# A heading"
      tags: "--- {a: b}"
evaluations:
  exam:
    model: ${job.told.fine_tuned_model}
    prompts: valid
    graders: {exact: {type: exact}}
deployments:
  chat: {model: "${job.told.fine_tuned_model}"}
"""
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = with_data(Folder.make(tmp_path_factory.mktemp("card"), CARD))
    folder.ok("apply", "-y")
    return folder


def card(folder: Folder, *words: str) -> tuple[Any, str]:
    """The metadata and the Markdown."""
    folder.ok("report", *words, "-o", "card.md", "--force", "--offline")
    _, meta, text = (folder.path / "card.md").read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(meta), text


def test_a_card_says_what_is_known(trained: Folder) -> None:
    meta, text = card(trained, "job.told")
    record = trained.run("state", "show", "job.told", "-o", "json").json["resource"]
    exam = trained.run("state", "show", "evaluation.exam", "-o", "json").json["resource"]["outputs"]
    model = record["outputs"]["fine_tuned_model"]
    assert meta["base_model"] == "gpt-4.1-nano-2025-04-14"
    assert (meta["license"], meta["language"], meta["pipeline_tag"]) == (
        "apache-2.0",
        ["en", "de"],
        "text-generation",
    )
    assert meta["tags"] == ["ftops", "fine-tuned", "sft", "--- {a: b}"]
    assert meta["datasets"] == ["sweep/train", "sweep/valid"]
    [index] = meta["model-index"]
    assert index["name"] == model
    [result] = index["results"]
    assert result["dataset"]["name"] == "valid.jsonl"
    assert result["metrics"] == [{"type": "exact_match", "name": "exact", "value": exam["score"]}]
    for heading in (
        "Intended use",
        "Training data",
        "Training procedure",
        "Evaluation",
        "Costs",
        "Lineage",
        "How to call it",
        "Limits",
    ):
        assert f"\n## {heading}\n" in text
    assert record["identities"]["training"] in text and record["remote_id"] in text
    assert "| `n_epochs` | `3` |" in text
    assert f"`{record['outputs']['checkpoint']['best']}`" in text.split("Best checkpoint: step")[1]
    assert "It is deployed as `chat`" in text and 'model="chat"' in text
    assert "Answers \\<b\\>questions\\</b\\> \\| about numbers. \\# A heading" in text
    assert "<b>" not in text.replace("\\<b\\>", "")


def test_what_is_not_declared_is_left_to_you(trained: Folder) -> None:
    meta, text = card(trained, "job.alone")
    assert {"license", "language", "model-index"} & meta.keys() == set()
    for name in ("license", "language", "intended_use", "limitations"):
        assert f"*To be filled in by you: `metadata: {{{name}: …}}` of `job.alone`*" in text
    assert "No evaluation of this model is recorded." in text
    assert "No deployment of it is recorded." in text


def test_a_deployment_of_the_best_is_only_on_the_card_of_the_best(tmp_path: Path) -> None:
    """It depends on all jobs of the sweep, and serves the model of one."""
    best = "${job.sweep.best.fine_tuned_model}"
    exam = f"exam: {{model: '{best}', prompts: valid, graders: {{exact: {{type: exact}}}}}}"
    spec = f"{SPEC}evaluations: {{{exam}}}\ndeployments: {{chat: {{model: '{best}'}}}}\n"
    folder = with_data(Folder.make(tmp_path, spec))
    folder.ok("apply", "-y")
    taken = folder.run("results", "job.sweep", "-o", "json").json["taken"]
    keys = {f'job.sweep["{key}"]' for key in ("one", "two", "ten|=")}
    assert taken in keys
    for address in keys:
        meta, text = card(folder, address)
        assert ("It is deployed as `chat`" in text) == (address == taken)
        assert ("hosting" in text or "chat" in text) == (address == taken)
        assert ("model-index" in meta) == (address == taken)


def test_the_data_is_said_to_have_errors_and_warnings_but_no_notes(trained: Folder) -> None:
    """A note such as the one about a missing byte order mark says nothing of the model."""
    told = card(trained, "job.told")[1]
    assert "Errors and warnings in `dataset.train`:" in told
    assert "file/byte-order-mark" not in told and "file/few-examples" not in told
    with Session.open(load(trained.path, environ={})) as session:
        found = gather_card(session, [Address.parse("job.told")], offline=True)
    diagnostic = Diagnostic("same as line 3 | <b>", severity="warning", rule="data/duplicate")
    text = model_card(replace(found, findings={Address("dataset", "train"): (diagnostic,)}))
    assert (
        "Errors and warnings in `dataset.train`:\n\n- `data/duplicate`: same as line 3 \\| \\<b\\>\n" in text
    )


def test_how_to_call_it_goes_by_how_the_provider_is_reached(trained: Folder) -> None:
    with Session.open(load(trained.path, environ={})) as session:
        found = gather_card(session, [Address.parse("job.told")], offline=True)
    programs = [
        model_card(replace(found, has_key=has_key)).partition("```python\n")[2].partition("\n```")
        for has_key in (True, False)
    ]
    for program, _, rest in programs:
        compile(program, "call.py", "exec")
        assert "`ftops exec -- call.py`" in rest and "ask.py" not in rest
    assert "OPENAI_API_KEY" in programs[0][0] and "the key" in programs[0][2]
    assert "OPENAI_API_KEY" not in programs[1][0] and "get_bearer_token_provider" in programs[1][0]
    done = trained.process("exec", "--", sys.executable, "-c", programs[0][0])
    assert done.code == 0 and done.out.strip(), done.err


def test_curves_are_in_a_small_table(trained: Folder) -> None:
    trained.ok("report", "job.told", "-o", "online.md", "--force")
    text = (trained.path / "online.md").read_text("utf-8")
    heading = next(line for line in text.splitlines() if line.startswith("| step |"))
    assert "`train_loss`" in heading and "`full_valid_loss`" in heading
    rows = [line for line in text.split(heading)[1].splitlines()[2:] if line.startswith("| ")]
    assert any("(best)" in row for row in rows)


def test_as_json(trained: Folder) -> None:
    found = trained.run("report", "job.told", "--out", "a.md", "--force", "--offline", "-o", "json").json
    assert found["address"] == "job.told"
    assert found["metadata"]["base_model"] == "gpt-4.1-nano-2025-04-14"
    assert found["model"] == found["metadata"]["model-index"][0]["name"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "a model card is about one model, and there are 5"),
        (("job.sweep",), "a model card is about one model, and there are 3"),
        (("dataset.train",), "dataset.train isn't a job"),
        (("job.nothing",), "job.nothing is not recorded"),
    ],
)
def test_one_model_is_needed(trained: Folder, words: tuple[str, ...], said: str) -> None:
    done = trained.run("report", *words, "-o", "refused.md")
    assert done.code == 1 and said in done.words
    assert not (trained.path / "refused.md").exists()


def test_the_best_job_is_named_first_and_quoted_for_a_shell(trained: Folder) -> None:
    trials = trained.run("results", "job.sweep", "-o", "json").json["trials"]
    first, *others = (f"'{one['address']}'" for one in trials)
    said = " ".join(trained.run("report", "job.sweep", "-o", "refused.md").err.split())
    assert f"as in `ftops report {first} -o card.md`; there is also " in said
    assert all(other in said.partition("there is also")[2] for other in others)


def test_an_existing_file_is_kept(trained: Folder) -> None:
    (trained.path / "mine.md").write_text("mine", "utf-8")
    assert trained.run("report", "job.told", "-o", "mine.md").code == 1
    assert (trained.path / "mine.md").read_text("utf-8") == "mine"


def test_metadata_is_in_one_line_without_direction_characters(trained: Folder) -> None:
    spec = (trained.path / "ftops.yaml").read_text("utf-8")
    tags, license_ = '"safe\\u202Eelif, x\\ny, a\\u200Bb"', '"mit\\nevil: 1\\u2066"'
    trained.edit('"--- {a: b}"', tags)
    trained.edit("license: apache-2.0", f"license: {license_}")
    try:
        trained.ok("apply", "-y")
        meta, text = card(trained, "job.told")
    finally:
        trained.write("ftops.yaml", spec)
        trained.ok("apply", "-y")
    assert meta["tags"][3:] == ["safe\\u202eelif", "x y", "a\\u200bb"]
    assert meta["license"] == "mit evil: 1\\u2066" and "evil" not in meta
    written = (trained.path / "card.md").read_text("utf-8")
    assert all(char.isprintable() for char in written.replace("\n", ""))
    assert "**license:** mit evil: 1" in text


def test_a_bare_address_of_prose_stays_readable() -> None:
    from ftops.views.model_card import prose

    assert prose("see https://example.com or ask @acme") == "see https://example.com or ask @acme"


@pytest.mark.parametrize("text", [HOSTILE, "a\nb", "# a", "- a", "1. a", "\x1b[31mred"])
def test_prose_has_no_markdown_of_others(text: str, tmp_path: Path) -> None:
    from ftops.views.model_card import prose

    shown = prose(text)
    assert "\n" not in shown and "\x1b" not in shown
    for mark in "<>|[]*`#{}":
        assert shown.count(mark) == shown.count(f"\\{mark}")
