"""The account that clients are pointed at, and what they ask."""

from __future__ import annotations

from typing import Any

from tests.emulator.samples import SYSTEM, TOOLS
from tests.emulator.server import Emulator
from tests.emulator.talking import COLOUR

QUESTIONS: dict[str, Any] = {
    "messages": [{"role": "system", "content": SYSTEM}],
    "tools": TOOLS[:1],
    "functions": [{"type": "function", "strict": False, **TOOLS[0]["function"]}],
    "schema": COLOUR,
}


def environment(emulator: Emulator) -> dict[str, str]:
    """As docs/clients.md sets it."""
    return {"AZURE_OPENAI_ENDPOINT": emulator.url, "AZURE_OPENAI_API_KEY": emulator.key}
