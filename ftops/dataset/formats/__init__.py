"""Formats: what a line of each format has to look like."""
