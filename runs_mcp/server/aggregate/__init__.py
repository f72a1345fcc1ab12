"""Aggregates: runs counted, summed and ranked by group, over an API that only lists them."""
