"""Catalog: the base models that the emulated account offers.

Versions and defaults are those of the public model catalogue, except for ``replay``, which only the emulator
has. ``base_rate`` is the emulator's own: with it the automatic settings learn a few hundred examples well.
"""

from __future__ import annotations

from msgspec import Struct

FINETUNE_SKUS = (
    "Standard", "GlobalStandard", "DataZoneStandard", "DeveloperTier", "ProvisionedManaged",
)  # fmt: skip
# For the training type Standard; the global types are offered everywhere.
TRAINING_REGIONS = frozenset({"northcentralus", "swedencentral", "eastus2"})
BASE_SKUS = ("Standard", "GlobalStandard", "DataZoneStandard")


class BaseModel(Struct, frozen=True):
    name: str
    version: str
    trainable: bool
    learning_rate_multiplier: float  # what the service chooses for "auto"
    base_rate: float  # the trainer's step size at a multiplier of 1
    max_context: int
    max_example_tokens: int
    created: int  # seconds since the epoch
    methods: tuple[str, ...] = ("supervised",)
    skus: tuple[str, ...] = BASE_SKUS
    only_standard: bool = False  # older than the other training types, so documents don't set one
    format: str = "OpenAI"  # the word for its publisher in requests for deployments
    training_types: tuple[str, ...] = ("standard", "globalStandard", "dataZoneStandard", "developerTier")
    tuned_skus: tuple[str, ...] = FINETUNE_SKUS
    is_open: bool = False  # jobs name it without a version, and no list says that it can be tuned
    encoding: str = "o200k_base"  # how its tokens are counted
    accelerators: int = 0  # GPUs of an instance on managed compute; 0: it isn't offered there

    @property
    def id(self) -> str:
        """Its name in requests for jobs."""
        return self.name if self.is_open else f"{self.name}-{self.version}"


_RATE = 1.4
_BOTH = ("supervised", "dpo")
_NO_DEVELOPER = tuple(sku for sku in FINETUNE_SKUS if sku != "DeveloperTier")
_NO_PROVISIONED = tuple(sku for sku in FINETUNE_SKUS if sku != "ProvisionedManaged")


def _open(name: str, version: str, format: str) -> BaseModel:
    """An open model: trained globally or in a data zone, and deployed globally."""
    return BaseModel(
        name, version, True, 1.0, _RATE, 128000, 65536, 1732060800, skus=("GlobalStandard",), format=format,
        training_types=("globalStandard", "dataZoneStandard"), tuned_skus=("GlobalStandard",), is_open=True,
    )  # fmt: skip


def _managed(name: str, format: str, accelerators: int) -> BaseModel:
    """An open model whose tuned models are adapters on managed compute."""
    return BaseModel(
        name, "1", True, 1.0, _RATE, 128000, 65536, 1759276800, ("supervised", "reinforcement"),
        skus=("GlobalStandard",), format=format, training_types=("globalStandard", "developerTier"),
        tuned_skus=(), is_open=True, accelerators=accelerators,
    )  # fmt: skip


BASE_MODELS = (
    BaseModel("gpt-4o-mini", "2024-07-18", True, 1.8, _RATE / 1.8, 128000, 64536, 1721260800,
              tuned_skus=_NO_DEVELOPER),
    BaseModel("gpt-4o", "2024-08-06", True, 2.0, _RATE / 2.0, 128000, 64536, 1722902400, _BOTH,
              tuned_skus=_NO_DEVELOPER),
    BaseModel("gpt-4.1", "2025-04-14", True, 2.0, _RATE / 2.0, 1047576, 65536, 1744588800, _BOTH),
    BaseModel("gpt-4.1-mini", "2025-04-14", True, 1.0, _RATE, 1047576, 65536, 1744588800, _BOTH,
              tuned_skus=_NO_PROVISIONED),
    BaseModel("gpt-4.1-nano", "2025-04-14", True, 0.1, _RATE / 0.1, 1047576, 65536, 1744588800, _BOTH,
              tuned_skus=_NO_PROVISIONED),
    BaseModel("o4-mini", "2025-04-16", True, 1.0, _RATE, 200000, 100000, 1744761600, ("reinforcement",),
              tuned_skus=_NO_PROVISIONED),
    BaseModel("gpt-35-turbo", "0125", True, 1.0, _RATE, 16385, 16385, 1706140800, only_standard=True,
              encoding="cl100k_base"),
    BaseModel("gpt-4o", "2024-11-20", False, 1.0, _RATE, 128000, 0, 1732060800),
    _open("gpt-oss-20b", "11", "Microsoft"),
    _open("Ministral-3B", "2411", "Mistral AI"),
    _open("Llama-3.3-70B-Instruct", "1", "Meta"),
    _open("Qwen3-32B", "1", "Alibaba"),
    _managed("gpt-oss-120b", "Microsoft", 4),
    _managed("Qwen3.6-35B-A3B", "Alibaba", 1),
    _managed("Qwen3.8-27B", "Alibaba", 1),
    _managed("Muse-Glimmer-30B", "Muse", 1),
    BaseModel("replay", "1", False, 1.0, _RATE, 128000, 0, 1732060800),
)  # fmt: skip

BY_ID = {model.id: model for model in BASE_MODELS}
_BY_ID_IN_ANY_CASE = {model.id.lower(): model for model in BASE_MODELS}
_BY_SHORT_NAME = {model.name.lower(): model for model in reversed(BASE_MODELS) if model.trainable}


def trainable(name: str, *, short: bool) -> BaseModel | None:
    """The base model that a job names, in upper or lower case. ``short``: also without a version."""
    found = _BY_ID_IN_ANY_CASE.get(name.lower())
    if found is None and short:
        found = _BY_SHORT_NAME.get(name.lower())
    return found if found is not None and found.trainable else None


def find(name: str, version: str | None) -> BaseModel | None:
    """By the name and version of the control plane; without a version, the first of that name."""
    rows = [model for model in BASE_MODELS if model.name == name]
    return next((model for model in rows if version in (None, "", model.version)), None)
