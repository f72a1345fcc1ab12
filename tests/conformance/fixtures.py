"""Server with the tools, resources and prompts that the conformance suite calls by name, made of parts of the product.

The tools use the product's own argument checks, questions, progress and tasks. A failure of the suite is therefore a
fault of the product. Features that the product lacks have no fixture: sampling, roots, list changes, resumed streams.
"""

import base64
import sys
from functools import partial
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import require_client_extension
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ContentBlock,
    EmbeddedResource,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    ListPromptsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
)
from pydantic import MISSING, Field

from runs_mcp.api import FilterOption, InvalidArgumentError
from runs_mcp.cli.sandbox_api import run_with_sandbox
from runs_mcp.config.settings import Config
from runs_mcp.http import listener
from runs_mcp.observability import logs
from runs_mcp.server.context import Call, Request
from runs_mcp.server.middleware.observers import Observers
from runs_mcp.server.progress import Progress
from runs_mcp.server.runs.name_resolver import UnclearNameError
from runs_mcp.server.runs.shared_state import SharedState
from runs_mcp.server.server import RunsServer
from runs_mcp.server.server import build_server as build_product
from runs_mcp.server.tasks import EXTENSION
from runs_mcp.server.tools import OPERATIONS, execute
from runs_mcp.server.tools.operation import operation, operations_in

fixture = operation("the suite", title="A fixture", output={"type": "object"})
Told = Annotated[str | MISSING, Field(description="What a person was asked for")]

LONGEST_S = 1
"""The suite asks for a run of a minute, cancels it, and waits for its end; but no run can be cancelled."""
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
IMAGE = ImageContent(data=base64.b64encode(PIXEL).decode(), mime_type="image/png")
AUDIO = AudioContent(data=base64.b64encode(b"RIFF\x04\0\0\0WAVE").decode(), mime_type="audio/wav")
EMBEDDED = EmbeddedResource(
    resource=TextResourceContents(uri="test://embedded-resource", mime_type="text/plain", text="embedded")
)


def answer(*content: ContentBlock | str) -> CallToolResult:
    """Return an answer with `content`; a string becomes a block of text."""
    blocks = [TextContent(text=one) if isinstance(one, str) else one for one in content]
    return CallToolResult(content=blocks, structured_content={})


def told(key: str, value: str | MISSING) -> str:
    """Return the value that a person has given; without one, raise the error that the server turns into a question."""
    if value is not MISSING:
        return value
    field: Any = key
    options = [FilterOption(id=one, name=one, count=1) for one in ("Alice", "blue", "testuser")]
    raise UnclearNameError(f"`{key}`: no person chose a value.", field, "", options)


async def run(call: Call, interaction: str, data: dict[str, Any]) -> CallToolResult:
    """Return the answer of the product's own `create_run`: a task for clients that support tasks."""
    return await execute.create_run.function(call, interaction=interaction, data=data)


@fixture
async def test_simple_text(call: Call) -> CallToolResult:
    """Answer with text."""
    return answer("This is a simple text response for testing.")


@fixture
async def test_image_content(call: Call) -> CallToolResult:
    """Answer with an image."""
    return answer(IMAGE)


@fixture
async def test_audio_content(call: Call) -> CallToolResult:
    """Answer with a sound."""
    return answer(AUDIO)


@fixture
async def test_embedded_resource(call: Call) -> CallToolResult:
    """Answer with a resource."""
    return answer(EMBEDDED)


@fixture
async def test_multiple_content_types(call: Call) -> CallToolResult:
    """Answer with three kinds of content."""
    return answer("three kinds:", IMAGE, EMBEDDED)


@fixture
async def test_error_handling(call: Call) -> CallToolResult:
    """Fail."""
    raise InvalidArgumentError("This tool intentionally returns an error for testing")


@fixture
async def test_tool_with_progress(call: Call) -> CallToolResult:
    """Report progress three times."""
    for step in ("begun", "half done", "done"):
        await Progress.of(call).say(step)
    return answer("done")


@fixture
async def test_x_mcp_header(
    call: Call, *, region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]
) -> CallToolResult:
    """Take an argument that the client repeats in a header."""
    return answer(region)


@fixture
async def test_elicitation(call: Call, *, message: str, username: Told = MISSING) -> CallToolResult:
    """Ask during the call."""
    return answer(f"{message}: {told('username', username)}")


@fixture
async def test_streaming_elicitation(call: Call, *, name: Told = MISSING) -> CallToolResult:
    """Ask in the answer to the call."""
    return answer(f"Hello, {told('name', name)}!")


@fixture
async def test_input_required_result_elicitation(call: Call, *, user_name: Told = MISSING) -> CallToolResult:
    """Ask in the answer to the call, under another name of the suite."""
    return answer(f"Hello, {told('user_name', user_name)}!")


@fixture
async def test_input_required_result_request_state(call: Call, *, ok: Told = MISSING) -> CallToolResult:
    """Ask, and keep the state of the call with the client."""
    return answer(f"state-ok, {told('ok', ok)}")


@fixture
async def test_input_required_result_tampered_state(call: Call, *, ok: Told = MISSING) -> CallToolResult:
    """Ask, and require the state to come back unchanged."""
    return answer(told("ok", ok))


