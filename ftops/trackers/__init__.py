"""Experiment trackers: MLflow and Weights & Biases, through their own libraries, which are extras."""
