"""Trainer: a small model that learns from the examples of a job."""
