"""Cost: what a plan would cost, from prices and counted tokens."""
