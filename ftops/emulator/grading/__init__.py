"""Grading: scores of answers by each type of grader."""
