"""The command line: parse → one engine call → one view → exit code. Decides nothing about resources."""