@fixture
async def test_input_required_result_multi_round(
    call: Call, *, name: Told = MISSING, color: Told = MISSING
) -> CallToolResult:
    """Ask twice."""
    return answer(f"{told('name', name)} likes {told('color', color)}.")


@fixture
async def test_tool_with_logging(call: Call) -> CallToolResult:
    """Log three messages."""
    for step in ("begun", "half done", "done"):
        await Progress.of(call).log("info", step)
    return answer("done")


@fixture
async def test_logging_tool(call: Call) -> CallToolResult:
    """Log a message without a request of the client for logs."""
    await Progress.of(call).log("emergency", "unasked")
    return answer("done")


@fixture
async def greet(call: Call, *, name: str) -> CallToolResult:
    """Answer without a task."""
    return answer(f"Hello, {name}!")


@fixture
async def slow_compute(call: Call, *, seconds: int, label: str) -> CallToolResult:
    """Run for some seconds, as a task for clients that support tasks."""
    data = {"chunks": min(seconds, LONGEST_S) * 10 + 1, "delay_ms": 100}
    return await run(call, "SlowWriter", data)


@fixture
async def failing_job(call: Call) -> CallToolResult:
    """Fail as a task; refuse clients without tasks."""
    require_client_extension(call.request_context, EXTENSION)
    return await run(call, "AlwaysFails", {})


@fixture
async def confirm_delete(call: Call, *, filename: str, confirm: Told = MISSING) -> CallToolResult:
    """Ask, and answer without a task."""
    return answer(f"{filename}: {told('confirm', confirm)}")


@fixture
async def test_tool_with_task(call: Call, *, name: Told = MISSING) -> CallToolResult:
    """Ask, then become a task."""
    return await run(call, "SummarizeText", {"text": f"{told('name', name)} was asked."})


RESOURCES = {
    "test://static-text": TextResourceContents(
        uri="test://static-text", mime_type="text/plain", text="This is the content."
    ),
    "test://static-binary": BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=base64.b64encode(PIXEL).decode()
    ),
    "test://template/123/data": TextResourceContents(
        uri="test://template/123/data", mime_type="text/plain", text="Data for 123"
    ),
}
PROMPTS: dict[str, tuple[list[str], Any]] = {
    "test_simple_prompt": ([], lambda: TextContent(text="This is a simple prompt for testing.")),
    "test_prompt_with_arguments": (
        ["arg1", "arg2"],
        lambda arg1, arg2: TextContent(text=f"{arg1=}, {arg2=}"),
    ),
    "test_prompt_with_embedded_resource": (["resourceUri"], lambda resourceUri: EMBEDDED),  # noqa: N803
    "test_prompt_with_image": ([], lambda: IMAGE),
}


def build_server(config: Config, observers: Observers, shared: SharedState) -> RunsServer:
    """Return the product's server with the fixtures beside its own tools, resources and prompts."""
    server = build_product(config, observers, shared, operations=[*OPERATIONS, *operations_in(sys.modules[__name__])])
    mcp = server.mcp

    async def read(ctx: Request, params: ReadResourceRequestParams) -> Any:
        if contents := RESOURCES.get(params.uri):
            return ReadResourceResult(contents=[contents])
        return await own["resources/read"](ctx, params)

    async def list_prompts(ctx: Request, params: PaginatedRequestParams) -> ListPromptsResult:
        listed = await own["prompts/list"](ctx, params)
        fixtures = [
            Prompt(
                name=name,
                description="A fixture",
                arguments=[PromptArgument(name=one, description="An argument", required=True) for one in arguments],
            )
            for name, (arguments, _) in PROMPTS.items()
        ]
        return ListPromptsResult(prompts=[*listed.prompts, *fixtures])

    async def get_prompt(ctx: Request, params: GetPromptRequestParams) -> Any:
        if params.name not in PROMPTS:
            return await own["prompts/get"](ctx, params)
        content = PROMPTS[params.name][1](**params.arguments or {})
        return GetPromptResult(messages=[PromptMessage(role="user", content=content)])

    async def complete(ctx: Request, params: CompleteRequestParams) -> Any:
        if getattr(params.ref, "name", None) in PROMPTS:
            return CompleteResult(completion=Completion(values=[]))
        return await own["completion/complete"](ctx, params)

    own: dict[str, Any] = {}
    overrides: list[tuple[str, Any, Any]] = [
        ("resources/read", ReadResourceRequestParams, read),
        ("prompts/list", PaginatedRequestParams, list_prompts),
        ("prompts/get", GetPromptRequestParams, get_prompt),
        ("completion/complete", CompleteRequestParams, complete),
    ]
    for method, params_type, handler in overrides:
        entry = mcp.get_request_handler(method)
        assert entry
        own[method] = entry.handler
        mcp.add_request_handler(method, params_type, handler)
    return server


async def serve(config: Config) -> None:
    """Serve over HTTP, on a port that the log names."""
    await listener.serve(config, host="127.0.0.1", port=0, build=build_server)


if __name__ == "__main__":
    logs.configure("info")
    anyio.run(partial(run_with_sandbox, serve, Config()))
