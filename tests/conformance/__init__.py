"""The emulator against outside sources: statements, official descriptions and examples, a recorded run."""
