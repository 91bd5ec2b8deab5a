"""Models of other accounts: named by a deployment, or checkpoints that were copied to this account.

Source: ``source`` and ``sourceAccount`` of a deployment's model, control plane 2025-09-01. The other
account is another emulator, whose folder is beside this one's.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from ftops.emulator.account.cloud import JSON, Account, Clock, Cloud, TunedModel
from ftops.emulator.account.folder_ownership import is_ours
from ftops.emulator.account.storage import read_json


def fetch(cloud: Cloud, model: JSON) -> None:
    """Copy the model that ``model`` names from the other account that it names, if any."""
    receive(cloud)
    source = str(model.get("source") or model.get("sourceAccount") or "")
    name = str(model["name"])
    if not source or source.lower() == cloud.account.id.lower() or cloud.models.get(name) is not None:
        return
    for folder in _neighbours(cloud):
        if _account_in(folder).lower() == source.lower() and _import(cloud, folder, name):
            return


def receive(cloud: Cloud) -> None:
    """Fetch the checkpoints that other accounts have copied to this one."""
    for folder in _neighbours(cloud):
        for path in sorted((folder / "copies").glob("[!.]*.json")):
            copy = read_json(path) or {}
            ours = str(copy.get("destination")).lower() == cloud.account.id.lower()
            if ours and copy["ends"] <= Clock(folder / "clock.json").now():
                _import(cloud, folder, str(copy["model"]))


def is_beside(cloud: Cloud, account: str) -> bool:
    """Whether another emulator beside this one serves the account with this ARM id."""
    return any(_account_in(folder).lower() == account.lower() for folder in _neighbours(cloud))


def _neighbours(cloud: Cloud) -> list[Path]:
    beside = (path for path in cloud.folder.parent.iterdir() if path != cloud.folder)
    return sorted(path for path in beside if (path / "server.json").is_file() and is_ours(path))


def _import(cloud: Cloud, folder: Path, name: str) -> bool:
    """Copy a model from another account's folder. False if it isn't there."""
    if cloud.models.get(name) is not None:
        return True
    stored = read_json(folder / "models" / f"{quote(name, safe='')}.json")
    if stored is None:
        return False
    weights = str(stored["weights"])
    temporary = cloud.weights(f".{weights}.tmp")
    shutil.copyfile(folder / "models" / weights, temporary)
    temporary.replace(cloud.weights(weights))
    now, base = cloud.clock.now(), str(stored["base"])
    cloud.models.put(TunedModel(name, now, "", base, weights, checkpoint="", final=False))
    return True


def _account_in(folder: Path) -> str:
    """The ARM id of the account whose server uses the folder; empty if none does."""
    server = read_json(folder / "server.json")
    if not server:
        return ""
    return Account(server["subscription_id"], server["resource_group"], server["account"], "").id
