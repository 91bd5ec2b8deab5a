"""The command line: parse → one call of a use case → one view → exit code."""
