"""Routes: a table of handlers for each plane."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Account, Cloud
from ftops.emulator.control_plane import account as control_account
from ftops.emulator.control_plane import (
    adapters,
    deployments,
    managed_compute,
    offers,
    operations,
    rai_policies,
    resource_manager,
)
from ftops.emulator.data_plane import (
    chat,
    evals,
    files,
    graders,
    jobs,
    models,
    project,
    project_models,
    responses,
    uploads,
)
from ftops.emulator.http.errors import Plane
from ftops.emulator.server import admin

Handler = Callable[[Cloud, Request], Awaitable[Response]]
Rows = list[tuple[str, str, Handler]]
"""Method, path, handler. ``{name}`` in a path stands for one segment."""


class Route(NamedTuple):
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    since: str = ""  # the date of the first api-version that has it


_DATA: Rows = [
    ("POST", "files", files.create),
    ("GET", "files", files.list_all),
    ("GET", "files/{file}", files.get),
    ("DELETE", "files/{file}", files.delete),
    ("GET", "files/{file}/content", files.content),
    ("POST", "fine_tuning/jobs", jobs.create),
    ("GET", "fine_tuning/jobs", jobs.list_all),
    ("GET", "fine_tuning/jobs/{job}", jobs.get),
    ("POST", "fine_tuning/jobs/{job}/cancel", jobs.cancel),
    ("POST", "fine_tuning/jobs/{job}/pause", jobs.pause),
    ("POST", "fine_tuning/jobs/{job}/resume", jobs.resume),
    ("GET", "fine_tuning/jobs/{job}/events", jobs.list_events),
    ("GET", "fine_tuning/jobs/{job}/checkpoints", jobs.list_checkpoints),
    ("POST", "fine_tuning/jobs/{job}/events", jobs.list_events_by_post),
    ("POST", "fine_tuning/jobs/{job}/checkpoints", jobs.list_checkpoints_by_post),
    ("GET", "models", models.list_all),
    ("GET", "models/{model}", models.get),
    ("DELETE", "models/{model}", models.delete),
    ("POST", "responses", responses.create),
    ("GET", "responses/{response}", responses.get),
    ("DELETE", "responses/{response}", responses.delete),
    ("POST", "responses/{response}/cancel", responses.cancel),
    ("GET", "responses/{response}/input_items", responses.list_input_items),
]
_EVAL, _RUN = "evals/{eval}", "evals/{eval}/runs/{run}"
_EVALS: Rows = [
    ("GET", "evals", evals.list_all),
    ("POST", "evals", evals.create),
    ("GET", _EVAL, evals.get),
    ("POST", _EVAL, evals.update),
    ("DELETE", _EVAL, evals.delete),
    ("GET", f"{_EVAL}/runs", evals.list_runs),
    ("POST", f"{_EVAL}/runs", evals.create_run),
    ("GET", _RUN, evals.get_run),
    ("POST", _RUN, evals.cancel_run),
    ("POST", f"{_RUN}/cancel", evals.cancel_run_as_sdk),
    ("DELETE", _RUN, evals.delete_run),
    ("GET", f"{_RUN}/output_items", evals.list_items),
    ("GET", f"{_RUN}/output_items/{{item}}", evals.get_item),
]
_DATED: Rows = [
    *_DATA,
    *_EVALS,
    ("POST", "files/import", files.import_from_url),
    ("DELETE", "fine_tuning/jobs/{job}", jobs.delete),
    ("POST", "uploads", uploads.create),
    ("POST", "uploads/{upload}/parts", uploads.add_part),
    ("POST", "uploads/{upload}/complete", uploads.complete),
    ("POST", "uploads/{upload}/cancel", uploads.cancel),
    ("POST", "deployments/{deployment}/chat/completions", chat.complete),
]
_COPY = "fine_tuning/jobs/{job}/checkpoints/{checkpoint}/copy"
_V1: Rows = [
    *_DATA,
    *_EVALS,
    ("POST", "chat/completions", chat.complete),
    ("POST", "fine_tuning/alpha/graders/run", graders.run),
    ("POST", "fine_tuning/alpha/graders/validate", graders.validate),
    ("POST", _COPY, jobs.copy_checkpoint),
    ("GET", _COPY, jobs.list_copies),
]
_PROJECT: Rows = [
    ("GET", "deployments", project.list_deployments),
    ("GET", "deployments/{deployment}", project.get_deployment),
    ("GET", "connections", project.list_connections),
    ("GET", "connections/{connection}", project.get_connection),
    (
        "POST",
        "connections/{connection}/getConnectionWithCredentials",
        project.get_connection_with_credentials,
    ),
    ("GET", "models", project_models.list_all),
    ("GET", "models/{model}/versions", project_models.list_versions),
    ("GET", "models/{model}/versions/{version}", project_models.get),
    ("POST", "models/{model}/versions/{version}/createAsync", project_models.register),
]
_ACCOUNT: Rows = [
    ("GET", "", control_account.get_account),
    ("PUT", "", control_account.put_account),
    ("DELETE", "", control_account.delete_account),
    ("GET", "/providers/Microsoft.Authorization/permissions", control_account.list_permissions),
    ("POST", "/listKeys", control_account.list_keys),
    ("POST", "/regenerateKey", control_account.regenerate_key),
    ("GET", "/models", offers.list_models),
    ("GET", "/skus", offers.list_account_skus),
    ("GET", "/usages", control_account.list_usages),
    ("GET", "/deployments", deployments.list_all),
    ("GET", "/deployments/{deployment}", deployments.get),
    ("PUT", "/deployments/{deployment}", deployments.put),
    ("PATCH", "/deployments/{deployment}", deployments.patch),
    ("DELETE", "/deployments/{deployment}", deployments.delete),
    ("GET", "/deployments/{deployment}/skus", deployments.skus),
    ("POST", "/deployments/{deployment}/pause", deployments.pause),
    ("POST", "/deployments/{deployment}/resume", deployments.resume),
    ("GET", "/projects", control_account.list_projects),
    ("GET", "/raiPolicies", rai_policies.list_all),
    ("GET", "/raiPolicies/{policy}", rai_policies.get),
    ("PUT", "/raiPolicies/{policy}", rai_policies.put),
    ("DELETE", "/raiPolicies/{policy}", rai_policies.delete),
]
_MANAGED: Rows = [
    ("GET", "/managedComputeDeployments", managed_compute.list_all),
    ("GET", "/managedComputeDeployments/{deployment}", managed_compute.get),
    ("PUT", "/managedComputeDeployments/{deployment}", managed_compute.put),
    ("PATCH", "/managedComputeDeployments/{deployment}", managed_compute.patch),
    ("DELETE", "/managedComputeDeployments/{deployment}", managed_compute.delete),
    ("GET", "/adapterDeployments", adapters.list_all),
    ("GET", "/adapterDeployments/{adapter}", adapters.get),
    ("PUT", "/adapterDeployments/{adapter}", adapters.put),
    ("DELETE", "/adapterDeployments/{adapter}", adapters.delete),
]
_SUBSCRIPTION: Rows = [
    ("GET", "", resource_manager.get_subscription),
    ("GET", "/locations", resource_manager.list_locations),
    ("GET", "/providers", resource_manager.list_providers),
    ("GET", "/providers/Microsoft.CognitiveServices", resource_manager.get_provider),
    ("POST", "/providers/Microsoft.CognitiveServices/register", resource_manager.get_provider),
    ("GET", "/resourceGroups", resource_manager.list_groups),
    ("GET", "/resourceGroups/{group}", resource_manager.get_group),
    ("HEAD", "/resourceGroups/{group}", resource_manager.has_group),
    ("PUT", "/resourceGroups/{group}", resource_manager.put_group),
    ("DELETE", "/resourceGroups/{group}", resource_manager.delete_group),
]
_PROVIDER: Rows = [
    ("GET", "/accounts", control_account.list_accounts),
    ("GET", "/deletedAccounts", control_account.list_deleted),
    ("GET", "/modelCapacities", offers.list_capacities),
    ("GET", "/skus", offers.list_skus),
    ("POST", "/checkDomainAvailability", control_account.check_domain),
]
_LOCATION: Rows = [
    ("GET", "/operationResults/{operation}", operations.get),
    ("GET", "/operationResults/{operation}/resource", operations.result),
    ("GET", "/usages", control_account.list_usages),
    ("GET", "/models", offers.list_location_models),
    ("GET", "/modelCapacities", offers.list_capacities),
    ("GET", "/managedComputeUsages", managed_compute.list_usages),
]
_ADMIN: Rows = [
    ("GET", "health", admin.health),
    ("GET", "account", admin.get_account),
    ("GET", "settings", admin.get_settings),
    ("PATCH", "settings", admin.patch_settings),
    ("GET", "clock", admin.get_clock),
    ("POST", "clock", admin.set_clock),
    ("GET", "faults", admin.get_faults),
    ("POST", "faults", admin.add_faults),
    ("DELETE", "faults", admin.clear_faults),
    ("GET", "objects", admin.list_objects),
    ("DELETE", "objects/{kind}/{name}", admin.delete_object),
    ("POST", "reset", admin.reset),
    ("GET", "principals", admin.list_principals),
    ("POST", "principals", admin.create_principal),
    ("DELETE", "principals/{principal}", admin.delete_principal),
    ("GET", "log", admin.get_log),
    ("DELETE", "log", admin.clear_log),
]

_SINCE: dict[Handler, str] = {
    **dict.fromkeys(
        (responses.create, responses.get, responses.delete, responses.cancel, responses.list_input_items),
        "2025-03-01",
    ),
    **dict.fromkeys((handler for _, _, handler in _EVALS), "2025-04-01"),
    jobs.pause: "2025-04-01",
    jobs.resume: "2025-04-01",
    deployments.pause: "2026-03-01",
    deployments.resume: "2026-03-01",
}


def table(account: Account) -> dict[Plane, list[Route]]:
    """All routes. Those of the control plane are for one account and ignore case."""
    provider = "/providers/Microsoft.CognitiveServices"
    subscription = f"/subscriptions/{account.subscription}"
    location = f"{subscription}{provider}/locations/{{location}}"
    deleted = f"{location}/resourceGroups/{{group}}/deletedAccounts/{{account}}"
    control: Rows = [
        ("GET", "/tenants", resource_manager.list_tenants),
        ("GET", "/subscriptions", resource_manager.list_subscriptions),
        ("GET", deleted, control_account.get_deleted),
        ("DELETE", deleted, control_account.purge),
        ("GET", f"{subscription}/resourceGroups/{{group}}{provider}/accounts", control_account.list_accounts),
        *((method, subscription + path, handler) for method, path, handler in _SUBSCRIPTION),
        *((method, subscription + provider + path, handler) for method, path, handler in _PROVIDER),
        *((method, account.id + path, handler) for method, path, handler in (*_ACCOUNT, *_MANAGED)),
        *((method, location + path, handler) for method, path, handler in _LOCATION),
    ]
    return {
        Plane.V1: _routes("/openai/v1/", _V1),
        Plane.DATED: _routes("/openai/", _DATED),
        Plane.PROJECT: _routes("/api/projects/{project}/", _PROJECT),
        Plane.ADMIN: _routes("/_emulator/", _ADMIN),
        Plane.ARM: _routes("", control, re.IGNORECASE),
    }


def _routes(prefix: str, rows: Rows, flags: int = 0) -> list[Route]:
    routes = []
    for method, path, handler in rows:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(prefix + path)) + "/?"
        routes.append(Route(method, re.compile(pattern, flags), handler, _SINCE.get(handler, "")))
    return routes
