"""The operations of the sandbox over HTTP."""
