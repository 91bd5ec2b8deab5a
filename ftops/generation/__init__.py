"""Generation of training data: calls of functions, requests that ask for them, and what is kept of both."""
