"""The configuration: read once from a file and the environment, validated, and frozen."""
