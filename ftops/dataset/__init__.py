"""Training data as JSON Lines: what a file is (digest, size, examples) and what is wrong with it.

A library of its own: it knows files and formats, and neither specs nor plans nor services.
"""

from ftops.dataset.cache import Cache
from ftops.dataset.inspection import Inspection
from ftops.dataset.reader import MAX_BYTES, inspect

__all__ = ["MAX_BYTES", "Cache", "Inspection", "inspect"]
