"""Runs: following, polling and naming them, and several of them in one call."""
