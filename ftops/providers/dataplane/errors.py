"""Service errors: exceptions of the SDKs as Temporary or Permanent, with hints.

An exception becomes a `Refusal`, and tables say what its text, code or status means. What only the OpenAI
platform has is in `openai.errors`. No SDK is imported here: if one of its exceptions exists, it is already
loaded.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from shutil import which
from textwrap import shorten
from typing import Any, TypeVar

from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.core.limited_replies import EndlessReply
from ftops.core.nested import list_at
from ftops.core.reply_json import parsed
from ftops.core.sign_in import NOT_SIGNED_IN, no_connection, rejected, sign_in_hint

T = TypeVar("T")

UNREACHABLE = "Unreachable"
"""The code of a Temporary: no connection could be made, nothing was sent."""
NO_REPLY = "NoReply"
"""The code of a Temporary: the request was sent, but no reply arrived."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error reply of the data plane or the control plane."""

    status: int
    code: str
    message: str
    request_id: str = ""
    retry_after: float | None = None
    control_plane: bool = False


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error reply means. If the summary is empty, the service's message is shown."""

    temporary: bool
    summary: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Meanings that only one service has. They override those by code and status below."""

    route: str
    """What to check if the service can't be found."""
    by_code: Mapping[str, Meaning] = field(default_factory=dict)
    by_status: Mapping[int, Meaning] = field(default_factory=dict)


def later(summary: str = "", hint: str = "") -> Meaning:
    return Meaning(True, summary, hint)


def never(summary: str = "", hint: str = "") -> Meaning:
    return Meaning(False, summary, hint)


_KEY = "AZURE_OPENAI_API_KEY"
"""What other programs read."""
_SIGN_IN = (
    "check the provider's `api_key`; without a key, sign in (`az login`) with an identity that has the role "
    "Cognitive Services OpenAI Contributor or Foundry User on the account"
)
_DATA_ROLE = (
    "you need the role Cognitive Services OpenAI Contributor or Foundry User on the account; if the account "
    "doesn't accept keys (disableLocalAuth), remove `api_key` and sign in with `az login`"
)
_CONTROL_ROUTE = (
    "check the network, and `control_plane: {endpoint: …}` of the provider if Azure Resource Manager has "
    "another address there, as in an emulator or a private cloud"
)
_SIGN_IN_ROUTE = (
    "check the network, DNS and the proxy (HTTPS_PROXY, NO_PROXY); if the proxy has a certificate of its "
    "own, name it in REQUESTS_CA_BUNDLE and SSL_CERT_FILE"
)
_CONTROL_SIGN_IN = "sign in (`az login`) to the tenant of the subscription, or check the managed identity"
_CONTROL_ROLE = (
    "you need Microsoft.CognitiveServices/accounts/deployments/write, for example through the role "
    "Cognitive Services Contributor or Foundry Owner on the account"
)
_QUOTA = (
    "lower sku.capacity, delete a deployment that is no longer used, or request more quota "
    "(`az cognitiveservices usage list --location <region>` shows what is used)"
)
_ACCOUNT = (
    "check the provider's subscription_id, resource_group and account; the name of a deleted account stays "
    "reserved for 48 hours: `az cognitiveservices account list-deleted` shows it, `recover` restores it"
)
AZURE = Words("check `endpoint` (https://<account>.openai.azure.com/) and `api_version` of the provider")

