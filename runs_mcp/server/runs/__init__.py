"""Runs in progress: creating, following, polling and naming them."""
