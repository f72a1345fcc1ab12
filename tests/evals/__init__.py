"""The specification of the evals."""
