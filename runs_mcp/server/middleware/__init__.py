"""Middleware: concerns that affect every method of the server."""