_BY_MESSAGE: tuple[tuple[str, Meaning], ...] = (
    (
        "does not support fine-tuning",
        never(
            "this model can't be fine-tuned in this way",
            "include the version (gpt-4o-mini-2024-07-18); the service gives the same error if it doesn't "
            "offer the training type: try another `training_type` (standard, global_standard, data_zone, "
            "developer), and check that the region offers it",
        ),
    ),
    ("lacks the required data action", never("access denied", _DATA_ROLE)),
    (
        "virtual network/firewall",
        never("the account's firewall blocks this address", "allow the address, or use a private endpoint"),
    ),
    (
        "in 'failed' state",
        never("a failed deployment has this name", "delete it, or let ftops replace it: `ftops plan`"),
    ),
    ("another operation is being performed", later("another operation is changing the account")),
    (
        "capacity and model at the same time",
        later("the service can't change capacity and model at the same time"),
    ),
)
_BY_CODE: Mapping[str, Meaning] = {
    "insufficientquota": never("not enough quota", _QUOTA),
    "insufficient_quota": never("not enough quota", _QUOTA),
    "quotaexceeded": never(
        "a limit of the account is reached", "delete files or jobs that are no longer used"
    ),
    "daily_rate_limit_exceeded": never("the daily limit of jobs is reached", "apply again tomorrow"),
    "requestconflict": later("another operation is changing the account"),
    "accountprovisioningstateinvalid": later("the account itself is being changed"),
    "resourcegroupbeingdeleted": never("the resource group is being deleted"),
    "flagmustbesetforrestore": never("a deleted account still has this name", _ACCOUNT),
    "accountisdeleted": never("the account is deleted", _ACCOUNT),
    "parentresourcenotfound": never("there is no such account", _ACCOUNT),
    "resourcegroupnotfound": never("there is no such resource group", _ACCOUNT),
    "subscriptionnotfound": never("there is no such subscription", _ACCOUNT),
    "modelupgradenotsupported": never(
        "a deployment of a fine-tuned model can't be given another model",
        "replace the deployment: `ftops plan`",
    ),
    "deploymentmodelnotsupported": never(
        "this model can't be deployed here",
        "check model, version and sku.name against `az cognitiveservices account list-models`",
    ),
    "invalidresourceproperties": never(
        "the service rejected these properties",
        "check model, version and sku.name against `az cognitiveservices account list-models`",
    ),
    "deploymentnotfound": later(
        "the deployment doesn't answer yet", "a new deployment can take ten minutes to be reachable"
    ),
    "deploymentnotready": later("the deployment doesn't answer yet"),
    "authenticationtypedisabled": never("the account doesn't accept API keys", _DATA_ROLE),
    "invalidapiversionparameter": never("the service doesn't support this api_version", AZURE.route),
    "itemdoesalreadyexist": never("it already exists"),
    "jsonlvalidationfailed": never("the service rejected the data", "`ftops validate` shows what it checks"),
    "fileimportfailed": never(
        "the service could not fetch the file", "check `url`: Azure must be able to reach it"
    ),
    "contentfilter": never("the content filter rejected the data"),
}
_DATA_STATUS: Mapping[int, Meaning] = {
    401: never("authentication failed", _SIGN_IN),
    403: never("access denied", _DATA_ROLE),
    404: never(),
    408: later("the service timed out"),
    409: later("another operation is changing it"),
    413: never("the file is too large", "the limit is 512 MB per file"),
    423: never("the deployment is paused", "resume it in the portal"),
    429: later("too many requests"),
    501: never("the service doesn't support this"),
}
_CONTROL_STATUS: Mapping[int, Meaning] = {
    **_DATA_STATUS,
    401: never("authentication failed", _CONTROL_SIGN_IN),
    403: never("access denied", _CONTROL_ROLE),
    404: never("not found", _ACCOUNT),
    412: never("somebody has changed it in the meantime", "plan again: `ftops plan`"),
}
_OUTAGE = later("the service has an internal error")

_REQUEST_IDS = ("apim-request-id", "x-ms-request-id", "x-request-id")
_GATEWAY_MESSAGE = re.compile(r"resource not found\.?\Z|invalid url\b", re.IGNORECASE)
"""The message for a path or version that the service doesn't know, whatever object is meant."""
_GATEWAY_CODES = frozenset({"", "404"})
_ACCOUNT_CODES = frozenset({"parentresourcenotfound", "resourcegroupnotfound", "subscriptionnotfound"})
_NOTHING_SENT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol", "InvalidURL"}
)
_FAMILIES = (
    ("openai", "OpenAIError"),
    ("azure.core.exceptions", "AzureError"),  # the base of azure-identity's errors as well
    ("httpx2", "RequestError"),  # openai doesn't wrap these while it streams a body
    ("httpx", "RequestError"),
)
_BEARER = re.compile(r"(?i)\b(bearer\s+|api[-_]key[\"']?\s*[:=]\s*[\"']?)[\w.~+/=-]{8,}")
_DETAIL_LIMIT = 800


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a service, for errors about it."""

    action: str
    secrets: Collection[str]
    words: Words
    creates: bool = False
    """Without a clear answer, an object may exist."""
    control_plane: bool = False
    provider: str = ""


@contextmanager
def translated(call: Call) -> Iterator[None]:
    """Turns what an SDK raises inside into Temporary or Permanent."""
    try:
        yield
    except ProviderError:
        raise
    except Exception as exc:
        error = _error_from(exc, call)
        if error is None:
            raise
        # The SDK's text may quote what was sent; in that case it isn't chained.
        raise error from (None if scrubbed(str(exc), call.secrets) != str(exc) else exc)


def refusal_from(exc: BaseException, *, control_plane: bool = False) -> Refusal | None:
    """The error reply in an SDK's exception, if there is one."""
    response = getattr(exc, "response", None)
    if not _is_foreign(exc) or response is None:
        return None
    headers = {str(name).lower(): str(value) for name, value in response.headers.items()}
    status = int(getattr(exc, "status_code", 0) or response.status_code)
    request = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), "")
    return Refusal(status, *_read_body(_text_of(response)), request, retry_after(headers), control_plane)


