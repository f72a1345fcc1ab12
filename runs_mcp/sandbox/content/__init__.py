"""The content of the sandbox: interactions, environments and sample runs."""
