"""The operations that ask a model to write interactions, test data or better prompts. The sandbox answers by rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.catalog.interaction import PLACEHOLDER
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.catalog.schema_examples import example_of
from runs_mcp.sandbox.routes.catalog_routes import requested_interaction
from runs_mcp.sandbox.routes.interaction_edits import endpoint_name
from runs_mcp.sandbox.routes.runtime_choice import choose_runtime
from runs_mcp.sandbox.wire import interaction_bodies as bodies
from runs_mcp.sandbox.wire.contract import contract_of, read_body

Document = dict[str, Any]
NAME_WORDS = 4


@dataclass(frozen=True)
class PromptSuggestions:
    """The handlers that ask a model about interactions."""

    catalog: SandboxCatalog

    async def generate_interaction(self, request: Request) -> Response:
        """Handle `POST /interactions/{interaction_id}/generate-interaction`: a definition that can be created."""
        requested_interaction(request, self.catalog)
        body = await read_body(request, bodies.GenerateBody)
        self._check_runtime(body)
        return JSONResponse([_definition(body.description)])

    async def generate_test_data(self, request: Request) -> Response:
        """Handle `POST /interactions/{interaction_id}/generate-test-data`: records that fit the input schema."""
        interaction = requested_interaction(request, self.catalog)
        body = await read_body(request, bodies.RecordsBody)
        self._check_runtime(body)
        return JSONResponse([example_of(interaction.input_schema, number) for number in range(1, body.count + 1)])

    async def suggest_improvements(self, request: Request) -> Response:
        """Handle `POST /interactions/{interaction_id}/suggest-prompt-improvements`."""
        interaction = requested_interaction(request, self.catalog)
        self._check_runtime(await read_body(request, bodies.ModelBody))
        prompts = {template["name"]: template.get("content", "") for template in interaction.templates}
        return _improvements(request, interaction.name, prompts, interaction.result_schema)

    async def improve_prompts(self, request: Request) -> Response:
        """Handle `POST /interactions/improve`: improvements of prompts that need not be stored."""
        body = await read_body(request, bodies.ImproveBody)
        self._check_runtime(body)
        prompts = {prompt.name: prompt.content for prompt in body.prompt}
        schema = None if body.result_schema is MISSING else body.result_schema
        return _improvements(request, body.interaction_name, prompts, schema)

    def _check_runtime(self, body: bodies.ModelBody) -> None:
        choose_runtime(self.catalog, None, body.config.environment, body.config.model)


def _definition(description: str) -> Document:
    """Return an interaction that follows `description` with a text as its input."""
    name = endpoint_name(" ".join(description.split()[:NAME_WORDS])) or "Generated"
    text = {"type": "string", "description": "The text to work on."}
    template = {
        "role": "user",
        "name": f"{name}Prompt",
        "content": f"{description}\n\n${{text}}",
        "content_type": "jst",
        "inputSchema": {"type": "object", "properties": {"text": text}, "required": ["text"]},
    }
    answer = {"type": "string", "description": "The answer."}
    return {
        "name": name,
        "description": description,
        "temperature": 0,
        "prompts": [{"type": "template", "template": template}],
        "result_schema": {"type": "object", "properties": {"answer": answer}, "required": ["answer"]},
        "tags": ["generated"],
    }


def _improvements(
    request: Request, name: str, prompts: Mapping[str, str], result_schema: Document | None
) -> JSONResponse:
    """Return the improvements as text: in parts or, under the reference document's contract, as a whole."""
    lines = [line for prompt, content in prompts.items() for line in _advice(prompt, content)]
    if result_schema is None:
        lines.append("- Add a result schema, so that programs can read the answer.")
    text = "\n".join([f"Improvements of {name}:", *(lines or ["- No improvement found."])])
    return JSONResponse({"result": [{"type": "text", "value": text}] if contract_of(request).parts else text})


def _advice(prompt: str, content: str) -> Sequence[str]:
    found = []
    if not PLACEHOLDER.search(content):
        found.append(f"- {prompt}: name the place of the input, for example ${{text}}.")
    if "example" not in content.lower():
        found.append(f"- {prompt}: add an example of a good answer.")
    return found
