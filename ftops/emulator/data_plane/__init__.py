"""Data plane: files, uploads, jobs, models and chat."""
