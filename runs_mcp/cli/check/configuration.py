"""Checks of the configuration, before anything is sent."""

import os

from runs_mcp.api import EDITIONS
from runs_mcp.cli.check.examination import Examination
from runs_mcp.cli.check.findings import Finding, check, failed, ok, warning
from runs_mcp.config.load import file_in_use, load
from runs_mcp.config.problems import CONFIG_VARIABLE
from runs_mcp.config.settings import ENV_PREFIX
from runs_mcp.server.privacy.content_policy import content_policy
from runs_mcp.server.server import selected


@check("configuration")
async def configuration(about: Examination) -> Finding:
    """Load the configuration, and report its file and variables."""
    about.config = load(about.config_file)
    file = file_in_use(about.config_file)
    variables = sorted(name for name in os.environ if name.startswith(ENV_PREFIX) and name != CONFIG_VARIABLE)
    beside = f", with {', '.join(variables)}" if variables else ""
    text = f"{file} is valid{beside}" if file else f"no file; defaults{beside} are valid"
    return ok(text, file=str(file.absolute()) if file else None, variables=variables)


@check("tools", after=("configuration",))
async def tools(about: Examination) -> Finding:
    """Select the tools to offer; unknown names in `server.tools` fail."""
    settings = about.config.server
    names = [operation.name for operation in selected(about.config)]
    about.offered = frozenset(names)
    if not names:
        return failed("no tool is offered", "Name tools in server.tools that server.read_only allows.", offered=names)
    mode = " (read only)" if settings.read_only else ""
    mode += " (create_run asks for confirmation)" if settings.confirm_create and "create_run" in names else ""
    return ok(f"{len(names)} offered{mode}", offered=names)


@check("privacy", after=("configuration",))
async def privacy(about: Examination) -> Finding:
    """Compile the rules of `server.redact`, and report how much of the content of runs is shown."""
    settings = about.config.server
    content_policy(settings)
    shown = "the content of runs is shown" if settings.content == "full" else "the content of runs is not shown"
    redacted = f", without {', '.join(settings.redact)}" if settings.redact and settings.content == "full" else ""
    return ok(f"{shown}{redacted}", content=settings.content, redact=list(settings.redact))


@check("edition", after=("configuration",))
async def edition(about: Examination) -> Finding:
    """Compare the configured edition with the edition that the host belongs to."""
    configured, guessed = about.config.api.edition, _edition_of(about.host)
    facts = {"configured": configured, "by_host": guessed}
    if guessed is None:
        return ok(f"{configured}, as configured; {about.host} is a host of neither edition", **facts)
    if guessed == configured:
        return ok(f"{configured}, the edition of {about.host}", **facts)
    fix = f"Set api.edition to {guessed}, or api.base_url to {about.edition.base_url}."
    return warning(f"{configured} is configured, but {about.host} is a host of {guessed}", fix, **facts)


def _edition_of(host: str) -> str | None:
    """Return the edition whose domain contains `host`."""
    for known in EDITIONS.values():
        domain = ".".join(known.base_url.split("/")[2].split(".")[-2:])
        if host == domain or host.endswith(f".{domain}"):
            return known.name
    return None
