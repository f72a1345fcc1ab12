"""What replicas of the HTTP service share by Redis (`server.redis_url`). Needs `runs-mcp[redis]`.

A Redis that cannot be reached takes nothing down: each replica then goes on by itself, as one without Redis does.
"""

from runs_mcp.redis.replica_state import Fleet

__all__ = ["Fleet"]
