"""The specification of aggregates and of sorting."""
