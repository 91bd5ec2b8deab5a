"""Measurements of ftops, by itself and side by side with Terraform. See README.md; nothing imports this."""
