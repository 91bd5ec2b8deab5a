"""@azure/identity and @azure/arm-cognitiveservices for JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import Did
from tests.clients.install import Client, from_npm
from tests.emulator.server import Emulator

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def identity() -> Client:
    return from_npm("@azure/identity (JavaScript)", "@azure/identity")


def test_a_token_of_the_managed_identity(identity: Client, emulator: Emulator, did: Did) -> None:
    did(identity, "gets a token of a managed identity, which the control plane accepts")
    answer = identity.json(
        HERE / "identity.mjs",
        ENDPOINT=emulator.url,
        ACCOUNT_ID=emulator.arm,
        IDENTITY_ENDPOINT=f"{emulator.url}/msi/token",
        IDENTITY_HEADER=emulator.key,
    )
    assert answer == {"status": 200, "name": "emulator"}