def is_absent(refusal: Refusal | None) -> bool:
    """Whether the reply means that the object doesn't exist, not that the URL is wrong."""
    if refusal is None or refusal.status != 404:
        return False
    code = refusal.code.lower()
    if not refusal.control_plane:
        return bool(refusal.message) and not _GATEWAY_MESSAGE.match(refusal.message)
    about_deployment = "deployments/" in refusal.message.lower() or code != "resourcenotfound"
    return code not in _GATEWAY_CODES | _ACCOUNT_CODES and about_deployment


def absent_is_none(call: Callable[[], T], *, control_plane: bool = False) -> T | None:
    """What an SDK's call returns; None if the object doesn't exist."""
    try:
        return call()
    except Exception as exc:
        if is_absent(refusal_from(exc, control_plane=control_plane)):
            return None
        raise


def unless_refused(call: Callable[[], T], *statuses: int) -> T | None:
    """What an SDK's call returns; None if the service refuses it with one of these statuses."""
    try:
        return call()
    except Exception as exc:
        refusal = refusal_from(exc)
        if refusal is not None and refusal.status in statuses:
            return None
        raise


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from the reply's headers (lower-case names)."""
    for name, scale in (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            return max(0.0, float(text) * scale)
        except ValueError:
            return _seconds_until(text)
    return None


def scrubbed(text: str, secrets: Collection[str] = ()) -> str:
    """Text without credentials."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _BEARER.sub(r"\1***", text)


def error_for(refusal: Refusal, call: Call) -> ProviderError:
    """An error reply as an error for the engine."""
    meaning, secrets = _meaning_of(refusal, call.words), call.secrets
    message = scrubbed(refusal.message, secrets)
    first = message.strip().split(". ")[0].split("\n")[0].rstrip(".")[:160]
    summary = f"{call.action}: {meaning.summary or first or f'HTTP {refusal.status}'}"
    marks = f"HTTP {refusal.status}" + (f", code {refusal.code}" if refusal.code else "")
    marks += f", request {refusal.request_id}" if refusal.request_id else ""
    marks = scrubbed(marks, secrets)
    says_it_all = not meaning.summary and message.strip().rstrip(".") == first  # it isn't repeated
    detail = f"{marks}." if says_it_all and first else f"{message or 'The reply has no message.'} ({marks})"
    names = {
        "code": scrubbed(refusal.code or str(refusal.status), secrets),
        "request_id": scrubbed(refusal.request_id, secrets),
    }
    texts = (summary, detail, meaning.hint)
    if not meaning.temporary:
        return Permanent(*texts, **names)
    unknown = call.creates and (refusal.status >= 500 or refusal.status == 408)
    wait, status = refusal.retry_after, refusal.status
    return Temporary(*texts, retry_after=wait, status=status, effect_unknown=unknown, **names)


def _error_from(exc: Exception, call: Call) -> ProviderError | None:
    if isinstance(exc, RecursionError):
        said = "The reply is nested too deeply."
        return Temporary(f"{call.action}: no usable reply", said, code=NO_REPLY, effect_unknown=call.creates)
    endless = exc.__cause__ if isinstance(exc.__cause__, EndlessReply) else exc
    if isinstance(endless, EndlessReply):
        summary = f"{call.action}: the reply doesn't end"
        return Temporary(summary, str(endless), code=NO_REPLY, effect_unknown=call.creates)
    if not _is_foreign(exc):
        return None
    refusal = refusal_from(exc, control_plane=call.control_plane)
    if refusal is not None and refusal.status >= 300:
        return error_for(refusal, call)
    text = scrubbed(str(exc), call.secrets)
    kinds = {kind.__name__ for kind in type(exc).__mro__}
    if "ClientAuthenticationError" in kinds:
        return _not_signed_in(text, call)
    text = shorten(text, _DETAIL_LIMIT, placeholder=" …")
    cause = type(exc.__cause__).__name__
    if "ServiceRequestError" in kinds or not _NOTHING_SENT.isdisjoint({type(exc).__name__, cause}):
        route = _CONTROL_ROUTE if call.control_plane else call.words.route
        return Temporary(f"{call.action}: no connection", text, route, code=UNREACHABLE)
    text = text if exc.__cause__ is None else f"{cause}: {text}"
    return Temporary(f"{call.action}: no usable reply", text, code=NO_REPLY, effect_unknown=call.creates)


def _not_signed_in(text: str, call: Call) -> ProviderError:
    refused = rejected(text)
    where = f" (provider {call.provider})" if call.provider else ""
    if found := no_connection(text):
        summary = f"can't sign in to Azure: no connection to {found.target}{where}"
        return Temporary(summary, f"{found.reason}.", _SIGN_IN_ROUTE, code=NOT_SIGNED_IN)
    if refused == []:
        hint = sign_in_hint(os.environ, has_cli=which("az") is not None)
        if (key := os.environ.get(_KEY)) and key not in call.secrets:
            hint += f"; {_KEY} is only used if the provider has `api_key: ${{env.{_KEY}}}`, and only to train"
        return Permanent(f"not signed in to Azure{where}", "", hint, code=NOT_SIGNED_IN)
    detail = shorten("; ".join(refused or [text]), _DETAIL_LIMIT, placeholder=" …")
    hint = _CONTROL_SIGN_IN if call.control_plane else _SIGN_IN
    return Permanent(f"{call.action}: can't sign in to Azure", detail, hint, code="SignIn")


def _is_foreign(exc: BaseException) -> bool:
    """Whether an SDK or its HTTP client raised it. A module that isn't loaded yet has raised nothing."""
    return any(
        isinstance(exc, getattr(module, name, ()))
        for module, name in ((sys.modules.get(module), name) for module, name in _FAMILIES)
        if module is not None
    )


def _meaning_of(refusal: Refusal, words: Words) -> Meaning:
    message, code = refusal.message.lower(), refusal.code.lower()
    for text, meaning in _BY_MESSAGE:
        if text in message:
            return meaning
    if code in words.by_code or code in _BY_CODE:
        return words.by_code.get(code) or _BY_CODE[code]
    if refusal.status == 404 and not refusal.control_plane and not is_absent(refusal):
        return never("the service doesn't know this path", words.route)
    if refusal.status in words.by_status and not refusal.control_plane:
        return words.by_status[refusal.status]
    by_status = _CONTROL_STATUS if refusal.control_plane else _DATA_STATUS
    return by_status.get(refusal.status) or (_OUTAGE if refusal.status >= 500 else never())


def _text_of(response: Any) -> str:
    try:
        text = response.text() if callable(response.text) else response.text
    except Exception:  # noqa: BLE001 (an unreadable body counts as empty)
        return ""
    return text if isinstance(text, str) else ""


def _read_body(text: str) -> tuple[str, str]:
    """Code and message of an error body; both empty for HTML and other surprises."""
    try:
        body = parsed(text)
    except (ValueError, RecursionError):
        return "", ""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) else ""
    parts = [str(error.get("message") or "")]
    for detail in list_at(error, "details"):
        if isinstance(detail, dict) and detail.get("message"):
            parts.append(str(detail["message"]))
    return str(error.get("code") or error.get("type") or ""), " ".join(filter(None, parts))[:_DETAIL_LIMIT]


def _seconds_until(text: str) -> float | None:
    from email.utils import parsedate_to_datetime  # slow to import, rarely needed

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
