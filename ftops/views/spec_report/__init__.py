"""Report of a spec as one HTML page, and the same facts as JSON."""
