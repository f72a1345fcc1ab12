"""Tests of aggregates and sorting."""
