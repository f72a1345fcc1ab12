"""The tools, by subject: each module is the table of its operations."""

from collections.abc import Sequence

from runs_mcp.server.tools import aggregate, execute, interaction_list, manage, read, search
from runs_mcp.server.tools.operation import Operation, operations_in

OPERATIONS: Sequence[Operation] = tuple(operations_in(read, execute, search, aggregate, interaction_list))
"""The operations that are published by default, in the order in which clients list them."""
MANAGE_OPERATIONS: Sequence[Operation] = tuple(operations_in(manage))
"""The operations that `server.manage` adds."""
