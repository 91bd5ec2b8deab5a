"""A run that Weights & Biases keeps in a file, as its own messages: the argument is the file.

The file is a log of LevelDB: after a header of 7 bytes, blocks of 32 KiB with records in parts, each with a
checksum, a length and a type (1: whole, 2: first, 3: middle, 4: last).
"""

import json
import struct
import sys
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768


def records(data: bytes):
    at, whole = 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""


found = {"config": {}, "history": [], "summary": {}, "files": [], "environment": []}
for record in records(Path(sys.argv[1]).read_bytes()):
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run = record.run
        found |= {
            "id": run.run_id,
            "name": run.display_name,
            "group": run.run_group,
            "project": run.project,
            "entity": run.entity,
            "tags": sorted(run.tags),
            "host": run.host,
            "git": run.git.remote_url,
        }
        found["config"] |= {item.key: json.loads(item.value_json) for item in run.config.update}
    elif kind == "config":
        found["config"] |= {item.key: json.loads(item.value_json) for item in record.config.update}
    elif kind == "history":
        items = {
            (item.key or ".".join(item.nested_key)): json.loads(item.value_json)
            for item in record.history.item
        }
        found["history"].append(items | {"is_done": "digest" in found["config"].get("ftops", {})})
    elif kind == "summary":
        for item in record.summary.update:
            found["summary"][item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
    elif kind == "files":
        found["files"] += [file.path for file in record.files.files]
    elif kind == "exit":
        found["exit_code"] = record.exit.exit_code
    elif kind in ("environment", "stats", "output", "output_raw"):
        found["environment"].append(kind)
print(json.dumps(found))
