"""The tools, by subject: each module is the table of its operations."""

from collections.abc import Sequence

from runs_mcp.server.tools import aggregate, execute, read, search
from runs_mcp.server.tools.operation import Operation, operations_in

OPERATIONS: Sequence[Operation] = tuple(operations_in(read, execute, search, aggregate))
"""Every operation there is, in the order they are listed to clients."""
