"""Runs as MCP resources: reading, slicing, subscriptions."""
