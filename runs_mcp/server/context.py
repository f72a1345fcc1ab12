"""What lives as long as the server, and is handed to every tool and resource."""

from dataclasses import dataclass
from typing import Any

from mcp.server.mcpserver import Context
from mcp_types import LoggingLevel

from runs_mcp.api import RunsClient
from runs_mcp.config.settings import Config
from runs_mcp.server.runs.idempotent_create import Creator
from runs_mcp.server.runs.name_resolver import Names
from runs_mcp.server.runs.run_poller import Watchers
from runs_mcp.server.runs.stream_hub import Followers, Waiting


@dataclass(frozen=True, slots=True)
class Services:
    """The one client of the Runs API, what follows, watches, names and creates runs by it, and the settings."""

    runs: RunsClient
    followers: Followers
    waiting: Waiting
    watchers: Watchers
    names: Names
    creator: Creator
    config: Config
    log_level: LoggingLevel | None = None
    """From which level on the client of a call has asked for log messages; None: it has not."""

    @property
    def workspace(self) -> str:
        """Which edition and project answers come from, so that a wrong one is noticed."""
        project = self.config.api.project
        return f"{self.config.api.edition}, project {project}" if project else self.config.api.edition


Call = Context[Services, Any]
"""One call of a tool or a resource; tools take it as a parameter that the model cannot see."""


def services(call: Call) -> Services:
    """The services behind a call."""
    return call.request_context.lifespan_context
