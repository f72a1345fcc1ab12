"""Links that add a server to a client when a person clicks them."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from runs_mcp.cli.install.entries import StdioServer


@dataclass(frozen=True, slots=True)
class Link:
    """A link that adds a server when a person clicks it."""

    title: str
    """The client that it opens."""
    url: Callable[[str, StdioServer], str]


def _json(server: StdioServer, **more: str) -> str:
    return json.dumps({**more, "command": server.command, "args": server.args}, separators=(",", ":"))


def _encoded(address: str) -> Callable[[str, StdioServer], str]:
    """Return a writer of links whose configuration is JSON in base64."""
    return lambda name, server: f"{address}?{urlencode({'name': name, 'config': b64encode(_json(server).encode())})}"


def _quoted(address: str, **more: str) -> Callable[[str, StdioServer], str]:
    """Return a writer of links whose configuration is plain JSON."""
    return lambda name, server: (
        f"{address}?{urlencode({'name': name, 'config': _json(server), **more}, quote_via=quote)}"
    )


def _vscode(name: str, server: StdioServer) -> str:
    return f"vscode:mcp/install?{quote(_json(server, name=name, type='stdio'), safe='')}"


LINKS = (
    Link("Cursor", _encoded("https://cursor.com/en/install-mcp")),
    Link("VS Code", _quoted("https://vscode.dev/redirect/mcp/install")),
    Link("VS Code Insiders", _quoted("https://insiders.vscode.dev/redirect/mcp/install", quality="insiders")),
    Link("Kiro", _quoted("https://kiro.dev/launch/mcp/add")),
    Link("LM Studio", _encoded("https://lmstudio.ai/install-mcp")),
)
"""Links over https, the only scheme that GitHub keeps in a document."""

OWN_SCHEMES = (
    Link("Cursor", _encoded("cursor://anysphere.cursor-deeplink/mcp/install")),
    Link("VS Code", _vscode),
    Link("LM Studio", _encoded("lmstudio://add_mcp")),
)
"""Links with the clients' own schemes, for other pages."""
