"""The command that starts this installation of runs-mcp from any folder and with any PATH."""

import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

NAME = "runs-mcp"

# Folders in which uvx keeps environments; `uv cache clean` deletes them.
_UV_CACHE = re.compile(r"(archive|environments)-v\d+")


@dataclass(frozen=True, slots=True)
class Launcher:
    """The words that start runs-mcp, and the reason for them."""

    words: tuple[str, ...]
    reason: str


def origin() -> str:
    """Return the requirement that installs this runs-mcp with uv or pip: its name, and the URL of its source if any."""
    recorded = distribution(NAME).read_text("direct_url.json")
    if recorded is None:
        return NAME
    source = json.loads(recorded)
    version_control = source.get("vcs_info")
    if version_control is None:
        return f"{NAME} @ {source['url']}"
    return f"{NAME} @ {version_control['vcs']}+{source['url']}@{version_control['commit_id']}"


def launcher(python: Path, environ: Mapping[str, str], origin: Callable[[], str] = origin) -> Launcher:
    """Return the command that starts the runs-mcp of `python`: uv under uvx, else its script, else the module."""
    uv = environ.get("UV")
    if uv and any(_UV_CACHE.fullmatch(part) for part in python.parts):
        words = (uv, "tool", "run", "--from", origin(), NAME)
        return Launcher(words, "uv itself, since this environment is in a cache that may be cleaned")
    script = python.with_name(NAME + python.suffix if python.suffix == ".exe" else NAME)
    if script.is_file():
        return Launcher((str(script),), "the script of this environment; run install again if you move the environment")
    return Launcher((str(python), "-m", "runs_mcp"), "the Python of this environment, which has no script beside it")


def typed(words: Sequence[str], folder: Path, path: str | None) -> str:
    """Return what a person types in `folder`, with this `PATH`, to start the command of `words`."""
    program = Path(words[0])
    if program.name == NAME and path and shutil.which(NAME, path=path) == str(program):
        return shlex.join([NAME, *words[1:]])
    near = program.relative_to(folder) if program.is_relative_to(folder) else program
    return shlex.join([str(near), *words[1:]])
