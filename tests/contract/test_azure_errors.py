"""What Azure refuses and how the engine is told: against the emulator and a server with canned replies."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
from msgspec.structs import replace

from ftops.core.address import Json
from ftops.core.errors import Permanent, ProviderError, Temporary
from ftops.providers.azure.provider import AzureProvider
from ftops.providers.dataplane.errors import retry_after, scrubbed
from tests.contract.azure_cloud import (
    Cloud,
    dataset,
    deployment,
    job,
    made,
    operation_of,
    recorded,
    request,
)
from tests.support.http_server import Handler, Server, serving

KEY = "canary-5ea5a78c0e3157525fbfa630c498e484"


@dataclass(frozen=True)
class Canned:
    """One reply."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    type: str = "application/json"


def error(code: str, message: str) -> str:
    import json

    return json.dumps({"error": {"code": code, "message": message}})


@contextmanager
def server_of(reply: Canned) -> Iterator[str]:
    """A server that gives every request the same reply."""

    class Canner(Handler):
        def reply(self) -> None:
            self.content()
            self.answer(reply.status, reply.body.encode(), ("content-type", reply.type), *reply.headers)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = reply

    with serving(Server(Canner)) as server:
        yield server.url


def provider_at(url: str, **settings: Json) -> AzureProvider:
    account: dict[str, Json] = {
        "endpoint": url,
        "subscription_id": "s",
        "resource_group": "g",
        "account": "a",
        "api_key": KEY,
        "control_plane": {"endpoint": url, "token": KEY},
    }
    return AzureProvider(account | settings, name="azure")


HTML = Canned(502, "<html><body>Bad Gateway</body></html>", type="text/html")
DATA = [
    (
        Canned(401, error("401", f"Access denied: {KEY}")),
        Permanent,
        "401",
        "Cognitive Services OpenAI Contributor",
    ),
    (Canned(403, error("AuthorizationFailed", "no")), Permanent, "AuthorizationFailed", "disableLocalAuth"),
    (Canned(404, error("404", "Resource not found")), Permanent, "404", "endpoint"),
    (Canned(404, "<html>", type="text/html"), Permanent, "404", "endpoint"),
    (Canned(408), Temporary, "408", ""),
    (Canned(409, error("conflict", "busy")), Temporary, "conflict", ""),
    (Canned(413), Permanent, "413", "512 MB"),
    (Canned(422, '{"error": "odd"}'), Permanent, "422", ""),
    (
        Canned(429, error("tooManyRequests", "slow"), (("retry-after", "86400"),)),
        Temporary,
        "tooManyRequests",
        "",
    ),
    (Canned(429, error("insufficient_quota", "none")), Permanent, "insufficient_quota", "quota"),
    (Canned(400, error("quotaExceeded", "100 files")), Permanent, "quotaExceeded", "delete"),
    (Canned(400, "null"), Permanent, "400", ""),
    (Canned(400, "[]"), Permanent, "400", ""),
    (Canned(400, '{"error": null}'), Permanent, "400", ""),
    (Canned(500), Temporary, "500", ""),
    (HTML, Temporary, "502", ""),
    (Canned(503, error("serviceUnavailable", "later")), Temporary, "serviceUnavailable", ""),
]


@pytest.mark.parametrize(
    ("reply", "kind", "code", "hint"), DATA, ids=lambda value: getattr(value, "status", None)
)
def test_data_plane(tmp_path: Path, reply: Canned, kind: type[ProviderError], code: str, hint: str) -> None:
    with server_of(reply) as url:
        azure = provider_at(url)
        with pytest.raises(kind) as caught:
            azure.create(dataset(tmp_path))
        azure.close()
    refused = caught.value
    assert refused.code == code
    assert hint in refused.hint
    assert "upload dataset.train" in refused.summary
    assert str(reply.status) in refused.detail
    if isinstance(refused, Temporary):
        assert refused.effect_unknown is (reply.status >= 500 or reply.status == 408)


CONTROL = [
    (
        Canned(401, error("InvalidAuthenticationToken", "no")),
        Permanent,
        "InvalidAuthenticationToken",
        "az login",
    ),
    (Canned(403, error("AuthorizationFailed", "no")), Permanent, "AuthorizationFailed", "deployments/write"),
    (Canned(404, error("ResourceGroupNotFound", "no")), Permanent, "ResourceGroupNotFound", "resource_group"),
    (
        Canned(
            404,
            error("ResourceNotFound", "The Resource 'Microsoft.CognitiveServices/accounts/a' was not found"),
        ),
        Permanent,
        "ResourceNotFound",
        "list-deleted",
    ),
    (Canned(404, "<html>", type="text/html"), Permanent, "404", "account"),
    (Canned(409, error("RequestConflict", "busy")), Temporary, "RequestConflict", ""),
    (Canned(409, error("FlagMustBeSetForRestore", "soft")), Permanent, "FlagMustBeSetForRestore", "recover"),
    (
        Canned(400, error("AccountProvisioningStateInvalid", "Accepted")),
        Temporary,
        "AccountProvisioningStateInvalid",
        "",
    ),
    (
        Canned(429, error("TooManyRequests", "slow"), (("retry-after", "17"),)),
        Temporary,
        "TooManyRequests",
        "",
    ),
    (HTML, Temporary, "502", ""),
]


