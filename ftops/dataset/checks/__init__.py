"""Checks: a data file is read once, in chunks, and the rules are applied."""
