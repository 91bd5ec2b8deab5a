"""An example for every rule about data, and its fix. docs/data-rules.md shows them; tests check them."""
