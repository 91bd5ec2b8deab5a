"""The server: routes, the process, its administration."""
