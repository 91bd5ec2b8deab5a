"""Evaluation: are a model's answers right, and is it better than another model on the same prompts?"""
