"""Files of the user's that are written and edited: manifests, shims, hooks."""
