"""Permissions: the tools that the settings, the credential of the API and the scopes of the caller allow."""
