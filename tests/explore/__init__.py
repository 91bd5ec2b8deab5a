"""A model-based test of the whole engine: random histories, and what must hold after every step of them."""
