"""The requests the sandbox accepts and the answers it gives, by version of the contract."""
