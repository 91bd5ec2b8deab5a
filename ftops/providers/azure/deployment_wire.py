"""Deployment wire format: the request body of a deployment, and what a reply means. No calls."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ftops.core.address import Address, Json
from ftops.core.nested import object_at
from ftops.core.normal_form import same
from ftops.core.resource_types import RESOURCE_TYPES, UPGRADE_OPTIONS, is_tuned
from ftops.core.serving import deployment_name
from ftops.providers.deployment_expiry import CREATED, EXPIRES, expiry_of, time_of
from ftops.state.state import Status

_KIND = RESOURCE_TYPES["deployment"]
SPELLING = _KIND.spelling
TOKEN_TAG = "ftops-token"  # noqa: S105 (the name of a tag)

_STATUS: Mapping[str, Status] = {
    "succeeded": Status.READY,
    "disabled": Status.READY,
    "failed": Status.TAINTED,
    "canceled": Status.TAINTED,
    "cancelled": Status.TAINTED,
}
"""Any other state (Accepted, Creating, Updating, Deleting, Moving, or a new one) means pending."""
OPENAI = "OpenAI"
"""The word for OpenAI's models."""
_PROPERTIES: Mapping[str, str] = {
    "version_upgrade_option": "versionUpgradeOption",
    "rai_policy": "raiPolicyName",
    "spillover": "spilloverDeploymentName",
    "service_tier": "serviceTier",
    "deployment_state": "deploymentState",
}
_ABSENT = _KIND.defaults
"""What it means if the service doesn't report an input; sent if the spec doesn't set the input any more."""
_KEPT = frozenset(
    {
        *_PROPERTIES.values(),
        "capacitySettings",
        "contextCacheContainerId",
        "costControlIds",
        "parentDeploymentName",
        "routing",
        "scaleSettings",
        "speculativeDecoding",
    }
)
"""Properties that can be set, by the description of 2026-09-15-preview and older ones."""
PATCHED = frozenset({"sku", "tags"})
"""Inputs that PATCH can change; others need PUT."""
_FOLLOWED = frozenset({"azure-asyncoperation", "location", "operation-location"})
"""Headers with the URL at which the SDK asks for the state of an operation."""
_VERSIONED = re.compile(r"(?P<name>.+)-(?P<version>\d{4}-\d{2}-\d{2})\Z")
_UPGRADE_OPTIONS = {re.sub(r"(?<!^)(?=[A-Z])", "_", option).lower(): option for option in UPGRADE_OPTIONS}


@dataclass(frozen=True, slots=True)
class Resume:
    """The operation in progress, so that another process can continue to wait for it."""

    operation: str
    """`create` or `update`."""
    token: str = ""
    """The URL of the operation, or the SDK's continuation token, which contains it; no credentials."""
    refused: bool = False
    """The state contains a token that was rejected: it is malformed or leads to another host."""

    def __str__(self) -> str:
        return json.dumps({"operation": self.operation, "token": self.token}, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, endpoint: str) -> Resume | None:
        """The operation in the state, if it is at the control plane `endpoint`."""
        try:
            value = json.loads(text or "null")
        except ValueError:
            return None
        if not isinstance(value, dict) or not value.get("operation"):
            return None
        operation, token = str(value["operation"]), str(value.get("token") or "")
        refused = bool(token) and not _leads_to(token, endpoint)
        return cls(operation, "" if refused else token, refused)


def _leads_to(token: str, endpoint: str) -> bool:
    """Whether a token is the URL of an operation at `endpoint`, or a continuation token with URLs of
    `endpoint` only. Credentials are sent to these URLs, and others may be able to write to the state."""
    try:
        addresses = [token] if token.startswith("http") else _addresses_in(token)
        places = [urlsplit(address) for address in (endpoint, *addresses)]
        return len({(place.scheme, place.hostname, place.port) for place in places}) == 1
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _addresses_in(token: str) -> list[str]:
    """The URLs in a continuation token of the SDK, which is JSON."""
    state = json.loads(base64.b64decode(token, validate=True))["data"]
    headers: dict[str, str] = state["response"]["headers"]
    return [state["request"]["url"], *(headers[name] for name in headers if name.lower() in _FOLLOWED)]


