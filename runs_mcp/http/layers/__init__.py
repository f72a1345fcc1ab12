"""ASGI layers in front of the MCP endpoint; `http.app` puts them in order."""
