"""Tools for developers of ftops. They aren't part of the package."""
