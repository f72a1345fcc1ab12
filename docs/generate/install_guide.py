"""The part of the documentation that says how each client is connected, made of the same tables as `install`."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from docs.generate.install_links import LINKS, OWN_SCHEMES
from runs_mcp.cli.install import jsonc
from runs_mcp.cli.install.clients import CLIENTS, Client, Machine, Server

NAME = "runs"
SERVER = Server("uvx", ("runs-mcp", "serve", "--sandbox"))
BUNDLE = ("Claude Desktop, as a bundle", "`npx @anthropic-ai/mcpb pack . dist/runs-mcp.mcpb`, then open it")
MACHINES = {
    "Linux": Machine("linux", Path("~"), {}),
    "macOS": Machine("darwin", Path("~"), {}),
    "Windows": Machine("win32", Path("%USERPROFILE%"), {"APPDATA": "%APPDATA%"}),
}
VARIABLES = {
    "all": "It passes on the variables of the shell it is started from.",
    "named": "It passes on the variables that the entry names; `install` has it name those that config.json needs.",
    "none": "It may not see what your shell sets: give the credential by `api.auth.file` or `api.auth.command`.",
}


def table() -> str:
    """The clients, the command that connects each or makes what does, and the link that does."""
    urls = {link.title: link.url(NAME, SERVER) for link in LINKS}
    rows = [(client.title, f"`runs-mcp install {client.name} --sandbox`") for client in CLIENTS]
    rows.append(BUNDLE)
    rows += [(title, "") for title in urls if title not in dict(rows)]
    lines = ["| client | one command | one click |", "|---|---|---|"]
    for title, command in rows:
        lines.append(f"| {title} | {command} | {f'[add]({urls[title]})' if title in urls else ''} |")
    return "\n".join(lines)


def guide() -> str:
    """The table, and a section for each client."""
    return "\n".join([table(), "", *(line for client in CLIENTS for line in _section(client)), *_own_schemes()])


def _section(client: Client) -> Iterator[str]:
    yield from (f"### {client.title}", "", f"{_places(client)}. {VARIABLES[client.passes]} {client.then}", "")
    yield from (f"```{client.format.LANGUAGE}", _snippet(client), "```", "")
    if client.add:
        yield from ("```sh", shlex.join(client.add(NAME, SERVER)), "```", "")


def _places(client: Client) -> str:
    """List the locations of the file, grouping the systems that share a location."""
    systems: dict[str, list[str]] = {}
    for system, machine in MACHINES.items():
        place = str(client.places(machine)[0])
        systems.setdefault(place.replace("/", "\\") if system == "Windows" else place, []).append(system)
    return ", ".join(f"`{place}` on {' and '.join(names)}" for place, names in systems.items())


def _snippet(client: Client) -> str:
    entry = client.entry(SERVER)
    if client.format is jsonc:
        return json.dumps({client.key: {NAME: entry}})
    return client.format.insert("", (client.key, NAME), entry).rstrip()


def _own_schemes() -> Iterator[str]:
    yield from ("### Links for pages of your own", "", "Where more than https may be linked to:", "", "```text")
    yield from (link.url(NAME, SERVER) for link in OWN_SCHEMES)
    yield "```"
