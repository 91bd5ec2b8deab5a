"""Models of other accounts, which a deployment names with the account that made them.

Source: ``source`` and ``sourceAccount`` of a deployment's model, control plane 2025-09-01. The other
account is another emulator, whose folder lies beside this one's.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from ftops.emulator.cloud import JSON, Cloud, TunedModel
from ftops.emulator.storage import read_json


def fetch(cloud: Cloud, model: JSON) -> None:
    """Take over the model that ``model`` names, where it names another account that has it."""
    source = str(model.get("source") or model.get("sourceAccount") or "")
    name = str(model["name"])
    if not source or source.lower() == cloud.account.id.lower() or cloud.models.get(name) is not None:
        return
    for folder in sorted(path for path in cloud.folder.parent.iterdir() if path.is_dir()):
        stored = read_json(folder / "models" / f"{quote(name, safe='')}.json")
        if stored is not None and _account_in(folder).lower() == source.lower():
            _copy(folder / "models" / str(stored["weights"]), cloud.weights(str(stored["weights"])))
            cloud.models.put(
                TunedModel(
                    id=name,
                    created=cloud.clock.now(),
                    job="",
                    base=str(stored["base"]),
                    weights=str(stored["weights"]),
                    checkpoint="",
                    final=False,
                )
            )
            return


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
