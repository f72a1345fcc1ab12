"""The services of a server, and the call that a tool answers with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp_types import ElicitResult, LoggingLevel
from mcp_types.version import MODERN_PROTOCOL_VERSIONS, is_version_at_least

from runs_mcp.api import RunsClient
from runs_mcp.config.http_settings import Scope
from runs_mcp.config.settings import Config
from runs_mcp.server.calls_in_flight import WaitingCalls
from runs_mcp.server.create.background_create import BackgroundCreates
from runs_mcp.server.create.create_limit import CreateLimit
from runs_mcp.server.create.cut_off_creates import CutOffCreates, StartedCreates
from runs_mcp.server.create.idempotent_create import IdempotentCreate
from runs_mcp.server.interactions.known_interactions import KnownInteractions
from runs_mcp.server.pages.page import Pages
from runs_mcp.server.patience import Patience, patience_of
from runs_mcp.server.permissions.permitted_tools import PermittedTools
from runs_mcp.server.runs.name_resolver import NameResolver
from runs_mcp.server.runs.run_poller import RunPollers
from runs_mcp.server.runs.stream_hub import StreamHub


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The client of the Runs API, the objects that follow, poll, name and create runs with it, and the settings."""

    runs: RunsClient
    hub: StreamHub
    waiting: WaitingCalls
    pollers: RunPollers
    names: NameResolver
    idempotent_create: IdempotentCreate
    background_creates: BackgroundCreates
    cut_off_creates: CutOffCreates
    create_limit: CreateLimit
    config: Config
    interactions: KnownInteractions
    permitted: PermittedTools
    published: Mapping[str, Scope]
    """The published tools, and the scope that each needs."""
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
    patience: Patience = field(default_factory=lambda: Patience(math.inf))
    """The time from the start of the call to `deadline`, and the time that the API has beyond it."""
    started: StartedCreates = field(default_factory=StartedCreates)
    """The creates of the call, which a repeat gets if the call is cut off."""

    @property
    def api_deadline(self) -> float:
        """Time until which the call waits for a response of the API, shortly after `deadline`."""
        return self.deadline + self.patience.grace_s

    @property
    def scan_deadline(self) -> float:
        """Time until which the call reads many runs; then it answers with those read, while its client still waits."""
        began = self.deadline - self.patience.wait_s
        return min(self.deadline, began + patience_of_client(self.request_context).wait_s)

    def until(self, seconds: float) -> float:
        """Return the time until which the call waits for a run, `seconds` from now but not beyond `deadline`."""
        return min(self.deadline, anyio.current_time() + seconds)

    @property
    def modern(self) -> bool:
        """True if the client speaks 2026-07-28 or later, which has no requests from server to client."""
        return self.request_context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @property
    def takes_links(self) -> bool:
        """True if the client's version of the protocol has resource links; older clients can reject the result."""
        return is_version_at_least(self.request_context.protocol_version, "2025-06-18")


def client_name(ctx: Request) -> str:
    """Return the name that the client gives itself; empty if it gives none."""
    params = ctx.session.client_params
    return params.client_info.name if params else ""


def answers_questions(ctx: Request) -> bool:
    """Return True if the client declares that it shows questions to people."""
    declared = ctx.session.client_capabilities
    return declared is not None and declared.elicitation is not None


def patience_of_client(ctx: Request) -> Patience:
    """Return the time that the client of a request waits for an answer."""
    settings = ctx.lifespan_context.config.streaming
    return patience_of(client_name(ctx), settings, answers_questions=answers_questions(ctx))


def session_id(ctx: Request) -> str:
    """Return the id of the HTTP session; empty over stdio, which has one session, and in 2026-07-28, which has none."""
    headers = getattr(ctx.request, "headers", None)
    return str(headers.get("mcp-session-id", "")) if headers is not None else ""


def session_or_address(ctx: Request) -> str:
    """Return the id of the HTTP session, or else the address of the client; empty over stdio."""
    client = getattr(ctx.request, "client", None)
    return session_id(ctx) or (client.host if client else "")


async def has_left(ctx: Request) -> bool:
    """Return True if the client has closed the connection of its HTTP request."""
    return ctx.request is not None and await ctx.request.is_disconnected()


def services(call: Call) -> Services:
    """Return the services of the server that answers `call`."""
    return call.request_context.lifespan_context