@pytest.mark.parametrize(
    ("reply", "kind", "code", "hint"), CONTROL, ids=lambda value: getattr(value, "status", None)
)
def test_control_plane(
    tmp_path: Path, reply: Canned, kind: type[ProviderError], code: str, hint: str
) -> None:
    with server_of(reply) as url:
        azure = provider_at(url)
        with pytest.raises(kind) as caught:
            azure.create(deployment(tmp_path, "d"))
        azure.close()
    assert caught.value.code == code
    assert hint in caught.value.hint
    assert "deployment d" in caught.value.summary


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("retry-after", "7"),), 7.0),
        ((("retry-after-ms", "1500"),), 1.5),
        ((("retry-after", "soon"),), None),
        ((), None),
    ],
)
def test_retry_after(tmp_path: Path, headers: Any, seconds: float | None) -> None:
    with server_of(Canned(429, error("tooManyRequests", "slow"), headers)) as url:
        azure = provider_at(url)
        with pytest.raises(Temporary) as caught:
            azure.create(dataset(tmp_path))
        azure.close()
    assert caught.value.retry_after == (None if seconds is None else pytest.approx(seconds, abs=5))
    assert (caught.value.status, caught.value.is_busy) == (429, True)


def test_retry_after_a_date() -> None:
    assert retry_after({"retry-after": formatdate(time() + 60, usegmt=True)}) == pytest.approx(60, abs=5)
    assert retry_after({"retry-after": formatdate(time() - 60, usegmt=True)}) == 0


def test_the_request_id_is_told(tmp_path: Path) -> None:
    with server_of(Canned(500, "", (("apim-request-id", "req-17"),))) as url:
        azure = provider_at(url)
        with pytest.raises(Temporary) as caught:
            azure.create(dataset(tmp_path))
        azure.close()
    assert caught.value.request_id == "req-17"
    assert "req-17" in caught.value.detail


@pytest.mark.parametrize("body", ["<html>hello</html>", "null", "[]", "{}", ""])
def test_success_without_an_object_is_no_success(tmp_path: Path, body: str) -> None:
    with server_of(Canned(200, body, type="text/html")) as url:
        azure = provider_at(url)
        for asked in (dataset(tmp_path), job(tmp_path, "file-1")):
            with pytest.raises(Temporary) as caught:
                azure.create(asked)
            assert caught.value.effect_unknown
        azure.close()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_every_call_is_one_attempt(cloud: Cloud, azure: AzureProvider, tmp_path: Path, status: int) -> None:
    def count() -> int:
        return sum(line["status"] == status for line in cloud.admin("GET", "log")["requests"])

    before = count()
    for match in ("* /openai/*", "* /subscriptions/*"):
        cloud.fault(match, status=status, times=-1, headers={"retry-after": "0"})
    for asked in (dataset(tmp_path), job(tmp_path, "file-1"), deployment(tmp_path, "d")):
        with pytest.raises(Temporary):
            azure.create(asked)
    assert count() == before + 3
    cloud.clear_faults()
    cloud.fault("PUT /subscriptions/*", status=status, times=-1, headers={"retry-after": "0"})
    with pytest.raises(Temporary) as caught:
        azure.create(deployment(tmp_path, "d"))
    assert count() == before + 4
    assert caught.value.effect_unknown is (status >= 500 or status == 408)


def test_nobody_there_means_that_nothing_happened(tmp_path: Path) -> None:
    with server_of(Canned(200)) as url:
        pass
    azure = provider_at(url)
    for asked in (dataset(tmp_path), job(tmp_path, "file-1"), deployment(tmp_path, "d")):
        with pytest.raises(Temporary) as caught:
            azure.create(asked)
        assert caught.value.code == "Unreachable"
        assert not caught.value.effect_unknown
    azure.close()


def test_statuses_of_tomorrow_are_pending(tmp_path: Path) -> None:
    bodies = {
        "dataset": '{"id": "file-1", "status": "scanning"}',
        "job": '{"id": "ftjob-1", "status": "warming_up", "error": null, "hyperparameters": null}',
        "deployment": '{"name": "d", "properties": {"provisioningState": "Contemplating"}, "sku": null}',
    }
    asked = {
        "dataset": dataset(tmp_path),
        "job": job(tmp_path, "file-1"),
        "deployment": deployment(tmp_path, "d"),
    }
    for kind, body in bodies.items():
        with server_of(Canned(200, body)) as url:
            azure = provider_at(url)
            found = azure.read(replace(_pending(asked[kind]), remote_id="d"))
            azure.close()
        assert found is not None and found.status == "pending", kind


