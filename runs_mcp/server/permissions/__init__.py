"""Permissions: the scopes of callers, and the tools that the credential of the API allows."""
