"""Which function answers which request: a table per plane."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from ftops.emulator.account.cloud import Account, Cloud
from ftops.emulator.control_plane import account as control_account
from ftops.emulator.control_plane import account_life, deployments, operations
from ftops.emulator.data_plane import chat, copies, files, imports, jobs, models, uploads
from ftops.emulator.http.errors import Plane
from ftops.emulator.server import admin, principals

Answer = Callable[[Cloud, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path; ``{name}`` in the path stands for one part of it."""

    method: str
    pattern: re.Pattern[str]
    answer: Answer
    since: str = ""  # the day of the first dated api-version that has it


_DATA: list[tuple[str, str, Answer]] = [
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
    ("GET", "models", models.list_all),
    ("GET", "models/{model}", models.get),
    ("DELETE", "models/{model}", models.delete),
]
_SINCE: dict[Answer, str] = {
    jobs.pause: "2025-04-01",
    jobs.resume: "2025-04-01",
    deployments.pause: "2026-03-01",
    deployments.resume: "2026-03-01",
}
_DATED: list[tuple[str, str, Answer]] = [
    *_DATA,
    ("POST", "fine_tuning/jobs/{job}/events", jobs.list_events_by_post),
    ("POST", "fine_tuning/jobs/{job}/checkpoints", jobs.list_checkpoints_by_post),
    ("POST", "files/import", imports.create),
    ("DELETE", "fine_tuning/jobs/{job}", jobs.delete),
    ("POST", "uploads", uploads.create),
    ("POST", "uploads/{upload}/parts", uploads.add_part),
    ("POST", "uploads/{upload}/complete", uploads.complete),
    ("POST", "uploads/{upload}/cancel", uploads.cancel),
    ("POST", "deployments/{deployment}/chat/completions", chat.complete),
]
_COPY = "fine_tuning/jobs/{job}/checkpoints/{checkpoint}/copy"
_V1: list[tuple[str, str, Answer]] = [
    *_DATA,
    ("POST", "chat/completions", chat.complete),
    ("POST", _COPY, copies.start),
    ("GET", _COPY, copies.get),
]
_ACCOUNT: list[tuple[str, str, Answer]] = [
    ("GET", "", control_account.get_account),
    ("PUT", "", account_life.put),
    ("DELETE", "", account_life.delete),
    ("GET", "/providers/Microsoft.Authorization/permissions", account_life.list_permissions),
    ("POST", "/listKeys", control_account.list_keys),
    ("GET", "/models", control_account.list_models),
    ("GET", "/usages", control_account.list_usages),
    ("GET", "/deployments", deployments.list_all),
    ("GET", "/deployments/{deployment}", deployments.get),
    ("PUT", "/deployments/{deployment}", deployments.put),
    ("PATCH", "/deployments/{deployment}", deployments.patch),
    ("DELETE", "/deployments/{deployment}", deployments.delete),
    ("GET", "/deployments/{deployment}/skus", deployments.skus),
    ("POST", "/deployments/{deployment}/pause", deployments.pause),
    ("POST", "/deployments/{deployment}/resume", deployments.resume),
]
_LOCATION: list[tuple[str, str, Answer]] = [
    ("GET", "/operationResults/{operation}", operations.get),
    ("GET", "/operationResults/{operation}/resource", operations.result),
    ("GET", "/usages", control_account.list_usages),
    ("GET", "/models", control_account.list_location_models),
    ("GET", "/modelCapacities", control_account.list_capacities),
]
_ADMIN: list[tuple[str, str, Answer]] = [
    ("GET", "health", admin.health),
    ("GET", "account", admin.account),
    ("GET", "settings", admin.get_settings),
    ("PATCH", "settings", admin.patch_settings),
    ("GET", "clock", admin.get_clock),
    ("POST", "clock", admin.set_clock),
    ("GET", "faults", admin.get_faults),
    ("POST", "faults", admin.add_faults),
    ("DELETE", "faults", admin.clear_faults),
    ("GET", "objects", admin.objects),
    ("DELETE", "objects/{kind}/{name}", admin.vanish),
    ("POST", "reset", admin.reset),
    ("GET", "principals", principals.list_all),
    ("POST", "principals", principals.create),
    ("DELETE", "principals/{principal}", principals.delete),
    ("GET", "log", admin.log),
    ("DELETE", "log", admin.clear_log),
]


def table(account: Account) -> dict[Plane, list[Route]]:
    """All routes; those of the control plane know one account and ignore case."""
    provider = "/providers/Microsoft.CognitiveServices"
    subscription = f"/subscriptions/{account.subscription}"
    group = f"{subscription}/resourceGroups/{account.group}"
    one = f"{group}{provider}/accounts/{account.name}"
    location = f"{subscription}{provider}/locations/{{location}}"
    deleted = f"{location}/resourceGroups/{{group}}/deletedAccounts/{{account}}"
    lists: list[tuple[str, str, Answer]] = [
        ("GET", f"{subscription}{provider}/deletedAccounts", account_life.list_deleted),
        ("GET", deleted, account_life.get_deleted),
        ("DELETE", deleted, account_life.purge),
        ("GET", f"{subscription}{provider}/accounts", control_account.list_accounts),
        ("GET", f"{group}{provider}/accounts", control_account.list_accounts),
        ("GET", f"{subscription}{provider}/modelCapacities", control_account.list_capacities),
    ]
    control = [
        *lists,
        *((method, one + path, answer) for method, path, answer in _ACCOUNT),
        *((method, location + path, answer) for method, path, answer in _LOCATION),
    ]
    return {
        Plane.V1: _routes("/openai/v1/", _V1),
        Plane.DATED: _routes("/openai/", _DATED),
        Plane.ADMIN: _routes("/_emulator/", _ADMIN),
        Plane.ARM: _routes("", control, re.IGNORECASE),
    }


def _routes(prefix: str, rows: list[tuple[str, str, Answer]], flags: int = 0) -> list[Route]:
    return [
        Route(method, _pattern(prefix + path, flags), answer, _SINCE.get(answer, ""))
        for method, path, answer in rows
    ]


def _pattern(path: str, flags: int) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    text = "".join(f"(?P<{part}>[^/]+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile(text + "/?", flags)
