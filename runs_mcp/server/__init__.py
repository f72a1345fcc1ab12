"""The MCP server: speaks MCP, knows no HTTP."""

from runs_mcp.server.server import RunsServer, build_server

__all__ = ["RunsServer", "build_server"]
