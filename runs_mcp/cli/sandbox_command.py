"""`runs-mcp sandbox`: a local imitation of the Runs API."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, cast

import click

from runs_mcp.cli.process import run
from runs_mcp.config.paths import expand_home
from runs_mcp.observability import logs
from runs_mcp.sandbox import DEMO_KEY, Sandbox, SandboxOptions, closed_operations, serve
from runs_mcp.sandbox.sandbox_options import FixedAnswer, Operation


@click.command
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65535), help="Port to serve on.")
@click.option("--data", type=click.Path(path_type=Path), help="File to keep the runs in. Default: memory only.")
@click.option(
    "--events",
    type=click.Choice(["message", "chunk"]),
    default="message",
    show_default=True,
    help="Event name of chunks in streams: message, as on the platform, or chunk, as in its reference document.",
)
@click.option("--runs", default=200, show_default=True, type=click.IntRange(0), help="Number of sample runs.")
@click.option("--seed", default=7, show_default=True, help="Seed of the sample runs.")
@click.option("--odd-interactions", is_flag=True, help="Offer interactions with difficult names and schemas as well.")
@click.option(
    "--close",
    "closed",
    multiple=True,
    metavar="OPERATION[=STATUS]",
    help="Answer an operation with 403, or with STATUS: for example facets or find=404. Repeatable.",
)
def sandbox(
    *,
    host: str,
    port: int,
    data: Path | None,
    events: str,
    runs: int,
    seed: int,
    odd_interactions: bool,
    closed: tuple[str, ...],
) -> None:
    """Start a local imitation of the Runs API; no model is called, nothing is billed.

    Its base URL is http://HOST:PORT/api/v1, its API key sk-sandbox-demo.
    """
    logs.configure("info")
    options = SandboxOptions(
        data=data and expand_home(data),
        seed_runs=runs,
        seed=seed,
        # click types a choice as `str`.
        events=cast(Literal["message", "chunk"], events),
        odd_interactions=odd_interactions,
        answers=_answers(closed),
    )
    run(partial(_serve_alone, options, host=host, port=port), address=f"{host}:{port}")


def _answers(closed: Sequence[str]) -> Mapping[Operation, FixedAnswer]:
    try:
        return closed_operations(closed)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--close") from None


async def _serve_alone(options: SandboxOptions, *, host: str, port: int) -> None:
    def announce(started: Sandbox) -> None:
        click.echo(f"The sandbox is at {started.url}/api/v1; its API key is {DEMO_KEY}.", err=True)

    await serve(options, host=host, port=port, on_start=announce)