def _pending(asked: Any) -> Any:
    from ftops.state.state import RemoteObject, Status

    return recorded(asked, RemoteObject("x", Status.PENDING))


def test_a_list_that_never_ends_is_left(tmp_path: Path) -> None:
    """`after` ignored, no `has_more`, the same page again and again."""
    page = '{"data": [{"id": "file-1", "filename": "a.b.jsonl"}, null, {"id": null}]}'
    with server_of(Canned(200, page)) as url:
        azure = provider_at(url)
        assert azure.find_by_token(operation_of(dataset(tmp_path)), frozenset()) is None
        assert azure.find_by_token(operation_of(job(tmp_path, "file-1")), frozenset()) is None
        azure.close()


@pytest.mark.parametrize("echo", ["plain", "bearer", "html"])
def test_no_secret_is_told(tmp_path: Path, echo: str) -> None:
    body = {
        "plain": error("401", f"Incorrect API key provided: {KEY}."),
        "bearer": error("401", f"Bad header: Authorization: Bearer {KEY}"),
        "html": f"<html>api-key: {KEY}</html>",
    }[echo]
    with server_of(Canned(401, body)) as url:
        azure = provider_at(url)
        for asked in (dataset(tmp_path), job(tmp_path, "file-1"), deployment(tmp_path, "d")):
            with pytest.raises(ProviderError) as caught:
                azure.create(asked)
            refused = caught.value
            told = "".join(traceback.format_exception(refused))
            assert KEY not in f"{refused!r} {refused} {refused.detail} {refused.hint} {told}"
        assert KEY not in repr(azure.account)
        azure.close()


def test_scrubbing() -> None:
    text = scrubbed("api_key='sk-0123456789abcdef' Bearer eyJhbGciOi.J9.x-_ and swordfish", ["swordfish", ""])
    assert "sk-012" not in text and "eyJ" not in text and "swordfish" not in text


def test_keys_disabled(cloud: Cloud, azure: AzureProvider, tmp_path: Path) -> None:
    with cloud.set(disable_local_auth=True), pytest.raises(Permanent) as caught:
        azure.create(dataset(tmp_path))
    assert "disableLocalAuth" in caught.value.hint


def test_a_managed_identity_signs_in(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key at all: DefaultAzureCredential end to end, for both planes."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{cloud.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", cloud.key)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    for api_version in ("2024-10-21", "v1"):
        azure = cloud.provider(api_key="", control_plane={"endpoint": cloud.url}, api_version=api_version)
        with cloud.set(disable_local_auth=True):
            assert made(azure, dataset(tmp_path)).remote_id
            served = made(azure, deployment(tmp_path, f"by-identity-{api_version[:2]}"))
            assert azure.delete(served) is None or azure.read(served) is None
        azure.close()


def test_no_identity_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    azure = provider_at("https://127.0.0.1:9", api_key="", control_plane={})
    for asked in (dataset(tmp_path), deployment(tmp_path, "d")):
        with pytest.raises(Permanent) as caught:
            azure.create(asked)
        assert caught.value.summary == "not signed in to Azure (provider azure)"
        assert not caught.value.detail
        assert "`az login`" in caught.value.hint and "AZURE_CLIENT_SECRET" in caught.value.hint
    azure.close()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.setenv(name, "wrong")
    azure = provider_at("https://127.0.0.1:9", api_key="", control_plane={})
    with pytest.raises(Temporary, match=r"no connection to the proxy 127\.0\.0\.1:9") as unreached:
        azure.create(deployment(tmp_path, "d"))
    assert unreached.value.detail.startswith("Failed to establish a new connection: ")
    assert not {"\n", "\t", '"'} & {*unreached.value.detail}
    azure.close()
    assert capfd.readouterr().err == ""


def test_no_endpoint_is_explained(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no endpoint"):
        provider_at("").create(dataset(tmp_path))


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no resources of the kind oven"):
        provider_at("http://127.0.0.1:9").create(request("oven.a", tmp_path, {}))


def test_importing_loads_no_sdk() -> None:
    code = (
        "import sys, ftops.providers.azure.provider, ftops.providers.emulator.provider as e; "
        "p = e.AzureProvider({'endpoint': 'https://x'}, name='a'); "
        "heavy = {'openai', 'azure', 'httpx2', 'requests', 'pydantic'}; "
        "print([m for m in sys.modules if m.split('.')[0] in heavy])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
