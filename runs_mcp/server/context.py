"""The services of a server, and the call that a tool answers with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import ElicitResult, LoggingLevel
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from runs_mcp.api import RunsClient
from runs_mcp.config.settings import Config
from runs_mcp.server.interactions.known_interactions import KnownInteractions
from runs_mcp.server.pages.page import Pages
from runs_mcp.server.permissions.permitted_tools import PermittedTools
from runs_mcp.server.runs.background_create import BackgroundCreates
from runs_mcp.server.runs.create_limit import CreateLimit
from runs_mcp.server.runs.idempotent_create import IdempotentCreate
from runs_mcp.server.runs.name_resolver import Names
from runs_mcp.server.runs.run_poller import RunPollers
from runs_mcp.server.runs.stream_hub import StreamHub, Waiting

API_GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class Services:
    """The client of the Runs API, the objects that follow, poll, name and create runs with it, and the settings."""

    runs: RunsClient
    followers: StreamHub
    waiting: Waiting
    watchers: RunPollers
    names: Names
    idempotent: IdempotentCreate
    creates: BackgroundCreates
    create_limit: CreateLimit
    config: Config
    interactions: KnownInteractions
    permitted: PermittedTools
    list_pages: Pages = field(default_factory=Pages)
    search_pages: Pages = field(default_factory=Pages)

    @property
    def workspace(self) -> str:
        """The edition and project of all results, which show them so that users notice a wrong project."""
        return self.origin(self.config.api.project)

    def origin(self, project: str | None) -> str:
        """Return edition and project, and a note if results lack the content of runs."""
        parts = [self.config.api.edition, f"project {project}" if project else "", self.hidden_note]
        return ", ".join(filter(None, parts))

    @property
    def hidden_note(self) -> str:
        """A note for readers of results that lack the content of runs; empty if they show it."""
        return "content not shown" if self.config.server.content == "none" else ""


Request = ServerRequestContext[Services, Any]
"""A request of a client, as the SDK passes it to handlers."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, or another request that the same code answers. It is the first parameter of tools."""

    request_context: Request
    name: str = ""
    """Name of the tool; empty for other requests."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments set by the client."""
    answers: Mapping[str, ElicitResult] = field(default_factory=dict)
    """Answers to the questions asked in earlier rounds of this call (2026-07-28), by question."""
    log_level: LoggingLevel | None = None
    """Lowest level of log messages requested by the client; None: no messages."""
    deadline: float = math.inf
    """Time on anyio's clock until which the call waits for runs and for answers to its questions."""

    @property
    def api_deadline(self) -> float:
        """Time until which the call waits for a response of the API, shortly after `deadline`."""
        # A response within these two seconds is still useful, and most clients time out only after 60 s.
        return self.deadline + API_GRACE_S

    @property
    def modern(self) -> bool:
        """True if the client speaks 2026-07-28 or later, which has no requests from server to client."""
        return self.request_context.protocol_version in MODERN_PROTOCOL_VERSIONS


def services(call: Call) -> Services:
    """Return the services of the server that answers `call`."""
    return call.request_context.lifespan_context
