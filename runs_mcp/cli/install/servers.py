"""The two kinds of server that a client can be given: a command, and an endpoint."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that the client starts and talks to over stdio."""

    command: str
    args: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """Names of the environment variables that it needs."""

    @property
    def words(self) -> tuple[str, ...]:
        """The whole command line."""
        return (self.command, *self.args)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that already runs and is reached over streamable HTTP."""

    url: str


Server = StdioServer | HttpServer
