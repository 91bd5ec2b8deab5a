"""Git hosting services: comments on pull requests, annotations and commit statuses, through REST APIs."""