def name_for(inputs: Mapping[str, Json], address: Address) -> str:
    """The remote name of a deployment with a known model."""
    name = str(inputs.get("name") or address.name)
    return deployment_name(name, {**inputs, "model": str(inputs.get("model"))})


def name_of(remote_id: str) -> str:
    """The name in an ARM ID, or the plain name from an import."""
    return remote_id.rstrip("/").rsplit("/", 1)[-1]


def model_of(inputs: Mapping[str, Json], publisher: str = OPENAI) -> dict[str, str]:
    """A model in the form of the service, with the version of a base model as a separate field. `publisher`:
    the word that the service has for who made it."""
    model, version = str(inputs["model"]), str(inputs.get("version") or "")
    if _is_pinned(model):
        return {"format": publisher, "name": model, "version": version or "1"}
    dated = _VERSIONED.match(model)
    name, own = (dated["name"], dated["version"]) if dated else (model, "")
    chosen = version or own
    return {"format": publisher, "name": name} | ({"version": chosen} if chosen else {})


def source_of(inputs: Mapping[str, Json], own: str) -> dict[str, str]:
    """The account of the model in the form of the service, if it isn't the account `own`."""
    source = str(inputs.get("source") or "")
    if not source or source.casefold() == own.casefold():
        return {}
    return {"source": source} | ({"sourceAccount": source} if inputs.get("source_tenant") else {})


def body_for(inputs: Mapping[str, Json], token: str, own: str, publisher: str = OPENAI) -> dict[str, Any]:
    """The request body of a deployment in the account `own`, an ARM ID."""
    option = inputs.get("version_upgrade_option") or (
        "NoAutoUpgrade" if _is_pinned(inputs["model"]) else None
    )
    properties: dict[str, Any] = {"model": model_of(inputs, publisher) | source_of(inputs, own)}
    if option:
        properties["versionUpgradeOption"] = _UPGRADE_OPTIONS.get(str(option).lower(), str(option))
    named = {n: inputs[n] for n in _PROPERTIES if n != "version_upgrade_option" and inputs.get(n)}
    properties |= {_PROPERTIES[name]: value for name, value in named.items()}
    name, capacity = object_at(inputs, "sku").get("name"), object_at(inputs, "sku").get("capacity")
    size = {"name": name or "Standard", "capacity": 1 if capacity is None else capacity}
    tags = {str(name): str(value) for name, value in object_at(inputs, "tags").items()}
    return {"sku": size, "tags": tags | ({TOKEN_TAG: token} if token else {}), "properties": properties}


def changed_body(
    live: Mapping[str, Any],
    inputs: Mapping[str, Json],
    token: str,
    own: str,
    dropped: Collection[str],
    publisher: str = OPENAI,
) -> dict[str, Any]:
    """The request body of a changed deployment. What the spec doesn't mention stays as it is."""
    body = body_for(inputs, token, own, publisher)
    size = {k: v for k, v in object_at(live, "sku").items() if k in ("name", "capacity")}
    body["sku"] = {**size, **object_at(inputs, "sku")}
    if "tags" not in inputs and "tags" not in dropped:
        body["tags"] = {**object_at(live, "tags"), **body["tags"]}
    leave = {_PROPERTIES[name] for name in dropped if name in _PROPERTIES}
    reset = {_PROPERTIES[name]: _ABSENT[name] for name in dropped if name in _ABSENT}
    kept = {k: v for k, v in object_at(live, "properties").items() if k in _KEPT and k not in leave}
    body["properties"] = {**kept, **reset, **body["properties"]}
    if upgraded_inputs(observed_inputs(live, inputs), inputs):  # it can't be downgraded
        body["properties"]["model"]["version"] = object_at(live, "properties", "model")["version"]
    return body


def token_of(body: Mapping[str, Any]) -> str:
    """The token of a deployment; empty if it has none."""
    return str(next((v for k, v in object_at(body, "tags").items() if k.lower() == TOKEN_TAG), ""))


