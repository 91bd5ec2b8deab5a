"""The catalogue: the package's own file, and the user's files over it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import yaml

from ftops import catalog
from ftops.catalog import Catalog, TokenPrices, load
from ftops.core.errors import SpecError
from ftops.core.project import CATALOG_FILE, CATALOG_VARIABLE

MINI = "gpt-4o-mini-2024-07-18"
OWN = Path(catalog.__file__).with_name("models.yaml")
ALL_SKUS = ("Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier", "ProvisionedManaged")
NOTHING: Mapping[str, str] = {}


def with_overlay(folder: Path, text: str) -> Catalog:
    (folder / CATALOG_FILE).write_text(text, encoding="utf-8")
    return load(folder, NOTHING)


def entries() -> dict[str, dict[str, object]]:
    document = yaml.safe_load(OWN.read_text(encoding="utf-8"))
    found = {f"models.{name}": entry for name, entry in document["models"].items()}
    found |= {f"regions.{name}": entry for name, entry in document["regions"].items()}
    return found | {name: document[name] for name in ("limits", "hosting")}


@pytest.mark.parametrize("name", entries())
def test_every_entry_has_its_source_and_date(name: str) -> None:
    entry = entries()[name]
    assert str(entry["source"]).strip()
    assert date(2026, 1, 1) < date.fromisoformat(str(entry["dated"])) < date(2030, 1, 1)


@pytest.mark.parametrize("model", load(Path("/nowhere"), NOTHING).models.values(), ids=lambda m: m.id)
def test_every_model_is_read_whole(model: catalog.CatalogModel) -> None:
    assert model.source and model.dated
    assert model.id in (model.name, f"{model.name}-{model.version}")
    assert model.training, "a model is listed because it can be trained somewhere"
    for regions in model.training.values():
        assert regions is None or all(name == name.lower() and name.isalnum() for name in regions)
    for day in (model.training_retires, model.inference_retires):
        assert day is None or day > date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        (MINI, "", MINI),
        (MINI.upper(), "", MINI),
        ("gpt-4o-mini", "2024-07-18", MINI),
        ("gpt-4o-mini", "", MINI),
        ("gpt-4o-mini", "2030-01-01", None),
        ("ministral-3b", "", "Ministral-3B"),
        ("qwen-3-32b", "", "Qwen3-32B"),
        ("gpt-9", "", None),
    ],
)
def test_a_model_by_its_names(name: str, version: str, expected: str | None) -> None:
    found = load(Path("/nowhere"), NOTHING).find(name, version)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize(
    ("name", "format_", "skus"),
    [
        ("gpt-4.1", "OpenAI", {*ALL_SKUS}),
        ("gpt-oss-20b-11", "Microsoft", {"GlobalStandard"}),
        ("Ministral-3B", "Mistral AI", {"GlobalStandard"}),
        ("llama-3.3-70b", "Meta", {"GlobalStandard"}),
        ("Qwen-3-32B", "Alibaba", {"GlobalStandard"}),
        ("gpt-5", "OpenAI", {"Standard"}),
        ("Muse-Glimmer-30B", "", {"GlobalManagedCompute"}),
    ],
)
def test_how_a_tuned_model_is_deployed(name: str, format_: str, skus: set[str]) -> None:
    model = load(Path("/nowhere"), NOTHING).find(name)
    assert model is not None
    assert (model.format, set(model.skus or ())) == (format_, skus)


def test_skus_by_region() -> None:
    tuned = load(Path("/nowhere"), NOTHING).models["gpt-4.1-mini-2025-04-14"]
    assert tuned.skus_in("swedencentral") == ("Standard", "GlobalStandard", "DeveloperTier")
    assert tuned.skus_in("northcentralus") == (
        "Standard",
        "GlobalStandard",
        "DataZoneStandard",
        "DeveloperTier",
    )
    assert tuned.skus_in("") == ("Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier")


def test_dates_of_a_tuned_model_and_of_its_base() -> None:
    model = load(Path("/nowhere"), NOTHING).models["gpt-4.1-2025-04-14"]
    assert (model.training_retires, model.training_is_earliest) == (date(2027, 4, 14), True)
    assert (model.inference_retires, model.inference_is_earliest) == (date(2027, 10, 14), False)
    assert model.base_retires == date(2027, 4, 14)
    assert model.dated == date(2026, 10, 7)


FAMILY_4O = (date(2027, 4, 1), date(2027, 10, 1), date(2027, 4, 14))
FAMILY_41 = (date(2027, 4, 14), date(2027, 10, 14), date(2027, 4, 14))


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("gpt-4o", FAMILY_4O),
        ("gpt-4o-mini", FAMILY_4O),
        ("gpt-4.1", FAMILY_41),
        ("gpt-4.1-mini", FAMILY_41),
        ("gpt-4.1-nano", FAMILY_41),
        ("o4-mini", (date(2027, 4, 16), date(2027, 10, 16), date(2026, 10, 16))),
        ("gpt-5", (None, None, date(2027, 2, 9))),
        ("gpt-oss-20b", (None, None, None)),
    ],
)
def test_the_days_of_the_schedule_of_september(name: str, days: tuple[date | None, ...]) -> None:
    """Of training (at the earliest), of deployments, and of the base model. Earlier schedules had others."""
    model = load(Path("/nowhere"), NOTHING).find(name)
    assert model is not None
    assert (model.training_retires, model.inference_retires, model.base_retires) == days
    assert model.training_is_earliest and not model.inference_is_earliest
    assert "2026-09-02" in model.retirement_source or not any(days)


ALL_TYPES = {"standard", "data_zone", "global_standard", "developer"}
MANAGED = ("global_standard", "developer")


@pytest.mark.parametrize(
    ("name", "methods", "types", "skus"),
    [
        ("gpt-4o-mini", "supervised", ALL_TYPES, {*ALL_SKUS} - {"DeveloperTier"}),
        ("gpt-4o", "supervised dpo", ALL_TYPES, {*ALL_SKUS} - {"DeveloperTier"}),
        ("gpt-4.1", "supervised dpo", ALL_TYPES, {*ALL_SKUS}),
        ("gpt-4.1-mini", "supervised dpo", ALL_TYPES, {*ALL_SKUS} - {"ProvisionedManaged"}),
        ("gpt-4.1-nano", "supervised dpo", ALL_TYPES, {*ALL_SKUS} - {"ProvisionedManaged"}),
        ("o4-mini", "reinforcement", ALL_TYPES, {*ALL_SKUS} - {"ProvisionedManaged"}),
        ("gpt-5", "reinforcement", ALL_TYPES - {"developer"}, {"Standard"}),
        *(
            (name, "supervised", {"data_zone", "global_standard"}, {"GlobalStandard"})
            for name in ("gpt-oss-20b", "Ministral-3B", "Llama-3.3-70B-Instruct", "Qwen3-32B")
        ),
        *(
            (name, "supervised reinforcement", {*MANAGED}, {"GlobalManagedCompute"})
            for name in ("gpt-oss-120b", "Qwen3.6-35B-A3B", "Qwen3.8-27B", "Muse-Glimmer-30B")
        ),
        ("MAI-Code-1.1-Flash", "reinforcement", {*MANAGED}, {"GlobalStandard"}),
        ("MedImageInsight-Premium", "supervised", {"global_standard"}, {"GlobalStandard"}),
        ("CXRReportgen-Premium", "supervised", {"global_standard"}, {"GlobalStandard"}),
    ],
)
def test_what_is_offered_since_october(name: str, methods: str, types: set[str], skus: set[str]) -> None:
    model = load(Path("/nowhere"), NOTHING).find(name)
    assert model is not None and model.methods is not None
    assert sorted(model.methods) == sorted(methods.split())
    assert {type_ for type_, regions in model.training.items() if regions != frozenset()} == types
    assert {*(model.skus or ())} == skus


def test_the_data_zone_is_in_the_us() -> None:
    known = load(Path("/nowhere"), NOTHING).models
    offered = [model.training.get("data_zone") for model in known.values()]
    offered += [(model.skus or {}).get("DataZoneStandard") for model in known.values()]
    zones = {regions for regions in offered if regions}
    assert {region.rstrip("123") for region in frozenset().union(*zones)} == {
        "centralus", "eastus", "northcentralus", "southcentralus", "westcentralus", "westus",
    }  # fmt: skip


def test_limits_and_prices_have_the_dates_of_their_pages() -> None:
    known = load(Path("/nowhere"), NOTHING)
    assert known.limits == {
        "files": 100, "file_bytes": 512_000_000, "total_file_bytes": 1_000_000_000, "running_jobs": 3,
        "running_global_jobs": 3, "running_developer_jobs": 5, "queued_jobs": 20, "job_hours": 720,
        "deployments": 32, "tuned_deployments": 10, "examples_minimum": 10,
        "training_tokens": 2_000_000_000, "suffix_length": 64,
    }  # fmt: skip
    assert known.spending_limits == {"reinforcement": 5000}
    assert known.spending_as_of == known.models["o4-mini-2025-04-16"].training_as_of == date(2026, 3, 19)
    assert entries()["hosting"]["dated"] == date(2026, 3, 19), "the last page with numbers"


def test_a_list_of_skus_is_for_any_region(tmp_path: Path) -> None:
    found = with_overlay(tmp_path, "models: {house-1: {name: house, skus: [Standard, Own]}}\n").models
    assert found["house-1"].skus == {"Standard": None, "Own": None}


def test_what_is_known() -> None:
    known = load(Path("/nowhere"), NOTHING)
    mini = known.models[MINI]
    assert mini.methods == frozenset({"supervised"})
    assert mini.training["standard"] == frozenset({"northcentralus", "swedencentral"})
    assert "westeurope" in (mini.training["global_standard"] or ())
    assert mini.training["developer"] is None, "offered; where is not known"
    assert known.models["o4-mini-2025-04-16"].training["developer"] is None
    assert known.models["gpt-5-2025-08-07"].training["developer"] == frozenset(), "not offered"
    assert known.models["gpt-4.1-2025-04-14"].training_per_million == {
        "standard": 27.5,
        "global_standard": 25.0,
        "developer": 12.5,
    }
    list_date = date(2026, 8, 11)
    assert mini.inference_per_million["globalstandard"] == TokenPrices(0.15, 0.6, 0.075, list_date)
    assert "developertier" not in mini.inference_per_million, "it isn't offered"
    assert known.hosting_per_hour["standard"] == 1.7
    assert known.limits["file_bytes"] == 512_000_000


@pytest.mark.parametrize("model", load(Path("/nowhere"), NOTHING).models.values(), ids=lambda m: m.id)
def test_prices_have_a_date_and_are_plausible(model: catalog.CatalogModel) -> None:
    prices = model.inference_per_million
    written = entries()[f"models.{model.id}"].get("prices")
    assert not isinstance(written, dict) or {"source", "as_of"} < written.keys()
    for sku, row in prices.items():
        assert row.as_of is not None
        assert 0 < (row.cached or row.input) <= row.input <= row.output < 100
        assert row.input >= prices["globalstandard"].input, f"{sku} is dearer than the global one"


def test_prices_of_ones_own(tmp_path: Path) -> None:
    rows = "{GlobalStandard: {input: 1, output: }, Standard: {cached: }, Ours: {input: 2, output: 3}}"
    own = f"models:\n  {MINI}:\n    prices:\n      inference_per_million: {rows}\n"
    found = with_overlay(tmp_path, own).models[MINI].inference_per_million
    assert "globalstandard" not in found, "the price of an answer is unknown"
    assert found["standard"] == TokenPrices(0.165, 0.66, None, date(2026, 8, 11))
    assert found["ours"].output == 3


def test_an_overlay_is_merged_key_by_key(tmp_path: Path) -> None:
    known = with_overlay(
        tmp_path,
        f"""\
