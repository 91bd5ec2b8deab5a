"""The data plane: files, uploads, jobs, models and chat."""
