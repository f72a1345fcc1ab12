"""ASGI layers in front of the MCP endpoint; `http.app` puts them in order.

A layer that only checks requests returns the coroutine of the next application instead of awaiting it. Otherwise each
open stream would hold a coroutine of the layer.
"""
