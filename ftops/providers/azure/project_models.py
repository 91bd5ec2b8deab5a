"""Project models: versions of models of the account's projects, among them adapters that jobs have made.

Whether training registers an adapter by itself isn't documented, nor is its name. So a version is found by
the job that it says it comes from, and that job by the model that it has made.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.nested import list_at, object_at
from ftops.providers.azure.arm_objects import ArmObjects
from ftops.providers.azure.clients import Clients
from ftops.providers.dataplane.client import body_of
from ftops.providers.dataplane.errors import is_absent, refusal_from

_HEADERS = {"Foundry-Features": "Models=V1Preview"}
_QUERY = {"api-version": "v1"}
_LORA = frozenset({"", "lora"})
"""Types of weights that an adapter can have, in lower case; empty: it isn't reported."""
_SOURCE = re.compile(
    r"azureai://accounts/[^/]+/projects/(?P<project>[^/]+)/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
)
_PAGES_AT_MOST = 100
_SECONDS_BETWEEN_LOOKS = 5.0


class Version(NamedTuple):
    """A version of a project model. `job`: the ID of the job that has made it; empty if none has."""

    project: str
    name: str
    version: str
    job: str
    weights: str

    @property
    def is_adapter(self) -> bool:
        return bool(self.job) and self.weights in _LORA

    def number(self) -> int:
        """Newer versions have higher ones."""
        return int(self.version) if self.version.isdecimal() else 0


class ProjectModels:
    """Finds the version for a fine-tuned model, and the model of a version."""

    def __init__(self, clients: Clients, visible_after: float) -> None:
        self._clients = clients
        self._visible_after = visible_after
        self._missed: dict[str, float] = {}
        """By model, when its version was first looked for in vain."""
        self._models: dict[str, str] = {}
        """By job, the model that it has made."""

    def source_of(self, model: str, action: str) -> str:
        """The ID of the version that has the adapter of a fine-tuned model. Raises Temporary while it may be
        registered yet, then Permanent."""
        projects = self._projects()
        found = [v for project in projects for v in self._versions(project) if v.is_adapter]
        # The ID of the job is usually in the name of its model: such versions are looked at first.
        found.sort(key=lambda v: v.job.removeprefix("ftjob-").casefold() not in model.casefold())
        job = next((v.job for v in found if self._model_of(v.job).casefold() == model.casefold()), None)
        if job is None:
            raise self._unregistered(model, action, projects)
        own = max((v for v in found if v.job == job), key=Version.number)
        account = self._clients.account.name
        return f"azureai://accounts/{account}/projects/{own.project}/models/{own.name}/versions/{own.version}"

    def model_of(self, source: str) -> str:
        """The fine-tuned model of a version; its ID if that isn't known."""
        parts = _SOURCE.fullmatch(source)
        if parts is None:
            return source
        versions = (
            version
            for project in self._projects()
            if project.name.casefold() == parts["project"].casefold()
            for version in self._versions_of(project, parts["name"])
        )
        found = next((v for v in versions if v.version == parts["version"]), None)
        return (self._model_of(found.job) if found is not None and found.job else "") or source

    def _unregistered(self, model: str, action: str, projects: list[_Project]) -> ProviderError:
        now = time.monotonic()
        since = self._missed.setdefault(model, now)
        names = ", ".join(project.name for project in projects)
        texts = (
            f"{action}: no version of a project model has the adapter of {model}",
            f"Looked in {f'the projects {names}' if names else 'the account, which has no project'}: none of "
            "their models names the job of this model as its source.",
            "register the adapter in a project (in the Foundry portal: the details of the job), then apply "
            "again; or set `source_model: azureai://accounts/…/projects/…/models/…/versions/…`",
        )
        if now - since < self._visible_after:
            return Temporary(*texts, code="NotRegistered", retry_after=_SECONDS_BETWEEN_LOOKS)
        self._missed.pop(model, None)
        return Permanent(*texts, code="NotRegistered")

    def _projects(self) -> list[_Project]:
        """The project of the endpoint, else all of the account."""
        account = self._clients.account
        if account.project:
            name = account.project.rpartition("/")[2]
            return [_Project(name, f"{account.endpoint.rstrip('/')}{account.project}")]
        with self._clients.calling("list the projects", control_plane=True):
            rows = ArmObjects(self._clients, "projects").list()
        return [project for row in rows if (project := _project_of(row)) is not None]

    def _versions(self, project: _Project) -> Iterator[Version]:
        """Of all models of a project."""
        for name in dict.fromkeys(str(row.get("name") or "") for row in self._list(project, "models")):
            yield from self._versions_of(project, name)

    def _versions_of(self, project: _Project, name: str) -> Iterator[Version]:
        for row in self._list(project, f"models/{quote(name, safe='')}/versions") if name else ():
            yield Version(
                project.name,
                str(row.get("name") or name),
                str(row.get("version") or ""),
                str(object_at(row, "source").get("jobId") or ""),
                str(row.get("weightType") or "").casefold(),
            )

    def _list(self, project: _Project, path: str) -> Iterator[Mapping[str, Any]]:
        client, url = self._clients.project(project.url), path
        action = f"list the models of project {project.name}"
        for number in range(_PAGES_AT_MOST):
            options: Any = {"headers": _HEADERS} | ({"params": _QUERY} if number == 0 else {})
            with self._clients.calling(action):
                try:
                    body: Any = client.get(url, cast_to=object, options=options)
                except Exception as exc:
                    if is_absent(refusal_from(exc)):
                        return
                    raise
            page = body if isinstance(body, dict) else {}
            yield from (row for row in list_at(page, "value") if isinstance(row, dict))
            url = str(page.get("nextLink") or "")
            if not url.startswith(project.url):  # credentials go nowhere else
                return

    def _model_of(self, job: str) -> str:
        """The model that a job has made; empty if it doesn't exist, or has made none."""
        if job not in self._models:
            action = f"read job {job}"
            retrieve = self._clients.data.fine_tuning.jobs.with_raw_response.retrieve
            with self._clients.calling(action):
                try:
                    body = body_of(retrieve(job), action)
                except Exception as exc:
                    refusal = refusal_from(exc)
                    if refusal is None or refusal.status not in (400, 404):
                        raise
                    body = {}
            self._models[job] = str(body.get("fine_tuned_model") or "")
        return self._models[job]


class _Project(NamedTuple):
    name: str
    url: str


def _project_of(row: Mapping[str, Any]) -> _Project | None:
    """A project as the control plane lists it; None if it has no address."""
    addresses = object_at(row, "properties", "endpoints").values()
    url = next((str(one) for one in addresses if "/api/projects/" in str(one)), "")
    name = str(row.get("name") or "").rpartition("/")[2]
    return _Project(name, url.rstrip("/")) if name and url else None
