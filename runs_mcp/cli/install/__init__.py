"""`install`: an entry for this server in the configuration of MCP clients."""
