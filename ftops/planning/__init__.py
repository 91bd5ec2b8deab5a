"""Planning: config, state and what was observed → a plan."""
