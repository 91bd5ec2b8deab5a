"""Saved plans: a plan ↔ text, its digest, and what it was made from."""
