"""Tools for those who develop ftops; nothing of it is installed."""
