"""`runs-mcp demo`: a question about failed runs, answered by an MCP client over stdio."""
