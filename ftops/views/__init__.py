"""Views: pure functions from values to text, JSON and Markdown.

`ftops.cli` prints the text. Only `live` writes to the terminal itself, because rich needs it.
"""
