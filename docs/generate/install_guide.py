"""The part of the documentation on connecting clients, generated from the table of `install`."""

import json
from collections.abc import Iterator
from pathlib import Path

from docs.generate.install_links import LINKS, OWN_SCHEMES
from runs_mcp.cli.install.clients import CLIENTS, Client
from runs_mcp.cli.install.entries import HttpServer, StdioServer
from runs_mcp.cli.install.formats import JSON, Entry
from runs_mcp.cli.install.locations import Machine

NAME = "runs"
SERVER = StdioServer("uvx", ("runs-mcp", "serve", "--sandbox"))
ENDPOINT = HttpServer("https://runs.example.com/mcp")
BUNDLE = ("Claude Desktop, as a bundle", "`npx @anthropic-ai/mcpb pack . dist/runs-mcp.mcpb`, then open it")
MACHINES = {
    "Linux": Machine("linux", Path("~"), {}),
    "macOS": Machine("darwin", Path("~"), {}),
    "Windows": Machine("win32", Path("%USERPROFILE%"), {"APPDATA": "%APPDATA%"}),
}
VARIABLES = {
    "all": "It passes on the variables of its shell.",
    "named": "It passes on the variables that the entry names; `install` names those that config.json needs.",
    "none": "It may not pass on the variables of your shell: use `api.auth.file` or `api.auth.command`.",
}


def table() -> str:
    """Return a row for each client: the command and the link that connect it, and the page on its configuration."""
    urls = {link.title: link.url(NAME, SERVER) for link in LINKS}
    rows = [(client.title, f"`runs-mcp install {client.name} --sandbox`") for client in CLIENTS]
    rows.append(BUNDLE)
    rows += [(title, "") for title in urls if title not in dict(rows)]
    pages = {client.title: f"[page]({client.page})" for client in CLIENTS}
    lines = ["| client | command | one click | documentation |", "|---|---|---|---|"]
    for title, command in rows:
        link = f"[add]({urls[title]})" if title in urls else ""
        lines.append(f"| {title} | {command} | {link} | {pages.get(title, '')} |")
    return "\n".join(lines)


def guide() -> str:
    """Return the table and a section for each client."""
    return "\n".join([table(), "", *(line for client in CLIENTS for line in _section(client)), *_own_schemes()])


def _section(client: Client) -> Iterator[str]:
    yield from (f"### {client.title}", "", " ".join([*_locations(client), client.next_step]), "")
    yield from _block(client.format.name, _snippet(client, client.entry(SERVER)))
    if client.http:
        yield from ("With `--http URL`:", "", *_block(client.format.name, _snippet(client, client.entry(ENDPOINT))))
    else:
        yield from (f"`--http` is not available: its file takes commands only (stdio). {client.url_advice}", "")
    if host := client.host_command:
        added = [host.add(NAME, server) for server in (SERVER, ENDPOINT) if client.http]
        yield from ("Its own command, which `install` runs if it is on the `PATH`:", "")
        yield from _block("sh", "\n".join(host.line(arguments) for arguments in added if arguments))


def _block(language: str, text: str) -> Iterator[str]:
    yield from (f"```{language}", text, "```", "")


def _locations(client: Client) -> Iterator[str]:
    """Yield the locations of the file, grouping the systems that share a location, and a note on variables."""
    systems: dict[str, list[str]] = {}
    for system, machine in MACHINES.items():
        for file in client.locations(machine)[:1]:
            path = str(file).replace("/", "\\") if system == "Windows" else str(file)
            systems.setdefault(path, []).append(system)
    if systems:
        yield ", ".join(f"`{path}` on {' and '.join(names)}" for path, names in systems.items()) + "."
    yield VARIABLES[client.inherits]


def _snippet(client: Client, entry: Entry) -> str:
    if client.format is JSON:
        return json.dumps({client.key: {NAME: entry}})
    return client.format.snippet(client.key, NAME, entry).rstrip()


def _own_schemes() -> Iterator[str]:
    yield from (
        "### Links for your own pages",
        "",
        "For pages that may contain links with schemes other than https:",
        "",
        "```text",
    )
    yield from (link.url(NAME, SERVER) for link in OWN_SCHEMES)
    yield "```"