def state_of(body: Mapping[str, Any]) -> str:
    return str(object_at(body, "properties").get("provisioningState") or "")


def is_deleting(body: Mapping[str, Any]) -> bool:
    return state_of(body).lower() == "deleting"


def reason_of(body: Mapping[str, Any]) -> str:
    """Why it failed, if the deployment itself says so."""
    properties = object_at(body, "properties")
    return str(
        object_at(properties, "error").get("message")
        or object_at(properties, "provisioningDetails").get("message")
        or ""
    )


def status_of(body: Mapping[str, Any]) -> Status:
    return _STATUS.get(state_of(body).lower(), Status.PENDING)


def differences(body: Mapping[str, Any], inputs: Mapping[str, Json]) -> set[str]:
    """The inputs that aren't as requested, except newer versions that the service chose by its rules."""
    observed, spelling = observed_inputs(body, inputs), _KIND.spelling
    return {
        name
        for name, value in observed.items()
        if name != "name" and not same(value, _asked(inputs, name), spelling, name)
    } - upgraded_inputs(observed, inputs)


def upgraded_inputs(observed: Mapping[str, Json], inputs: Mapping[str, Json]) -> set[str]:
    """The inputs for which the service chose a newer version by its rules."""
    rules = _KIND.upgraded_by_service.items()
    return {
        name for name, rule in rules if name in observed and rule(inputs.get(name), observed[name], inputs)
    }


def dropped_inputs(body: Mapping[str, Any], old: Mapping[str, Json], new: Mapping[str, Json]) -> set[str]:
    """Optional inputs that were requested before, aren't any more, and are still in effect."""
    optional = {name for name in ("tags", *_PROPERTIES) if old.get(name) and not new.get(name)}
    return optional - differences(body, old)


def observed_inputs(body: Mapping[str, Any], inputs: Mapping[str, Json]) -> dict[str, Json]:
    """The requested inputs that the service reports, as the spec spells them. A value that only differs in
    case counts as requested."""
    properties = object_at(body, "properties")
    observed: dict[str, Json] = {}
    if "name" in inputs and (name := str(body.get("name") or "")):
        observed["name"] = observed_name(inputs, name)
    model = object_at(properties, "model")
    observed |= _observed_model(model, inputs)
    if inputs.get("source") and (source := str(model.get("source") or "")):
        observed["source"] = _as_recorded(inputs, "source", source, {source.casefold()})
    observed["sku"] = _observed_sku(object_at(body, "sku"), inputs)
    if inputs.get("tags") is not None:
        observed["tags"] = {k: v for k, v in object_at(body, "tags").items() if k.lower() != TOKEN_TAG}
    for ours, theirs in _PROPERTIES.items():
        if inputs.get(ours):
            value = str(properties.get(theirs) or _ABSENT.get(ours) or "") or None
            asked = _UPGRADE_OPTIONS.get(str(inputs[ours]).lower(), str(inputs[ours] or ""))
            observed[ours] = inputs[ours] if asked.casefold() == (value or "").casefold() else value
    return observed


def observed_name(inputs: Mapping[str, Json], name: str) -> Json:
    """The name as the spec declares it, if it is that, alone or with the digits of blue_green."""
    declared = re.sub(r"-[0-9a-f]{8}\Z", "", name.casefold())  # it is kept if `replace` changes
    return _as_recorded(inputs, "name", name, {name.casefold(), declared})


def all_inputs(body: Mapping[str, Any], own: str) -> dict[str, Json]:
    """All inputs that a deployment in the account `own` reports, as a spec spells them."""
    properties = object_at(body, "properties")
    model = object_at(properties, "model")
    name, version = str(model.get("name") or ""), str(model.get("version") or "")
    source = str(model.get("source") or "")
    inputs: dict[str, Json] = {
        "name": str(body.get("name") or ""),
        **_observed_model(model, {}),
        "sku": {
            k: v for k, v in object_at(body, "sku").items() if k in ("name", "capacity") and v is not None
        },
        "tags": {k: v for k, v in object_at(body, "tags").items() if k.lower() != TOKEN_TAG},
        "source": source if source.casefold() != own.casefold() else "",
        **{ours: properties.get(theirs) for ours, theirs in _PROPERTIES.items()},
    }
    if version and not is_tuned(name) and inputs["model"] == name:
        inputs["version"] = version
    return {key: value for key, value in inputs.items() if value not in (None, "", {})}


