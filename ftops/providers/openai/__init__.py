"""The OpenAI platform as a provider."""
