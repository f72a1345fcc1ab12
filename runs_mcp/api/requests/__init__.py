"""Requests to the API over HTTP: credential, transport, retry, and errors of the answers."""
