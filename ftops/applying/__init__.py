"""Applying: a plan → provider calls, their outcomes, events and entries of the journal."""
