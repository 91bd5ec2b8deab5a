"""Config: a spec as read for one environment, and the data files that it names."""
