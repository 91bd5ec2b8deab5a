"""Which settings of providers lead to one account."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftops.accounts import account_of, is_same
from ftops.config import ProviderConfig

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
    (name(AZURE, endpoint="http://127.0.0.1:1/"), name(AZURE, endpoint="http://127.0.0.1:1", account="a")),
    (name(OPENAI), name(OPENAI, base_url="https://api.openai.com/v1", api_key="another")),
    (name(OPENAI), name(OPENAI, organization="org", project="proj")),
    (name(EMULATOR, data="/project/cloud"), name(EMULATOR, data="cloud")),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://127.0.0.1:1/", account="east")),
]
OTHER = [
    (
        name(AZURE, endpoint="https://acme.openai.azure.com/"),
        name(AZURE, endpoint="https://acme-west.openai.azure.com/"),
    ),
    (
        name(AZURE, endpoint="https://acme.openai.azure.com/"),
        name(AZURE, endpoint="https://acme.openai.azure.us/"),
    ),
    (
        name(AZURE, endpoint="https://westus.api.example.com/", account="a"),
        name(AZURE, endpoint="https://westus.api.example.com/", account="b"),
    ),
    (name(OPENAI, organization="org", project="one"), name(OPENAI, organization="org", project="two")),
    (name(EMULATOR, data="/project/cloud"), name(EMULATOR, data="/project/cloud/east")),
    (
        name(EMULATOR, url="http://127.0.0.1:1", account="a"),
        name(EMULATOR, url="http://127.0.0.1:1", account="b"),
    ),
    (name(EMULATOR, url="http://127.0.0.1:1"), name(EMULATOR, url="http://127.0.0.1:11")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_account(one: str, other: str) -> None:
    assert is_same(one, other)
    assert is_same(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_accounts(one: str, other: str) -> None:
    assert not is_same(one, other)


def test_no_secret_is_in_a_name() -> None:
    assert "hidden" not in name(
        AZURE, endpoint="https://user:hidden@acme.openai.azure.com/", api_key="hidden"
    )
