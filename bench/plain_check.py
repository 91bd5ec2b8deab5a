"""Plain script for comparison: `json.loads` for each line, and the same checks of a conversation as in ftops,
in plain Python.

python -m bench.plain_check FILE
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
KEYS = {"role", "content", "name", "weight", "tool_calls", "function_call", "tool_call_id"}
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{36}|AIza[0-9A-Za-z_-]{35}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|xox[abp]-[A-Za-z0-9-]{16,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ"
)
PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}|\b\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}\b|\b\d{3}-\d\d-\d{4}\b"
)
SPECIAL = re.compile(r"<\|\w+\|>")
WORD = re.compile(r"\w+")


def check(path: Path) -> Counter[str]:
    """Number of findings by kind."""
    found: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    seen: set[str] = set()
    sketches: set[int] = set()
    whole = hashlib.sha256()
    with path.open("rb") as stream:
        for raw in stream:
            whole.update(raw)
            try:
                example = json.loads(raw)
            except ValueError:
                found["json"] += 1
                continue
            messages = example.get("messages")
            if not isinstance(messages, list) or not messages:
                found["messages"] += 1
                continue
            said = []
            previous = ""
            for message in messages:
                role, content = message.get("role"), message.get("content")
                found["role"] += role not in ROLES
                found["keys"] += bool(message.keys() - KEYS)
                found["empty"] += not isinstance(content, str) or not content.strip()
                found["weight"] += message.get("weight", 1) not in (0, 1)
                found["order"] += role == previous == "assistant"
                previous = role
                if role == "system":
                    systems[content] += 1
                else:
                    said.append(content)
                found["secret"] += bool(SECRET.search(content))
                found["personal"] += bool(PERSONAL.search(content))
                found["special"] += bool(SPECIAL.search(content))
            found["last"] += previous != "assistant"
            labels[said[-1] if len(said[-1]) <= 40 else ""] += 1
            key = hashlib.sha256(json.dumps(example, sort_keys=True).encode()).hexdigest()
            found["duplicate"] += key in seen
            seen.add(key)
            words = WORD.findall(" ".join(said).lower())
            least = min((hash(pair) for pair in pairwise(words)), default=0)
            found["near"] += least in sketches
            sketches.add(least)
    found["system"] += len(systems) > 1
    return +found


if __name__ == "__main__":
    print(dict(check(Path(sys.argv[1]))))
