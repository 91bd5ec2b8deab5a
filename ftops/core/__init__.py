"""Core: values and tools that everything else is made of. Imports nothing of the rest."""
