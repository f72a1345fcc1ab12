"""Authentication of callers: keys, JWTs and the metadata that OAuth clients read."""
