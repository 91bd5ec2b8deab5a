"""The emulated account: objects, clock, settings and faults, kept in a folder."""
