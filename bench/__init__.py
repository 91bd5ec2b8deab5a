"""Benchmarks of ftops, alone and compared with Terraform. See README.md. Nothing else imports them."""
