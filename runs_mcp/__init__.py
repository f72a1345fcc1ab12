"""An MCP server for the Runs API of Composable Studio and Vertesia."""

__version__ = "0.1.0"
