"""Which addresses are sent credentials."""

from __future__ import annotations

import pytest

from ftops.core.trusted_hosts import (
    AZURE_OPENAI,
    BLOB_STORAGE,
    EMULATOR,
    OPENAI,
    RESOURCE_MANAGER,
    S3,
    Service,
)
from ftops.core.trusted_hosts import refusal as refusal_of

KNOWN: list[tuple[Service, str]] = [
    (AZURE_OPENAI, "https://acme.openai.azure.com/"),
    (AZURE_OPENAI, "https://ACME.OpenAI.Azure.com:443"),
    (AZURE_OPENAI, "HTTPS://acme.cognitiveservices.azure.com/"),
    (AZURE_OPENAI, "https://acme.services.ai.azure.com/"),
    (AZURE_OPENAI, "https://westus.api.cognitive.microsoft.com/"),
    (AZURE_OPENAI, "https://acme.openai.azure.us"),
    (AZURE_OPENAI, "https://acme.openai.azure.cn"),
    (AZURE_OPENAI, "https://acme.services.ai.azure.us/api/projects/support"),
    (AZURE_OPENAI, "http://127.0.0.1:8080"),
    (AZURE_OPENAI, "http://127.9.9.9/path"),
    (AZURE_OPENAI, "http://[::1]:8080"),
    (AZURE_OPENAI, "http://localhost:8080/a/b"),
    (AZURE_OPENAI, "https://localhost"),
    (RESOURCE_MANAGER, "https://management.azure.com"),
    (RESOURCE_MANAGER, "https://management.usgovcloudapi.net"),
    (OPENAI, "https://api.openai.com/v1"),
    (OPENAI, "https://eu.api.openai.com/v1"),
    (BLOB_STORAGE, "https://acme.blob.core.windows.net"),
    (BLOB_STORAGE, "https://acme.z01.blob.storage.azure.net"),
    (S3, "https://s3.eu-west-1.amazonaws.com"),
    (EMULATOR, "http://127.0.0.1:8080"),
]
UNKNOWN: list[tuple[Service, str]] = [
    (AZURE_OPENAI, "https://evil.example"),
    (AZURE_OPENAI, "https://openai.azure.com"),
    (AZURE_OPENAI, "https://evilopenai.azure.com"),
    (AZURE_OPENAI, "https://acme.openai.azure.com.evil.example"),
    (AZURE_OPENAI, "https://acme.openai.azure.com:8443"),
    (AZURE_OPENAI, "http://acme.openai.azure.com"),
    (AZURE_OPENAI, "http://0.0.0.0"),
    (AZURE_OPENAI, "http://127.1"),
    (AZURE_OPENAI, "http://0x7f.0.0.1"),
    (AZURE_OPENAI, "http://127.0.0.01"),
    (AZURE_OPENAI, "http://2130706433"),
    (AZURE_OPENAI, "http://localhost.evil.example"),
    (AZURE_OPENAI, "http://127.0.0.1.evil.example"),
    (AZURE_OPENAI, "http://[::ffff:7f00:1]"),
    (AZURE_OPENAI, "http://[::2]"),
    (AZURE_OPENAI, "https://acme.blob.core.windows.net"),
    (RESOURCE_MANAGER, "https://management.azure.com.cn"),
    (OPENAI, "https://api-openai.com"),
    (S3, "https://abc123.execute-api.us-east-1.amazonaws.com"),
    (S3, "https://s3.evil.example"),
    (EMULATOR, "https://acme.openai.azure.com"),
]
NO_ADDRESSES = [
    "https://acme.openai.azure.com@evil.example/",
    "https://acme.openai.azure.com:pw@evil.example/",
    "https://evil.example#.openai.azure.com",
    "https://evil.example?.openai.azure.com",
    "https://evil.example\\.openai.azure.com",
    "https://evil.example\\@acme.openai.azure.com",
    "https://acme.openai.azure.com.",
    "https://acme..openai.azure.com",
    "https://acme.openai.azure.com/?a=b",
    "https://acme.openai.azure.com\n.evil.example",
    "https://acme.openai.azure.com:",
    "https://acme.openai.azure.c\u043em",
    "https://acme.openai.a\u017fure.com",
    "https://acme\uff0eopenai.azure.com",
    "https://evil.example\u2100.openai.azure.com",
    "https://[::1",
    "https:acme.openai.azure.com",
    "//acme.openai.azure.com",
    "acme.openai.azure.com",
    "file:///etc/passwd",
    "ftp://127.0.0.1",
    "https://",
    "",
]


@pytest.mark.parametrize(("service", "address"), KNOWN)
def test_known(service: Service, address: str) -> None:
    assert refusal_of(address, service, {}) is None


@pytest.mark.parametrize(("service", "address"), UNKNOWN)
def test_unknown(service: Service, address: str) -> None:
    assert refusal_of(address, service, {"FTOPS_ALLOW_HOSTS": "*.other.example,, *"}) is not None


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_no_address(address: str) -> None:
    found = refusal_of(address, AZURE_OPENAI, {"FTOPS_ALLOW_HOSTS": "*.example, evil.example"})
    assert found is not None and "isn't the address" in found.summary
    assert "evil" not in "".join(found)


@pytest.mark.parametrize(
    ("allowed", "address", "is_allowed"),
    [
        ("gateway.example", "https://gateway.example", True),
        ("gateway.example", "https://gateway.example:8443/v1", True),
        (" x.example , GATEWAY.example ", "https://gateway.EXAMPLE", True),
        ("gateway.example:9000", "https://gateway.example:9000", True),
        ("gateway.example:9000", "https://gateway.example", False),
        ("gateway.example", "http://gateway.example", False),
        ("gateway.example", "https://a.gateway.example", False),
        ("*.gateway.example", "https://a.b.gateway.example", True),
        ("*.gateway.example", "https://gateway.example", False),
        ("*.gateway.example", "https://evilgateway.example", False),
        ("", "https://gateway.example", False),
    ],
)
def test_hosts_of_the_environment(allowed: str, address: str, is_allowed: bool) -> None:
    for service in (AZURE_OPENAI, OPENAI, S3):
        found = refusal_of(address, service, {"FTOPS_ALLOW_HOSTS": allowed})
        assert (found is None) is is_allowed


def test_what_is_said_of_a_secret_address_does_not_show_it() -> None:
    found = refusal_of("https://hidden.example", OPENAI, {}, written="`${env.URL}`")
    assert found is not None and "hidden" not in "".join(found) and "`${env.URL}`" in found.summary
