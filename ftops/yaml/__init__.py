"""YAML: documents with places, syntax errors, and the formatter."""
