"""State: what is recorded of the objects, its codec, file format and encryption."""