limits: {{files: 200}}
models:
  {MINI.upper()}:
    methods: [supervised, dpo]
    training: {{standard: [West Europe]}}
    retirement: {{training: 2028-01-01}}
    example_tokens:
  house-model-1:
    name: house-model
    version: "1"
    training: {{developer: any}}
""",
    )
    mini = known.models[MINI]
    assert mini.methods == frozenset({"supervised", "dpo"})
    assert mini.training["standard"] == frozenset({"westeurope"})
    assert mini.training["developer"] is None, "what isn't named stays"
    assert (mini.training_retires, mini.inference_retires) == (date(2028, 1, 1), date(2027, 10, 1))
    assert mini.example_tokens is None, "no value: unknown again"
    assert known.limits["files"] == 200 and known.limits["running_jobs"] == 3
    house = known.find("house-model")
    assert house is not None and house.methods is None and house.skus is None


def test_the_file_that_the_environment_names_comes_last(tmp_path: Path) -> None:
    (tmp_path / CATALOG_FILE).write_text("limits: {files: 1, jobs: 1}\n")
    other = tmp_path / "other.yaml"
    other.write_text("limits: {files: 2}\nregions: {ours: {names: [atlantis]}}\n")
    known = load(tmp_path, {CATALOG_VARIABLE: str(other)})
    assert (known.limits["files"], known.limits["jobs"]) == (2, 1)


def test_a_list_of_regions_of_ones_own(tmp_path: Path) -> None:
    known = with_overlay(
        tmp_path,
        f"regions: {{ours: {{names: [Atlantis]}}}}\nmodels: {{{MINI}: {{training: {{standard: ours}}}}}}\n",
    )
    assert known.models[MINI].training["standard"] == frozenset({"atlantis"})


def test_an_empty_overlay_changes_nothing(tmp_path: Path) -> None:
    assert with_overlay(tmp_path, "# nothing yet\n").models == load(Path("/nowhere"), NOTHING).models


BAD: dict[str, tuple[str, str, int, str]] = {
    "unknown-key": (
        "models:\n  a:\n    methds: [dpo]\n",
        "unknown key `methds` in the catalogue",
        3,
        "Did you mean `methods`?",
    ),
    "unknown-section": ("modles: {}\n", "unknown key `modles` in the catalogue", 1, "Did you mean `models`?"),
    "no-such-method": (
        "models:\n  a:\n    methods: [magic]\n",
        "`methods` must be a list of supervised, dpo, reinforcement",
        3,
        "`ftops docs catalog` describes it",
    ),
    "no-date": (
        "models:\n  a:\n    retirement: {training: soon}\n",
        "`training` must be a date such as 2027-04-01",
        3,
        "`ftops docs catalog` describes it",
    ),
    "no-number": (
        "limits:\n  files: many\n",
        "`files` must be a whole number, not below 0",
        2,
        "`ftops docs catalog` describes it",
    ),
    "no-mapping": ("models: [a]\n", "`models` must be a mapping", 1, "`ftops docs catalog` describes it"),
    "no-catalogue": (
        "just text\n",
        "`the catalogue` must be a mapping",
        1,
        "`ftops docs catalog` describes it",
    ),
    "no-such-list": (
        "models:\n  a:\n    training: {standard: global_trainin}\n",
        "there is no region list `global_trainin`",
        3,
        "Did you mean `global_training`?",
    ),
    "another-format": ("format_version: 2\n", "unsupported catalogue format", 1, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_with_an_overlay_and_where(tmp_path: Path, name: str) -> None:
    text, summary, line, hint = BAD[name]
    with pytest.raises(SpecError) as caught:
        with_overlay(tmp_path, text)
    (one,) = caught.value.diagnostics
    assert (one.summary, one.hint) == (summary, hint)
    assert one.place is not None
    assert (one.place.file, one.place.line) == (str(tmp_path / CATALOG_FILE), line)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        with_overlay(tmp_path, "limits: {files: many, jobs: few}\nmodels: {a: {skus: one}}\n")
    assert len(caught.value.diagnostics) == 3


def test_a_file_that_is_not_there_or_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, {CATALOG_VARIABLE: str(tmp_path / "missing.yaml")})
    assert caught.value.diagnostics[0].summary == f"can't read the catalogue {tmp_path / 'missing.yaml'}"
    assert CATALOG_VARIABLE in caught.value.diagnostics[0].hint
    with pytest.raises(SpecError) as caught:
        with_overlay(tmp_path, "models: {a: [}\n")
    assert caught.value.diagnostics[0].place is not None
