"""State that replicas of the HTTP service share in Redis (`server.redis_url`). Needs `runs-mcp[redis]`.

A Redis that does not answer takes nothing down: each replica continues alone, and reconnects in the background.
"""

from runs_mcp.redis.replica_state import Fleet

__all__ = ["Fleet"]
