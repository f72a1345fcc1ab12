"""Benchmarks of the server, and figures of its source tree."""
