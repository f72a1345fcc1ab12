"""Commands of the hosts themselves that add and remove MCP servers, such as `claude mcp add`."""

import json
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from runs_mcp.cli.install import entries
from runs_mcp.cli.install.entries import HttpServer, Server, StdioServer
from runs_mcp.cli.install.locations import Machine
from runs_mcp.observability.mask import mask

TIMEOUT_S = 60.0


class HostCommandError(Exception):
    """The command failed or had no effect; the text is a sentence with the reason."""


@dataclass(frozen=True, slots=True)
class HostCommand:
    """A program with commands that add and remove servers; arguments exclude the program."""

    program: str
    add: Callable[[str, Server], Sequence[str] | None]
    """Returns the arguments that add a server under a name; None if the program has no option for its variables."""
    remove: Callable[[str], Sequence[str]] | None = None
    """Returns the arguments that remove the server of a name; None if the program has no such command."""

    def run(self, arguments: Sequence[str], machine: Machine) -> None:
        """Run the program with `arguments`.

        Raises:
            HostCommandError: it is absent, fails, or takes more than `TIMEOUT_S` seconds.
        """
        if (program := machine.program(self.program)) is None:
            raise HostCommandError(f"{self.program} is not on the PATH.")
        try:
            done = subprocess.run(  # noqa: S603 - a program of the user, started without a shell
                [program, *arguments],
                env=dict(machine.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostCommandError(f"{self.program} failed: {mask(str(error))}.") from None
        if done.returncode:
            output = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise HostCommandError(f"{self.program} failed with exit code {done.returncode}: {mask(output)}")

    def line(self, arguments: Sequence[str]) -> str:
        """Return the command line for a shell."""
        return shlex.join([self.program, *arguments])


def claude_code(name: str, server: Server) -> Sequence[str]:
    """Return the arguments of `claude` that add a server for all projects of the user."""
    match server:
        case HttpServer(url):
            return ("mcp", "add", "--scope", "user", "--transport", "http", name, url)
        case StdioServer():
            return ("mcp", "add", "--scope", "user", name, "--", *server.words)


def gemini_cli(name: str, server: Server) -> Sequence[str]:
    """Return the arguments of `gemini` and `qwen` that add a server for all projects of the user.

    `-e` takes every argument up to the next option, so it follows the positional arguments.
    """
    match server:
        case HttpServer(url):
            return ("mcp", "add", "--scope", "user", "--transport", "http", name, url)
        case StdioServer(command, args, variables):
            named = [word for variable in variables for word in ("-e", f"{variable}=${variable}")]
            return ("mcp", "add", name, command, "--scope", "user", *named, "--", *args)


def codex(name: str, server: Server) -> Sequence[str] | None:
    """Return the arguments of `codex` that add a server, unless it needs environment variables (`env_vars`)."""
    match server:
        case HttpServer(url):
            return ("mcp", "add", name, "--url", url)
        case StdioServer(variables=()):
            return ("mcp", "add", name, "--", *server.words)
        case StdioServer():
            return None


def opencode(name: str, server: Server) -> Sequence[str]:
    """Return the arguments of `opencode` that add a server."""
    match server:
        case HttpServer(url):
            return ("mcp", "add", name, "--url", url)
        case StdioServer():
            return ("mcp", "add", name, "--", *server.words)


def copilot_cli(name: str, server: Server) -> Sequence[str]:
    """Return the arguments of `copilot` that add a server."""
    match server:
        case HttpServer(url):
            return ("mcp", "add", "--transport", "http", name, url)
        case StdioServer(variables=variables):
            named = [word for variable in variables for word in ("--env", f"{variable}=${{{variable}}}")]
            return ("mcp", "add", name, *named, "--", *server.words)


def vscode(name: str, server: Server) -> Sequence[str]:
    """Return the arguments of `code` that add a server to the user's profile."""
    entry = entries.typed_url(server.url) if isinstance(server, HttpServer) else entries.typed_command(server)
    return ("--add-mcp", json.dumps({"name": name, **entry}))


CLAUDE = HostCommand("claude", claude_code, lambda name: ("mcp", "remove", "--scope", "user", name))
GEMINI = HostCommand("gemini", gemini_cli, lambda name: ("mcp", "remove", "--scope", "user", name))
QWEN = HostCommand("qwen", gemini_cli, lambda name: ("mcp", "remove", "--scope", "user", name))
CODEX = HostCommand("codex", codex, lambda name: ("mcp", "remove", name))
OPENCODE = HostCommand("opencode", opencode)
COPILOT = HostCommand("copilot", copilot_cli, lambda name: ("mcp", "remove", name))
VSCODE = HostCommand("code", vscode)
