"""Data plane: files, jobs and models over the API that Azure OpenAI and OpenAI share."""
