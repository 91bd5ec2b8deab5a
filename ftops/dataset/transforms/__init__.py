"""Transforms: examples converted, shortened and split into files."""
