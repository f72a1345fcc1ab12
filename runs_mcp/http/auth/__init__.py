"""Authentication of callers: keys, JWTs, and the metadata for OAuth clients."""
