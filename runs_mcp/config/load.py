"""Loading of the configuration from a file and the environment."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runs_mcp.config.paths import expand_home
from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError, describe, reject_unknown_variables
from runs_mcp.config.settings import Config

DEFAULT_FILE = Path("config.json")
PATHS: Sequence[Sequence[str]] = (
    ("api", "auth", "file"),
    ("server", "http", "auth", "keys_file"),
    ("server", "http", "auth", "jwks_file"),
    ("profiles", "*", "api", "auth", "file"),
)
"""Settings that are paths; `*` matches any key."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16."""


def load(path: Path | None = None) -> Config:
    """Return the configuration from a file and the environment; variables override the file.

    The file is `path`, else `$RUNS_MCP_CONFIG`, else `./config.json` if that exists. Relative paths in the file are
    relative to its folder, and `~` is the home folder.

    Raises:
        ConfigError: the file cannot be read or is not JSON, a key or variable is unknown, or a value is invalid.
    """
    file = file_in_use(path)
    settings = _read(file) if file else {}
    reject_unknown_variables(os.environ)
    try:
        return Config(**settings)
    except ValidationError as error:
        raise ConfigError("\n".join(describe(error, file, os.environ))) from None


def file_in_use(path: Path | None = None) -> Path | None:
    """Return the file that `load` reads; None if `./config.json` does not exist and no other file is given."""
    if named := path or os.environ.get(CONFIG_VARIABLE):
        return expand_home(Path(named))
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(_decode(file))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:  # json recurses for each level of nesting
        raise ConfigError(f"{file} is not JSON: {error}.") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} must hold a JSON object.")
    settings.pop("$schema", None)  # editors read this key to validate the file; it is not a setting
    # Clients start the server in an arbitrary folder, so the working directory is no base for paths.
    for path in PATHS:
        _resolve(settings, path, file)
    return settings


def _decode(file: Path) -> str:
    content = file.read_bytes()
    if content.startswith(UTF_16):
        raise ConfigError(f"{file} is UTF-16, as some Windows programs write it. Save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")  # Notepad and PowerShell begin UTF-8 files with a byte order mark
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8. Save it as UTF-8.") from None


def _resolve(settings: Any, path: Sequence[str], file: Path) -> None:
    """Make the path at `path` in `settings` relative to the folder of `file`."""
    if not isinstance(settings, dict):
        return
    key, *rest = path
    for name in settings.keys() if key == "*" else settings.keys() & {key}:
        if rest:
            _resolve(settings[name], rest, file)
        elif isinstance(settings[name], str) and settings[name]:
            settings[name] = file.absolute().parent / expand_home(Path(settings[name]))
