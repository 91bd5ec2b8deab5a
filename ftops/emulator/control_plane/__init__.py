"""Control plane: the account, its deployments and its quota."""
