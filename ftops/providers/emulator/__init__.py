"""The emulator as a provider: the server of this machine, started when it is needed."""
