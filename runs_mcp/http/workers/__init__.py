"""Several processes that serve MCP at one port (`serve --http --workers`); docs/decisions/workers.md."""
