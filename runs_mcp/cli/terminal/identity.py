"""The name by which clients in a terminal introduce themselves to a server."""

from mcp_types import Implementation

from runs_mcp import __version__

# The name that the SDK sends by default belongs to clients that give up after a few seconds (see `server.patience`).
TERMINAL = Implementation(name="runs-mcp-terminal", version=__version__)
"""A client that waits for as long as a person does."""
