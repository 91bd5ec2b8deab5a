"""Azure OpenAI as a provider: an account's data plane and its control plane."""
