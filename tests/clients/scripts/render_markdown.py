"""cmarkgfm, GitHub's renderer: a list of Markdown texts in a file, as a list of HTML."""

import json
import sys

import cmarkgfm
from cmarkgfm.cmark import Options

with open(sys.argv[1], encoding="utf-8") as file:
    texts = json.load(file)
unsafe = Options.CMARK_OPT_UNSAFE  # HTML is kept, as GitHub does
print(json.dumps([cmarkgfm.github_flavored_markdown_to_html(text, unsafe) for text in texts]))
