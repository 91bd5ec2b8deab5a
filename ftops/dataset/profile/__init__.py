"""Profile: sums and a row for each example, and how two versions differ."""
