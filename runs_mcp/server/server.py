"""The MCP server: the SDK's low-level `Server`, with a named handler for each method."""

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.context import ServerMiddleware
from mcp.server.extension import Extension, MethodBinding, RequestHandler, compose_tool_call_handler
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    CallToolRequestParams,
    DiscoverResult,
    Icon,
    NotificationParams,
    RequestParams,
    SetLevelRequestParams,
)
from mcp_types.methods import CacheableMethod
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from runs_mcp import __version__
from runs_mcp.config.settings import Config, InteractionToolSettings
from runs_mcp.server import ui
from runs_mcp.server.calls_in_flight import CallsInFlight
from runs_mcp.server.context import Request, Services
from runs_mcp.server.elicitation import STATE_TTL_S
from runs_mcp.server.instructions import instructions
from runs_mcp.server.interactions.interaction_tools import InteractionTools
from runs_mcp.server.lifespan import Lifespan
from runs_mcp.server.middleware.crashes import contain_crash
from runs_mcp.server.middleware.initialize import InitializeResponse
from runs_mcp.server.middleware.observers import NO_OBSERVERS, Observers
from runs_mcp.server.middleware.request_limit import RequestLimit
from runs_mcp.server.middleware.secret_filter import filter_secrets
from runs_mcp.server.permissions.offered_tools import offered_tools
from runs_mcp.server.permissions.permitted_tools import INSTRUCTIONS_WAIT_S
from runs_mcp.server.permissions.scopes import principal
from runs_mcp.server.permissions.selected_tools import selected_tools
from runs_mcp.server.prompts.completion import Completions
from runs_mcp.server.prompts.offered_prompts import OfferedPrompts
from runs_mcp.server.resources import handlers as resources
from runs_mcp.server.resources.subscriptions import Subscriptions
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.skills import Skills
from runs_mcp.server.tasks import Tasks
from runs_mcp.server.tool_calls import ToolCalls, to_wire
from runs_mcp.server.tools.operation import Operation

NAME = "runs-mcp"
WEBSITE = "https://github.com/runs-mcp/runs-mcp"
_TRIANGLE = """<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>\
<path fill='#6b5cff' d='M3 2l10 6-10 6z'/></svg>"""
# Data, so that a host shows the icon without a request; short, since every result of 2026-07-28 repeats it.
ICON = Icon(
    src=f"data:image/svg+xml;base64,{b64encode(_TRIANGLE.encode()).decode()}", mime_type="image/svg+xml", sizes=["any"]
)
FIVE_MINUTES_MS = 300_000
CACHE_HINTS: Mapping[CacheableMethod, CacheHint] = {
    "server/discover": CacheHint(FIVE_MINUTES_MS),  # private like tools/list: both depend on the scopes of the caller
    "tools/list": CacheHint(FIVE_MINUTES_MS),
    "prompts/list": CacheHint(FIVE_MINUTES_MS, "public"),
    "resources/templates/list": CacheHint(FIVE_MINUTES_MS, "public"),
}
"""The time for which clients may keep results, unless the handler sets another."""


@dataclass(frozen=True, slots=True)
class RunsServer:
    """An MCP server in front of the Runs API, with the state that its transports need."""

    mcp: Server[Services]
    """The SDK's server, which speaks MCP."""
    config: Config
    calls: ToolCalls
    in_flight: CallsInFlight
    lifespan: Lifespan

    @property
    def services(self) -> Services | None:
        """The services while the server runs."""
        return self.lifespan.services

    @property
    def calls_in_flight(self) -> int:
        """Number of tool calls that have not been answered yet."""
        return self.in_flight.count

    @property
    def draining(self) -> bool:
        """True once the server is about to stop."""
        return self.lifespan.waiting.over

    @property
    def busy(self) -> bool:
        """True while a tool call has not been answered, or the API has not answered a create."""
        return bool(self.in_flight.count or (self.services and self.services.background_creates.count))

    async def idle(self) -> None:
        """Wait until every tool call and every create has been answered."""
        await self.in_flight.idle()
        if self.services:
            await self.services.background_creates.idle()

    def drain(self) -> None:
        """Make calls that wait for runs return at once, because the server is about to stop."""
        self.lifespan.waiting.end()


