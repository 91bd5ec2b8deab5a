"""Files: data files on disk, and those that are derived from them."""
