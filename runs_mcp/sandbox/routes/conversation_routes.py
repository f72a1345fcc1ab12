"""The operations that continue or copy a run: one method each. They are not in the public contract."""

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.access import ACCOUNT, PROJECT
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.execution import Database, Executions, now
from runs_mcp.sandbox.routes.run_creation import RunFactory
from runs_mcp.sandbox.wire import conversation_bodies as bodies
from runs_mcp.sandbox.wire.contract import read_body
from runs_mcp.sandbox.wire.refusal import not_found

Document = dict[str, Any]
OF_THE_EXECUTION = ("result", "error", "token_use", "finish_reason", "execution_time")
"""Fields that a copy of a run does not have, because it was not executed."""


@dataclass(frozen=True)
class ConversationRoutes:
    """The handlers of `/runs/clone`, `/runs/tool-results`, `/runs/user-message` and what is below `/execute`."""

    database: Database
    executions: Executions
    factory: RunFactory
    catalog: SandboxCatalog

    async def clone_run(self, request: Request) -> Response:
        """Handle `POST /runs/clone`: a run with the same request that was not executed."""
        body = await read_body(request, bodies.CloneBody)
        source = await self._run(body.source_run_id)
        kept = {name: value for name, value in source.items() if name not in OF_THE_EXECUTION}
        created = now()
        copy = {
            **kept,
            "id": secrets.token_hex(12),
            "status": "created",
            "created_at": created,
            "updated_at": created,
            "workflow": body.workflow.model_dump(exclude_unset=True),
        }
        await self.database.run(self.database.store.add, [copy])
        return JSONResponse({"id": copy["id"], "account": ACCOUNT["id"], "project": PROJECT["id"]})

    async def send_tool_results(self, request: Request) -> Response:
        """Handle `POST /runs/tool-results`: the answer names the results."""
        body = await read_body(request, bodies.ToolResultsBody)
        return await self._continued(body, [result.content for result in body.results])

    async def send_user_message(self, request: Request) -> Response:
        """Handle `POST /runs/user-message`: the answer repeats the message, after the results of tools."""
        body = await read_body(request, bodies.UserMessageBody)
        return await self._continued(body, [*(result.content for result in body.results), body.message])

    async def execute_async(self, request: Request) -> Response:
        """Handle `POST /execute/async`: the run has the id of the workflow, which a search finds it by."""
        body = await read_body(request, bodies.AsyncBody)
        run = await self.factory.new_run(body, version=None)
        workflow = {"run_id": secrets.token_hex(16), "workflow_id": f"execute-{run['id']}"}
        self.executions.start({**run, "workflow": workflow}, new=True)
        return JSONResponse({"runId": workflow["run_id"], "workflowId": workflow["workflow_id"]})

    async def request_slot(self, request: Request) -> Response:
        """Handle `POST /execute/rate-limit/request`: the sandbox lets every execution start at once."""
        body = await read_body(request, bodies.SlotBody)
        if self.catalog.interactions.find(body.interaction) is None:
            raise not_found(f"Interaction not found: {body.interaction}")
        return JSONResponse({"delay_ms": 0})

    async def _continued(self, body: bodies.ContinueBody, said: list[str]) -> Response:
        run = await self._run(body.run.id)
        answer = "\n".join(said)
        earlier = body.conversation.get("turns", []) if isinstance(body.conversation, dict) else []
        turn = {"run": run["id"], "input": said, "result": answer}
        tokens = max(1, len(answer) // 4)
        return JSONResponse(
            {
                "result": [{"type": "text", "value": answer}],
                "prompt": said,
                "token_usage": {"prompt": tokens, "result": tokens, "total": 2 * tokens},
                "finish_reason": "stop",
                "conversation": {"turns": [*earlier, turn]},
            }
        )

    async def _run(self, run_id: str) -> Document:
        run: Document | None = await self.database.run(self.database.store.get, run_id)
        if run is None:
            raise not_found(f"Run not found: {run_id}")
        return run
