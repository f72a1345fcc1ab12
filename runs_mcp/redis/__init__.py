"""State that replicas of the HTTP service share in Redis (`server.redis_url`). Needs `runs-mcp[redis]`.

If Redis fails, each replica works alone and reconnects in the background (docs/decisions/redis.md).
"""

from runs_mcp.redis.replica_state import Replicas

__all__ = ["Replicas"]
