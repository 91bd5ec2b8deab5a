"""Fuzzing by hand: too slow for the suite."""
