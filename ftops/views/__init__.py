"""Views: values → text. They start nothing, contact nothing and decide nothing.

Text goes out through `ftops.cli`; `live` is the one view that draws by itself, as rich needs the terminal.
"""
