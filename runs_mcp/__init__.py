"""An MCP server that puts every operation of the Runs API in an agent's hands."""

__version__ = "0.1.0"
