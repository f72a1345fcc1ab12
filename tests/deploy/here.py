"""What there is on this machine: the project, and ports."""

import socket
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project."""


def free_ports(count: int) -> list[str]:
    """Ports that are free now."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [str(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()
