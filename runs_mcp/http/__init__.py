"""The HTTP service: MCP over streamable HTTP, for one machine or a whole team."""
