"""`runs-mcp config-schema`: the JSON schema of the configuration file."""

import json

import click

from runs_mcp.config.settings import Config


@click.command("config-schema")
def config_schema() -> None:
    """Print the JSON schema of config.json, for editors and other programs."""
    click.echo(json.dumps(Config.model_json_schema(), indent=2))
