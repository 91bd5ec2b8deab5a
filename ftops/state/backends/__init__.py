"""State backends: a local folder or a bucket, with the interface `base.Store`."""
