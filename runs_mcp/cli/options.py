"""Options and texts that several commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from runs_mcp.cli.process import UsageProblem
from runs_mcp.config.load import load
from runs_mcp.config.problems import CONFIG_VARIABLE, ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.observability import logs

SANDBOX = "a local imitation of the API; no model is called, nothing is billed"

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help=f"Configuration file. Default: ${CONFIG_VARIABLE}, or else ./config.json if that exists.",
)


def load_config(config_file: Path | None) -> Config:
    """Load the configuration and set up logging.

    Raises:
        UsageProblem: the configuration cannot be used.
    """
    with config_errors():
        config = load(config_file)
    logs.configure(config.log_level)
    return config


@contextmanager
def config_errors() -> Iterator[None]:
    """Turn a `ConfigError` into a message and exit code 2.

    Raises:
        UsageProblem: the block raised a `ConfigError`.
    """
    try:
        yield
    except ConfigError as error:
        raise UsageProblem(str(error)) from None
