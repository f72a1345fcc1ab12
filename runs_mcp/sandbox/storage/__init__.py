"""The runs of the sandbox in SQLite, and the filters that select them."""
