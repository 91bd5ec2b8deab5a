"""Sessions: a spec in one environment with its state and its providers; the use cases."""
