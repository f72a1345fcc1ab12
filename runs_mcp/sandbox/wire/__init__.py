"""The requests that the sandbox accepts and its responses, by version of the contract."""
