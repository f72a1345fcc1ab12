"""`runs-mcp runs`: the tools as commands in a terminal."""