def attributes_of(body: Mapping[str, Any], remote_id: str, endpoint: str) -> dict[str, Json]:
    """The computed attributes."""
    model = object_at(body, "properties", "model")
    version = str(model.get("version") or "")
    name = str(model.get("name") or "")
    is_base = bool(name) and not is_tuned(name) and bool(re.match(r"\d{4}-\d{2}-\d{2}\Z", version))
    created = time_of(object_at(body, "systemData").get("createdAt"))
    expiry = expiry_of({"model": name, "sku": object_at(body, "sku")})
    return {
        "id": remote_id,
        "name": str(body.get("name") or name_of(remote_id)),
        "endpoint": f"{endpoint}/",
        "provisioning_state": state_of(body) or "unknown",
        "model": f"{name}-{version}" if is_base else name,
        **({CREATED: f"{created:%Y-%m-%dT%H:%M:%SZ}"} if created else {}),
        **({EXPIRES: expiry.expected(created)} if expiry else {}),
    }


def has_model(body: Mapping[str, Any], inputs: Mapping[str, Json]) -> bool:
    """Whether the requested model is provisioned. A reused name serves the old model for a while."""
    wanted = model_of(inputs)
    model = object_at(body, "properties", "model")
    return str(model.get("name") or "").casefold() == wanted["name"].casefold()


def answers_as(reply: str, wanted: str) -> bool:
    """Whether the model in a reply may be the requested one. Only fine-tuned models can be distinguished."""
    if not is_tuned(reply) or not is_tuned(wanted):
        return True
    return reply.casefold().split(":ckpt")[0] == wanted.casefold().split(":ckpt")[0]


def _observed_model(model: Mapping[str, Any], inputs: Mapping[str, Json]) -> dict[str, Json]:
    name, version = str(model.get("name") or ""), str(model.get("version") or "")
    if "model" not in inputs:
        return {"model": f"{name}-{version}" if _VERSIONED.match(f"{name}-{version}") else name}
    asked = model_of(inputs)
    same_name = name.casefold() == asked["name"].casefold()
    # A version that wasn't requested is the service's choice, not a difference.
    same_version = not version or "version" not in asked or version == asked["version"]
    if inputs.get("version"):
        return {
            "model": inputs["model"] if same_name else name,
            "version": inputs["version"] if same_version else version,
        }
    if same_name and same_version:
        return {"model": inputs["model"]}
    return {"model": f"{name}-{version}" if _VERSIONED.match(f"{name}-{version}") else name}


def _observed_sku(sku: Mapping[str, Any], inputs: Mapping[str, Json]) -> dict[str, Json]:
    asked = object_at(inputs, "sku")
    return {
        key: asked.get(key)
        if str(asked.get(key)).casefold() == str(sku.get(key)).casefold()
        else sku.get(key)
        for key in ("name", "capacity")
        if key in asked or inputs.get("sku") is None
    }


def _asked(inputs: Mapping[str, Json], name: str) -> Json:
    value = inputs.get(name)
    if name == "tags" and isinstance(value, Mapping):
        return {str(k): str(v) for k, v in value.items()}
    return value


def _is_pinned(model: Json) -> bool:
    """Whether it is a fine-tuned model or a checkpoint: these have a single version."""
    return is_tuned(model) or str(model).startswith("ftchkpt-")


def _as_recorded(inputs: Mapping[str, Json], key: str, value: str, alike: set[str]) -> Json:
    recorded = inputs.get(key)
    return recorded if isinstance(recorded, str) and recorded.casefold() in alike else value
