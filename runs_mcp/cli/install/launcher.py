"""Which command starts this very runs-mcp, from whatever folder and with whatever PATH a client has."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

NAME = "runs-mcp"

# Where uvx puts environments; `uv cache clean` takes them away.
_UV_CACHE = re.compile(r"(archive|environments)-v\d+")


@dataclass(frozen=True, slots=True)
class Launcher:
    """The words that start runs-mcp, and why those."""

    words: tuple[str, ...]
    why: str


def origin() -> str:
    """Return the requirement that installs this runs-mcp with uv or pip: its name, with a URL if it had one."""
    said = distribution(NAME).read_text("direct_url.json")
    if said is None:
        return NAME
    source = json.loads(said)
    version_control = source.get("vcs_info")
    if version_control is None:
        return f"{NAME} @ {source['url']}"
    return f"{NAME} @ {version_control['vcs']}+{source['url']}@{version_control['commit_id']}"


def launcher(python: Path, environ: Mapping[str, str], origin: Callable[[], str] = origin) -> Launcher:
    """Return a command that starts runs-mcp beside `python`: uv under uv, else its script, else the module."""
    uv = environ.get("UV")
    if uv and any(_UV_CACHE.fullmatch(part) for part in python.parts):
        words = (uv, "tool", "run", "--from", origin(), NAME)
        return Launcher(words, "uv runs this one from its cache, which may be cleaned, so uv is asked for it each time")
    script = python.with_name(NAME + python.suffix if python.suffix == ".exe" else NAME)
    if script.is_file():
        return Launcher((str(script),), "the script of this environment; run this again if you move it")
    return Launcher((str(python), "-m", "runs_mcp"), "the Python that runs this; it has no script beside it")
