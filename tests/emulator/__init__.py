"""The emulator, as the real SDKs and a real process see it."""
