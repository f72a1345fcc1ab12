"""Entry point of `python -m runs_mcp`, equivalent to the console script `runs-mcp`."""

from runs_mcp.cli.main import main

if __name__ == "__main__":
    main()
