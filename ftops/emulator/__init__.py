"""Emulator: an Azure OpenAI account on 127.0.0.1, with data plane, control plane and a small trainer.

The package imports nothing else of ftops, except the count of tokens (``trainer.billing``).
``ftops.emulator.server.main.run`` starts the server.
"""
