"""Checks of the configuration, before anything is sent."""

import os

from runs_mcp.api import EDITIONS
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, check, failed, ok, warning
from runs_mcp.config.load import file_in_use, load
from runs_mcp.config.problems import CONFIG_VARIABLE
from runs_mcp.config.settings import ENV_PREFIX
from runs_mcp.server.permissions.selected_tools import selected_tools
from runs_mcp.server.privacy.content_policy import content_policy


@check("configuration")
async def configuration(state: Examination) -> Finding:
    """Load the configuration, and report its file and variables."""
    state.config = load(state.config_file)
    file = file_in_use(state.config_file)
    variables = sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE)
    overrides = f", with {', '.join(variables)}" if variables else ""
    text = f"{file} is valid{overrides}" if file else f"no file; defaults{overrides} are valid"
    return ok(text, file=str(file.absolute()) if file else None, variables=variables)


@check("tools", after=("configuration",))
async def tools(state: Examination) -> Finding:
    """Select the tools to offer; unknown names in `server.tools` fail."""
    settings = state.config.server
    names = [operation.name for operation in selected_tools(state.config)]
    state.offered = names
    if not names:
        return failed("no tool is offered", "Name tools in server.tools that server.read_only allows.", offered=names)
    mode = " (read only)" if settings.read_only else ""
    mode += " (create_run asks for confirmation)" if settings.confirm_create and "create_run" in names else ""
    return ok(f"{len(names)} offered{mode}", offered=names)


@check("create_limit", after=("configuration",))
async def create_limit(state: Examination) -> Finding:
    """Show the limit of started runs."""
    limit = state.config.server.create_limit
    facts = {"per_hour": limit.per_hour, "per_day": limit.per_day}
    limits = [f"{most:,} in any {name.removeprefix('per_')}" for name, most in facts.items() if most is not None]
    return ok(f"at most {', '.join(limits)} may be started" if limits else "runs are not limited", **facts)


@check("privacy", after=("configuration",))
async def privacy(state: Examination) -> Finding:
    """Compile the rules of `server.redact`, and report how much of the content of runs is shown."""
    settings = state.config.server
    content_policy(settings)  # raises ConfigError for an expression that RE2 cannot compile
    shown = "the content of runs is shown" if settings.content == "full" else "the content of runs is not shown"
    redacted = f", without {', '.join(settings.redact)}" if settings.redact and settings.content == "full" else ""
    return ok(f"{shown}{redacted}", content=settings.content, redact=list(settings.redact))


@check("edition", after=("configuration",))
async def edition(state: Examination) -> Finding:
    """Compare the configured edition with the edition that the host belongs to."""
    configured, by_host = state.config.api.edition, _edition_of(state.host)
    facts = {"configured": configured, "by_host": by_host}
    # A private installation has a host of its customer, which belongs to neither edition.
    if by_host is None:
        return ok(f"{configured}, as configured; {state.host} is a host of neither edition", **facts)
    if by_host == configured:
        return ok(f"{configured}, the edition of {state.host}", **facts)
    fix = f"Set api.edition to {by_host}, or api.base_url to {state.edition.base_url}."
    return warning(f"{configured} is configured, but {state.host} is a host of {by_host}", fix, **facts)


def _edition_of(host: str) -> str | None:
    """Return the edition whose domain contains `host`; None if it belongs to neither."""
    for known in EDITIONS.values():
        domain = ".".join(known.base_url.split("/")[2].split(".")[-2:])
        if host == domain or host.endswith(f".{domain}"):
            return known.name
    return None
