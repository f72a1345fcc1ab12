"""Locations of the clients' configuration files."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Locations = Callable[["Machine"], list[Path]]
"""Lists the files that a client may read on a machine, the preferred file first."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The properties of a machine that determine the paths of configuration files."""

    platform: str
    """A value of `sys.platform`."""
    home: Path
    environ: Mapping[str, str]

    @property
    def settings(self) -> Path:
        """The folder in which programs of this system keep their settings."""
        match self.platform:
            case "win32":
                return self.folder("APPDATA") or self.home / "AppData" / "Roaming"
            case "darwin":
                return self.home / "Library" / "Application Support"
            case _:
                return self.xdg_config

    @property
    def xdg_config(self) -> Path:
        """The folder of the XDG Base Directory Specification, which some programs use on every system."""
        return self.folder("XDG_CONFIG_HOME") or self.home / ".config"

    def folder(self, variable: str) -> Path | None:
        """Return the folder that an environment variable names; None if it is unset."""
        return Path(value) if (value := self.environ.get(variable)) else None

    def program(self, name: str) -> Path | None:
        """Return the path of a program on the `PATH`; None if it is absent.

        Batch files are not returned: Windows parses their arguments a second time, which quoting cannot prevent.
        """
        path = shutil.which(name, path=self.environ.get("PATH", ""))
        return None if path is None or path.lower().endswith((".cmd", ".bat")) else Path(path)


def in_home(*parts: str, variable: str = "") -> Locations:
    """Locate a file in the home folder; `variable` names a folder that replaces the folders of `parts`."""

    def locate(machine: Machine) -> list[Path]:
        folder = machine.folder(variable) if variable else None
        return [folder / parts[-1] if folder else machine.home.joinpath(*parts)]

    return locate


def in_settings(*parts: str) -> Locations:
    """Locate a file in the folder of the system for settings."""
    return lambda machine: [machine.settings.joinpath(*parts)]


def none(machine: Machine) -> list[Path]:  # noqa: ARG001 - a `Locations`
    """Return no file, for a client whose settings are kept in a window."""
    return []


def claude_desktop(machine: Machine) -> list[Path]:
    """Locate the file of Claude Desktop; on Windows, a packaged app has folders of its own."""
    folders = [machine.settings / "Claude"]
    if machine.platform == "win32":
        local = machine.folder("LOCALAPPDATA") or machine.home / "AppData" / "Local"
        packaged = [*local.glob("Claude-Data/Claude_*"), *local.glob("Packages/Claude_*/LocalCache/Roaming/Claude")]
        folders = [*packaged, *folders]
    return [folder / "claude_desktop_config.json" for folder in folders]


def zed(machine: Machine) -> list[Path]:
    """Locate the settings of Zed, which macOS keeps outside its folder for settings."""
    folder = machine.settings / "Zed" if machine.platform == "win32" else machine.xdg_config / "zed"
    return [folder / "settings.json"]


def gemini_cli(machine: Machine) -> list[Path]:
    """Locate the settings of Gemini CLI."""
    return [(machine.folder("GEMINI_CLI_HOME") or machine.home) / ".gemini" / "settings.json"]


def opencode(machine: Machine) -> list[Path]:
    """Locate the configuration of opencode, which may end in .json or .jsonc."""
    return [machine.xdg_config / "opencode" / name for name in ("opencode.jsonc", "opencode.json")]


def cline(machine: Machine) -> list[Path]:
    """Locate the file of Cline in VS Code, then that of its command line."""
    extension = machine.settings / "Code" / "User" / "globalStorage" / "saoudrizwan.claude-dev" / "settings"
    program = machine.home / ".cline" / "data" / "settings"
    return [folder / "cline_mcp_settings.json" for folder in (extension, program)]


def goose(machine: Machine) -> list[Path]:
    """Locate the configuration of Goose."""
    windows = machine.settings / "Block" / "goose" / "config"
    folder = windows if machine.platform == "win32" else machine.xdg_config / "goose"
    return [folder / "config.yaml"]
