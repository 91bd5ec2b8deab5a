"""Which settings of providers lead to one account."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ftops.config.accounts import account_of, agrees
from ftops.config.config import ProviderConfig
from ftops.core.address import Address
from ftops.core.errors import Blocked
from ftops.planning.moves import located
from ftops.state.state import ResourceState, State, Status
from tests.support.specs import config

PROJECT = Path("/project")
AZURE, OPENAI, EMULATOR = "azure_openai", "openai", "emulator"


def name(kind: str, **settings: str) -> str:
    return account_of(ProviderConfig("p", kind, settings), PROJECT)


SAME = [
    (
        name(AZURE, endpoint="https://acme.openai.azure.com/"),
        name(AZURE, endpoint="https://ACME.openai.azure.com"),
    ),
    (
        name(AZURE, endpoint="https://acme.openai.azure.com/"),
        name(AZURE, endpoint="https://acme.cognitiveservices.azure.com/", account="acme"),
    ),
    (
        name(AZURE, endpoint="http://127.0.0.1:1/", account="a"),
        name(AZURE, endpoint="http://127.0.0.1:1", account="A", resource_group="rg", subscription_id="s"),
    ),
    (name(OPENAI), name(OPENAI, base_url="https://api.openai.com/v1", api_key="another")),
    (name(EMULATOR, data="/project/cloud"), name(EMULATOR, data="cloud", account="emulator")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://127.0.0.1:1/", account="east")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://LocalHost:1")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://[::1]:1/")),
    (name(EMULATOR, url="http://cloud.test"), name(EMULATOR, url="http://CLOUD.test:80/")),
    (name(EMULATOR, url="http://[::1]"), name(EMULATOR, url="http://localhost:80")),
    (
        name(AZURE, endpoint="http://localhost:1", account="east", resource_group="rg", subscription_id="s"),
        name(EMULATOR, url="http://127.0.0.1:1/"),
    ),
    (
        name(AZURE, endpoint="https://gateway.example.com"),
        name(AZURE, endpoint="https://gateway.example.com:443/"),
    ),
    (
        name(AZURE, endpoint="https://acme.openai.azure.com"),
        name(AZURE, endpoint="https://ACME.openai.azure.com:443"),
    ),
    (name(OPENAI), name(OPENAI, base_url="https://API.openai.com:443/v1/")),
]
HOSTS = (
    "https://acme.openai.azure.com/",
    "https://acme-west.openai.azure.com/",
    "https://acme.openai.azure.us/",
)
GATEWAY = "https://gateway.example.com"
OTHER = [
    (name(AZURE, endpoint=HOSTS[0]), name(AZURE, endpoint=HOSTS[1])),
    (name(AZURE, endpoint=HOSTS[0]), name(AZURE, endpoint=HOSTS[2])),
    (name(AZURE, endpoint=f"{GATEWAY}/east"), name(AZURE, endpoint=f"{GATEWAY}/west")),
    (name(AZURE, endpoint=GATEWAY, account="a"), name(AZURE, endpoint=GATEWAY, account="b")),
    (
        name(AZURE, endpoint=HOSTS[0], account="a", resource_group="one"),
        name(AZURE, endpoint=HOSTS[0], account="a", resource_group="two"),
    ),
    (name(OPENAI, organization="org", project="one"), name(OPENAI, organization="org", project="two")),
    (name(OPENAI), name(OPENAI, organization="org")),
    (name(EMULATOR, data="/project/cloud"), name(EMULATOR, data="/project/cloud/east")),
    (name(EMULATOR, data="cloud", account="a"), name(EMULATOR, data="cloud", account="b")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://127.0.0.1:11")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://127.0.0.2:1")),
    (name(EMULATOR, url="http://cloud.test"), name(EMULATOR, url="http://cloud.test:443")),
    (name(EMULATOR, url="http://[fe80::1]:1"), name(EMULATOR, url="http://[fe80::2]:1")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_account(one: str, other: str) -> None:
    assert agrees(one, other)
    assert agrees(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_accounts(one: str, other: str) -> None:
    assert not agrees(one, other)


def test_no_secret_is_in_a_name() -> None:
    assert "hidden" not in name(
        AZURE, endpoint="https://user:hidden@acme.openai.azure.com/", api_key="hidden"
    )


def test_another_provider_reaches_an_account_only_by_its_whole_name() -> None:
    """One that says less of it may mean any other."""
    records = {
        Address("dataset", "d"): ResourceState(
            Address("dataset", "d"), "p", "file-1", Status.READY, account=name(OPENAI, organization="a")
        )
    }
    providers = {
        "p": ProviderConfig("p", OPENAI, {"organization": "b"}),
        "q": ProviderConfig("q", OPENAI, {}),
    }
    with pytest.raises(Blocked):
        located(State("x", resources=records), replace(config(), providers=providers))
    providers["q"] = ProviderConfig("q", OPENAI, {"organization": "a"})
    found, _ = located(State("x", resources=records), replace(config(), providers=providers))
    assert [record.provider for record in found.resources.values()] == ["q"]
