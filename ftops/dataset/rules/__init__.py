"""Rules: the catalogue of rules about data, and findings."""
