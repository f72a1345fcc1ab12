"""Reading the configuration from a file and the environment."""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError, describe, reject_unknown_variables
from runs_mcp.config.settings import Config

DEFAULT_FILE = Path("config.json")


def load(path: Path | None = None) -> Config:
    """The configuration from `path`, else `$RUNS_MCP_CONFIG`, else `./config.json` if it is there, and the environment.

    Raises:
        ConfigError: a file that cannot be read or is not JSON, an unknown key or variable, a value that does not fit.
    """
    file = file_in_use(path)
    settings = _read(file) if file else {}
    reject_unknown_variables(os.environ)
    try:
        return Config(**settings)
    except ValidationError as error:
        where = f"{file} or the environment" if file else "The environment"
        raise ConfigError("\n".join([f"{where} has an unusable setting.", *describe(error)])) from None


def file_in_use(path: Path | None = None) -> Path | None:
    """The file that `load` reads: `path`, else `$RUNS_MCP_CONFIG`, else `./config.json` if it is there."""
    if path:
        return path
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def json_schema() -> dict[str, Any]:
    """The JSON schema of the configuration file."""
    return Config.model_json_schema()


def _read(file: Path) -> dict[str, Any]:
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}.") from None
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} must hold a JSON object.")
    settings.pop("$schema", None)
    return settings
