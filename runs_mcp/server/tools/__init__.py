"""The tools, by subject: each module is the table of its operations."""

from collections.abc import Sequence

from runs_mcp.server.operation import Operation, operations_in
from runs_mcp.server.tools import executing, reading, searching

OPERATIONS: Sequence[Operation] = tuple(operations_in(reading, executing, searching))
"""Every operation there is, in the order they are listed to clients."""
