"""The trainer: models that learn from the examples of a job."""
