"""HTTP: messages, errors, authentication and authorization."""
