"""An account: its objects, clock, settings and faults, kept in a folder."""
