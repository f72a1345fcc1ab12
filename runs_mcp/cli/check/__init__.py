"""The `check` command: checks of configuration, connection, credential and permissions, and their report."""
