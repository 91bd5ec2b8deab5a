"""An account is deleted, still holds its name, is restored, and is purged: through the SDK."""

from __future__ import annotations

import openai
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.emulator.conftest import Start
from tests.emulator.samples import jsonl, lines
from tests.emulator.server import Emulator, base_deployment, upload

PLACE = ("rg-emulator", "emulator")
DELETED = ("swedencentral", *PLACE)


def test_a_deleted_account_holds_its_name_until_it_is_purged(emulator: Emulator) -> None:
    with emulator.control() as control, emulator.data() as client:
        file = upload(client, jsonl(lines(10)))
        assert list(control.deleted_accounts.list()) == []
        control.accounts.begin_delete(*PLACE).result()
        (deleted,) = control.deleted_accounts.list()
        assert deleted.name == "emulator"
        assert control.deleted_accounts.get(*DELETED).id == deleted.id
        with pytest.raises(ResourceNotFoundError):
            control.accounts.get(*PLACE)
        assert list(control.accounts.list()) == []
        with pytest.raises(openai.APIConnectionError):  # nothing answers at its address
            client.files.list()
        with pytest.raises(ResourceExistsError) as refused:
            control.accounts.begin_create(*PLACE, {"location": "swedencentral", "properties": {}})
        assert refused.value.error and refused.value.error.code == "FlagMustBeSetForRestore"
        control.accounts.begin_create(*PLACE, {"properties": {"restore": True}}).result()
        assert client.files.retrieve(file).status == "processed"

        control.accounts.begin_delete(*PLACE).result()
        control.deleted_accounts.begin_purge(*DELETED).result()
        assert list(control.deleted_accounts.list()) == []
        with pytest.raises(HttpResponseError):
            control.deleted_accounts.get(*DELETED)
        control.accounts.begin_create(*PLACE, {"location": "swedencentral"}).result()
        assert client.files.list().data == []


def test_an_account_with_deployments_is_not_deleted(emulator: Emulator) -> None:
    with emulator.control() as control:
        control.deployments.begin_create_or_update(*PLACE, "base", base_deployment()).result()
        with pytest.raises(ResourceExistsError) as refused:
            control.accounts.begin_delete(*PLACE)
        assert refused.value.error and refused.value.error.code == "CannotDeleteResource"


def test_a_deleted_account_is_purged_after_two_days_and_stays_so(start: Start) -> None:
    emulator = start()
    with emulator.control() as control:
        control.accounts.begin_delete(*PLACE).result()
        emulator.advance(47 * 3600)
        assert len(list(control.deleted_accounts.list())) == 1
        emulator.advance(2 * 3600)
        assert list(control.deleted_accounts.list()) == []
    emulator.stop()
    with start().control() as control, pytest.raises(ResourceNotFoundError):
        control.accounts.get(*PLACE)
