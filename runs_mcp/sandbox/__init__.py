"""The sandbox: a local imitation of the Runs API. No model is called and nothing is billed."""

from runs_mcp.sandbox.access import DEMO_KEY
from runs_mcp.sandbox.lifecycle import Sandbox, running, serve
from runs_mcp.sandbox.sandbox_options import FixedAnswer, Operation, SandboxOptions, closed, closed_operations

__all__ = [
    "DEMO_KEY",
    "FixedAnswer",
    "Operation",
    "Sandbox",
    "SandboxOptions",
    "closed",
    "closed_operations",
    "running",
    "serve",
]
