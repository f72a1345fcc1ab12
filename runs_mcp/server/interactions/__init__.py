"""Interactions: the catalogue that tools are made of, and the tools made of it."""
