"""HTTP: messages, errors, and who may do what."""
