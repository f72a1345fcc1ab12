"""The bodies of the operations that continue or copy a run, which only clients of the strict contract call."""

from typing import Annotated, Any, Literal

from pydantic import MISSING, Field

from runs_mcp.sandbox.wire.request_bodies import Body, StrictCreateBody, Workflow


class RunReference(Body):
    """A run as a document."""

    id: str
    account: str
    project: str


class ToolResult(Body):
    """The result of a tool that the model called."""

    tool_use_id: str
    content: str
    is_error: bool
    content_ref: Any = MISSING
    files: list[str] | MISSING = MISSING
    display_message: str | MISSING = MISSING
    meta: Any = MISSING
    thought_signature: str | MISSING = MISSING


class ContinueBody(Body):
    """The state of a conversation that continues."""

    run: RunReference
    environment: str
    options: dict[str, Any]
    conversation: Any = MISSING
    tools: list[dict[str, Any]]
    strip_options: Any = MISSING
    asyncCompletion: Any = MISSING  # noqa: N815


class ToolResultsBody(ContinueBody):
    """The body of tool results."""

    results: list[ToolResult]


class UserMessageBody(ContinueBody):
    """The body of a message of the user."""

    message: str
    results: Annotated[list[ToolResult], Field(default_factory=list)]


class CloneBody(Body):
    """The body of clone."""

    source_run_id: str
    workflow: Workflow


class AsyncBody(StrictCreateBody):
    """The body of an execution in a workflow; of its two types the sandbox has that of an interaction."""

    type: Literal["interaction"]
    notify_endpoints: list[str] | MISSING = MISSING
    task_queue: str | MISSING = MISSING
    model_provider: str | MISSING = MISSING
    debug_mode: bool | MISSING = MISSING


class SlotBody(Body):
    """The body of a request for a time slot."""

    interaction: str
    environment_id: str | MISSING = MISSING
    model_id: str | MISSING = MISSING
    workflow_run_id: str | MISSING = MISSING
    rate_limit_id: str | MISSING = MISSING
    modalities: Any = MISSING
