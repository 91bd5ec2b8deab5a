"""A stand-in for Azure OpenAI on 127.0.0.1: data plane, control plane and a small trainer.

The package imports nothing of the rest of ftops, and importing it loads nothing heavy:
``ftops.emulator.server.main.run`` starts the server.
"""
