"""Models of other accounts: a deployment names them with the account that made them, or their checkpoints
were copied here.

Source: ``source`` and ``sourceAccount`` of a deployment's model, control plane 2025-09-01. The other
account is another emulator, whose folder lies beside this one's.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from ftops.emulator.account.clock import Clock
from ftops.emulator.account.cloud import JSON, Cloud, TunedModel
from ftops.emulator.account.folder_ownership import is_ours
from ftops.emulator.account.storage import read_json


def fetch(cloud: Cloud, model: JSON) -> None:
    """Take over the model that ``model`` names, where it names another account that has it."""
    receive(cloud)
    source = str(model.get("source") or model.get("sourceAccount") or "")
    name = str(model["name"])
    if not source or source.lower() == cloud.account.id.lower() or cloud.models.get(name) is not None:
        return
    for folder in _neighbours(cloud):
        if _account_in(folder).lower() == source.lower() and _take(cloud, folder, name):
            return


def receive(cloud: Cloud) -> None:
    """Take over the checkpoints that other accounts have copied to this one."""
    for folder in _neighbours(cloud):
        for path in sorted((folder / "copies").glob("[!.]*.json")):
            copy = read_json(path) or {}
            ours = str(copy.get("destination")).lower() == cloud.account.id.lower()
            if ours and copy["ends"] <= Clock(folder / "clock.json").now():
                _take(cloud, folder, str(copy["model"]))


def is_beside(cloud: Cloud, account: str) -> bool:
    """Whether the account with this ARM id is another emulator's, in a folder beside this one's."""
    return any(_account_in(folder).lower() == account.lower() for folder in _neighbours(cloud))


def _neighbours(cloud: Cloud) -> list[Path]:
    beside = (path for path in cloud.folder.parent.iterdir() if path != cloud.folder)
    return sorted(path for path in beside if (path / "server.json").is_file() and is_ours(path))


def _take(cloud: Cloud, folder: Path, name: str) -> bool:
    """Copy a model out of another account's folder; False where it isn't there."""
    if cloud.models.get(name) is not None:
        return True
    stored = read_json(folder / "models" / f"{quote(name, safe='')}.json")
    if stored is None:
        return False
    weights = str(stored["weights"])
    _copy(folder / "models" / weights, cloud.weights(weights))
    now, base = cloud.clock.now(), str(stored["base"])
    cloud.models.put(TunedModel(name, now, "", base, weights, checkpoint="", final=False))
    return True


def _account_in(folder: Path) -> str:
    """The ARM id of the account whose server works in a folder; nothing where none does."""
    place = read_json(folder / "server.json") or {}
    if not place:
        return ""
    return (
        f"/subscriptions/{place['subscription_id']}/resourceGroups/{place['resource_group']}"
        f"/providers/Microsoft.CognitiveServices/accounts/{place['account']}"
    )


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(source, temporary)
    temporary.replace(target)
