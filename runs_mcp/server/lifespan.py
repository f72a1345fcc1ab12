"""The lifespan of a server: the services exist from its start to its end."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from mcp.server.lowlevel import Server

from runs_mcp.api import RunsApiError, connect
from runs_mcp.config.settings import Config
from runs_mcp.observability.logs import FIELDS
from runs_mcp.server.calls_in_flight import WaitingCalls
from runs_mcp.server.context import Services
from runs_mcp.server.create.background_create import BackgroundCreates
from runs_mcp.server.create.create_limit import CreateLimit
from runs_mcp.server.create.cut_off_creates import CutOffCreates
from runs_mcp.server.create.idempotent_create import IdempotentCreate
from runs_mcp.server.interactions.interaction_tools import InteractionTools
from runs_mcp.server.interactions.known_interactions import KnownInteractions
from runs_mcp.server.middleware.observers import Observers
from runs_mcp.server.middleware.secret_filter import filtered_logs
from runs_mcp.server.permissions.permitted_tools import PermittedTools
from runs_mcp.server.privacy.content_policy import content_policy
from runs_mcp.server.progress import announce_wait
from runs_mcp.server.runs.name_resolver import NameResolver
from runs_mcp.server.runs.run_poller import RunPollers
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.runs.stream_hub import StreamHub
from runs_mcp.server.tools.operation import Operation

log = logging.getLogger(__name__)


class Lifespan:
    """Starts and ends the services of a server."""

    def __init__(
        self,
        config: Config,
        observers: Observers,
        shared: SharedState,
        interaction_tools: InteractionTools,
        tools: Sequence[Operation],
    ) -> None:
        """Raises: ConfigError: `server.redact` has an invalid expression."""
        self.waiting = WaitingCalls()
        """The calls that wait for runs."""
        self.services: Services | None = None
        """The services while the server runs."""
        self._config = config
        self._observers = observers
        self._shared = shared
        self._interaction_tools = interaction_tools
        self._published = {tool.name: tool.scope for tool in tools}
        self._policy = content_policy(config.server)

    @asynccontextmanager
    async def __call__(self, _: Server[Services]) -> AsyncIterator[Services]:
        """Run the services for the duration of the block."""
        config, shared = self._config, self._shared
        client = connect(
            config.api,
            token_in_query=config.streaming.token_in_query,
            on_wait=self._announce_wait,
            observers=self._observers.exchanges,
            content=self._policy,
        )
        async with client as runs, shared.running(), anyio.create_task_group() as tasks:
            limit = CreateLimit(config.server.create_limit, shared.start_counts)
            idempotent_create = IdempotentCreate(runs, shared.request_keys, limit, tagging=config.server.create_tag)
            creates = BackgroundCreates(idempotent_create, tasks)
            hub = StreamHub(runs, tasks, shared.relay, stall_s=config.streaming.stall_s)
            tasks.start_soon(hub.leave_silent_streams)
            interactions = KnownInteractions(runs)
            tasks.start_soon(self._interaction_tools.keep_current, interactions, runs, shared.bus)
            permitted = PermittedTools(runs, config.api.auth)
            tasks.start_soon(permitted.read)
            self.services = Services(
                runs=runs,
                hub=hub,
                waiting=self.waiting,
                pollers=RunPollers(runs, hub, tasks, shared.bus, shared.poll_turns),
                names=NameResolver(runs),
                idempotent_create=idempotent_create,
                background_creates=creates,
                cut_off_creates=CutOffCreates(config.server.repeat_s),
                create_limit=limit,
                config=config,
                interactions=interactions,
                permitted=permitted,
                published=self._published,
            )
            try:
                with filtered_logs(runs.redact):
                    yield self.services
            finally:
                self.services = None
                _log_unfinished(hub, creates)
                tasks.cancel_scope.cancel()

    async def _announce_wait(self, seconds: float, error: RunsApiError) -> None:
        for observe in self._observers.waits:
            await observe(seconds, error)
        await announce_wait(seconds, error)


def _log_unfinished(hub: StreamHub, creates: BackgroundCreates) -> None:
    if hub.count or creates.count:
        fields = {"runs": hub.run_ids, "unanswered_creates": creates.count}
        log.info("stopped while runs were going on", extra={FIELDS: fields})