def build_server(
    config: Config,
    observers: Observers = NO_OBSERVERS,
    shared: SharedState | None = None,
    *,
    operations: Sequence[Operation] | None = None,
) -> RunsServer:
    """Return the MCP server for `config`. It connects to the Runs API when it is run.

    `shared` is the state shared with other replicas; `operations` replaces the tools that `config` selects.

    Raises:
        ConfigError: `server.tools` names a tool that does not exist, or `server.redact` has an invalid expression.
    """
    shared = shared or SharedState()
    tools = selected_tools(config) if operations is None else operations
    per_interaction = InteractionToolSettings() if config.server.read_only else config.server.interaction_tools
    of_interactions = InteractionTools(per_interaction)
    lifespan, in_flight = Lifespan(config, observers, shared, of_interactions, tools), CallsInFlight()
    subscriptions = Subscriptions(shared.bus)
    calls = ToolCalls(tools, of_interactions, subscriptions, shared.single_use, in_flight)
    prompts = OfferedPrompts()
    completions = Completions(prompts=prompts, templates=[template.uri_template for template in resources.TEMPLATES])
    apps, skills, tasks = ui.extension(), Skills(prompts), Tasks()
    server = Server(
        NAME,
        title="Runs",
        description="Runs of LLM interactions on Composable Studio / Vertesia.",
        version=__version__,
        website_url=WEBSITE,
        icons=[ICON],
        cache_hints=CACHE_HINTS,
        lifespan=lifespan,
        get_tool_input_schema=calls.input_schema,
        on_list_tools=calls.list,
        on_call_tool=calls.call,
        on_list_resources=partial(resources.list_resources, skills),
        on_list_resource_templates=resources.list_templates,
        on_read_resource=partial(resources.read_resource, [apps, skills]),
        on_subscribe_resource=subscriptions.subscribe,
        on_unsubscribe_resource=subscriptions.unsubscribe,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=prompts.list,
        on_get_prompt=prompts.get,
        on_completion=completions.complete,
    )
    # The constructor warns that logging is deprecated; clients of the handshake era still use it.
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, subscriptions.set_level)
    server.add_notification_handler("notifications/initialized", NotificationParams, subscriptions.hold_session)
    instructions_for = partial(_instructions, config)
    tools_change = of_interactions.offered
    discover = _discovery(server, instructions_for, tools_change=tools_change)
    server.add_request_handler("server/discover", RequestParams, discover)
    _extend(server, [tasks, apps, skills])
    _answer_calls(server, calls.call, tasks)
    server.middleware.extend(_middleware(config, observers, shared, instructions_for, tools_change=tools_change))
    return RunsServer(server, config, calls, in_flight, lifespan)


async def _instructions(config: Config, ctx: Request) -> str:
    """Return the instructions for the tools that the caller and the credential may use."""
    await ctx.lifespan_context.permitted.wait(INSTRUCTIONS_WAIT_S)
    return instructions(config, offered_tools(ctx))


def _middleware(
    config: Config,
    observers: Observers,
    shared: SharedState,
    instructions_for: Callable[[Request], Awaitable[str]],
    *,
    tools_change: bool,
) -> Sequence[ServerMiddleware[Services]]:
    """Return the concerns of every method, outermost first. They run inside the SDK's spans (11 µs if not exported)."""
    return [
        _seal(shared),
        *observers.messages,
        filter_secrets,
        contain_crash,
        RequestLimit(config.server.max_calls, max_wait_s=config.streaming.max_wait_s),
        InitializeResponse(instructions_for, tools_change=tools_change),
    ]


def _discovery(
    server: Server[Services], instructions_for: Callable[[Request], Awaitable[str]], *, tools_change: bool
) -> RequestHandler:
    """Return the handler of `server/discover`.

    The SDK's own handler announces changes of all lists, although at most the list of tools changes, and ignores the
    scopes of the caller.
    """

    async def discover(ctx: Request, _: RequestParams) -> DiscoverResult:
        capabilities = server.get_capabilities(NotificationOptions(tools_changed=tools_change)).model_copy(
            update={"logging": None}
        )
        return DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=capabilities,
            instructions=await instructions_for(ctx),
        )

    return discover


def _extend(server: Server[Services], extensions: Sequence[Extension]) -> None:
    """Add the methods of `extensions` to `server`."""
    for extension in extensions:
        server.extensions[extension.identifier] = extension.settings()
        for binding in extension.methods():
            server.add_request_handler(binding.method, binding.params_type, _of_its_versions(binding))


def _answer_calls(server: Server[Services], call_tool: RequestHandler, tasks: Tasks) -> None:
    # Only tasks intercept calls; an extension that does not would still add 0.9 KiB to each call.
    composed = compose_tool_call_handler([tasks], call_tool)

    async def call(ctx: Request, params: CallToolRequestParams) -> dict[str, Any] | BaseModel | None:
        return to_wire(await composed(ctx, params))

    server.add_request_handler("tools/call", CallToolRequestParams, call)


def _of_its_versions(binding: MethodBinding) -> RequestHandler:
    """Return a handler that exists only in the protocol versions of `binding`."""

    async def handle(ctx: Request, params: Any) -> Any:
        if binding.protocol_versions is not None and ctx.protocol_version not in binding.protocol_versions:
            raise MCPError(METHOD_NOT_FOUND, "Method not found", binding.method)
        return await binding.handler(ctx, params)

    return handle


def _seal(shared: SharedState) -> RequestStateBoundary:
    """Return the middleware that seals the state a client carries between the rounds of a call.

    State is bound to the tool, its arguments and the caller, and expires after a few minutes. Without the seal, a
    client could forge the state and approve its own confirmation.
    """
    given = shared.request_state or RequestStateSecurity.ephemeral()
    security = RequestStateSecurity(
        codec=given.codec, ttl=STATE_TTL_S, bind_principal=principal, audience=given.audience
    )
    return RequestStateBoundary(security, default_audience=NAME)
