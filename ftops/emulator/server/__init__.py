"""Server: process, routes, admin endpoints."""
