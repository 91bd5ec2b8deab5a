"""Project models: the adapters of fine-tuned open models as versions of models of a project.

Source: the SDK azure-ai-projects 2.10 (``beta.models``). Whether training registers an adapter by itself, and
under which name, isn't documented; here it is the name of the tuned model.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account import catalog
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.account.managed import ModelVersion
from ftops.emulator.http.errors import invalid, not_found
from ftops.emulator.http.messages import read_object, reply

_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_WEIGHT_TYPES = ("FullWeight", "LoRA", "DraftModel")


class Version(NamedTuple):
    """A version of a project model. ``model`` is the tuned model, and ``base`` the name of its base model;
    they are empty if its job isn't known."""

    name: str
    version: str
    properties: JSON
    model: str
    base: str

    @property
    def weight_type(self) -> str:
        return str(self.properties.get("weightType"))

    def described(self, cloud: Cloud, project: str) -> JSON:
        place = f"azureai://accounts/{cloud.account.name}/projects/{project}"
        own = {"id": f"{place}/models/{self.name}/versions/{self.version}"}
        return {**self.properties, **own, "name": self.name, "version": self.version}


def versions(cloud: Cloud) -> list[Version]:
    """Of all models; every project of the account has the same ones."""
    now, settings = cloud.clock.now(), cloud.settings
    tuned = [model for model in cloud.models.all() if model.final and catalog.BY_ID[model.base].is_open]
    visible = [model for model in tuned if model.created + settings.adapter_registration_seconds <= now]
    by_jobs = [_of_job(model) for model in visible] if settings.adapter_registration == "job" else []
    return by_jobs + [_registered(item, tuned) for item in cloud.versions.all()]


def find_version(cloud: Cloud, name: str, version: str) -> Version | None:
    wanted = (name.lower(), version.lower())
    return next((v for v in versions(cloud) if (v.name.lower(), v.version.lower()) == wanted), None)


async def list_all(cloud: Cloud, request: Request) -> Response:
    """The latest version of each model."""
    latest = {version.name.lower(): version for version in versions(cloud)}
    return _listed(cloud, request, list(latest.values()))


async def list_versions(cloud: Cloud, request: Request) -> Response:
    name = request.path_params["model"].lower()
    return _listed(cloud, request, [one for one in versions(cloud) if one.name.lower() == name])


async def get(cloud: Cloud, request: Request) -> Response:
    name, version = request.path_params["model"], request.path_params["version"]
    found = find_version(cloud, name, version)
    if found is None:
        raise not_found("model version", f"{name}/{version}")
    return reply(found.described(cloud, request.path_params["project"]))


async def register(cloud: Cloud, request: Request) -> Response:
    """Register a version whose weights were uploaded, or made by a job."""
    name, version = request.path_params["model"], request.path_params["version"]
    body = await read_object(request)
    if not _SEGMENT.fullmatch(name) or not _SEGMENT.fullmatch(version):
        raise invalid("Names and versions of models have letters, digits, '.', '_' and '-'.")
    if not body.get("blobUri") or body.get("weightType", "FullWeight") not in _WEIGHT_TYPES:
        raise invalid(f"'blobUri' is required, and 'weightType' must be one of {_WEIGHT_TYPES}.")
    if find_version(cloud, name, version) is not None:
        raise invalid(f"The version '{version}' of the model '{name}' exists.")
    key = f"{name.lower()}/{version.lower()}"
    cloud.versions.put(ModelVersion(key, cloud.clock.now(), name, version, body))
    return Response(status_code=202, headers={"location": str(request.url).replace("/createAsync", "")})


def _listed(cloud: Cloud, request: Request, found: list[Version]) -> Response:
    project = request.path_params["project"]
    return reply({"value": [version.described(cloud, project) for version in found]})


def _of_job(model: TunedModel) -> Version:
    properties = {
        "blobUri": f"https://storage.invalid/{model.job}",
        "weightType": "LoRA",
        "baseModel": model.base,
        "source": {"sourceType": "TrainingJob", "jobId": model.job},
        "loraConfig": {"rank": 16, "alpha": 32},
    }
    return Version(model.id, "1", properties, model.id, model.base)


def _registered(item: ModelVersion, tuned: list[TunedModel]) -> Version:
    source: Any = item.properties.get("source")
    job = source.get("jobId") if isinstance(source, dict) else None
    own = next((model for model in tuned if model.job == job), None)
    names = (own.id, own.base) if own else ("", "")
    return Version(item.name, item.version, item.properties, *names)
