"""The Runs API, for real, on this machine: to try the product, to show it, and to test it."""

from runs_mcp.sandbox.credentials import DEMO_KEY
from runs_mcp.sandbox.service import Sandbox, SandboxOptions, running, serve

__all__ = ["DEMO_KEY", "Sandbox", "SandboxOptions", "running", "serve"]
