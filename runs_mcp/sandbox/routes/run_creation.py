"""Runs made of the requests to create them."""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic import MISSING

from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.content.demo_environments import ENVIRONMENTS, Environment, find_environment
from runs_mcp.sandbox.content.demo_interactions import (
    MEMORY_PACKS,
    STORED_SCHEMAS,
    Interaction,
    InteractionCatalog,
    temporary,
)
from runs_mcp.sandbox.schema_check import SchemaChecker
from runs_mcp.sandbox.storage.run_schema import EXECUTION_SETTINGS
from runs_mcp.sandbox.wire.refusal import Refusal, bad_request, not_found
from runs_mcp.sandbox.wire.request_bodies import CreateBody, LooseCreateBody, StrictCreateBody

Document = dict[str, Any]
TEMPORARY_PREFIX = "tmp:"
MEMORY_PREFIX = "memory:"
DEFAULT_ENVIRONMENT = ENVIRONMENTS[0]


class RunFactory:
    """A factory of runs from the requests to create them."""

    def __init__(self, catalog: InteractionCatalog, checker: SchemaChecker) -> None:
        self._catalog = catalog
        self._checker = checker

    async def new_run(self, body: StrictCreateBody | LooseCreateBody, *, version: str | None) -> Document:
        """Return the run that `body` describes; `version` is the version or tag of its interaction, from a header.

        Raises:
            Refusal: the run cannot be created.
        """
        interaction = self.interaction(body, version)
        data = _data(body.data)
        if problems := interaction.problems(data):
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"data does not fit the input of {interaction.name}.",
                details="; ".join(problems),
            )
        schema = await self._result_schema(body)
        environment, model = environment_and_model(body.config.environment, body.config.model)
        run = samples.new_run(
            interaction,
            data,
            environment=environment,
            model=model,
            run_id=secrets.token_hex(12),  # 24 hexadecimal digits, as on the platform
            created=datetime.now(UTC),
        )
        config = {**body.config.model_dump(exclude_unset=True), "environment": environment.id, "model": model}
        return {**run, "tags": body.tags, "config": config, **_extras(body, schema)}

    def interaction(self, body: CreateBody, version: str | None) -> Interaction:
        """Return the interaction that `body` names.

        Raises:
            Refusal: the interaction does not exist.
        """
        selector = body.interaction
        if selector.startswith(TEMPORARY_PREFIX):
            if not body.prompts:
                raise bad_request(f"{selector} needs prompts.")
            return temporary(selector, [prompt.model_dump(exclude_unset=True) for prompt in body.prompts])
        interaction = self._catalog.find(selector)
        if interaction and version:
            interaction = self._catalog.find(f"{interaction.name}@{version}")
        if interaction is None or interaction.status == "archived":
            raise not_found(f"Interaction not found: {selector}{f'@{version}' if version else ''}")
        return interaction

    async def _result_schema(self, body: CreateBody) -> Document | None:
        schema = body.result_schema
        if schema is None:
            return None
        if set(schema) == {"$uri"}:
            if schema["$uri"] not in STORED_SCHEMAS:
                raise not_found(f"Schema not found: {schema['$uri']}")
            return STORED_SCHEMAS[schema["$uri"]]
        if problem := await self._checker.schema_problem(schema):
            raise bad_request(f"result_schema is not a JSON schema: {problem}")
        return schema


def environment_and_model(environment_id: Any, model: Any) -> tuple[Environment, str]:
    """Return the environment and model that a request names, or their defaults.

    Raises:
        Refusal: the environment or model does not exist.
    """
    environment = DEFAULT_ENVIRONMENT if environment_id is MISSING else find_environment(environment_id)
    if environment is None or not environment.usable:
        raise bad_request(f"Environment not found: {environment_id}")
    chosen = environment.models[0] if model is MISSING else str(model)
    if chosen not in environment.models:
        raise bad_request(f"{environment.name} has no model {chosen}: {', '.join(environment.models)}.")
    return environment, chosen


def _data(sent: Any) -> Mapping[str, Any]:
    """Return the input of a run, read from a memory pack if `data` names one."""
    if isinstance(sent, str) and sent.startswith(MEMORY_PREFIX):
        if sent not in MEMORY_PACKS:
            raise not_found(f"Memory pack not found: {sent}")
        return MEMORY_PACKS[sent]
    if isinstance(sent, dict) and isinstance(pack := sent.get("@memory"), str):
        mapped = {name: value for name, value in sent.items() if name != "@memory"}
        return {**_data(pack if pack.startswith(MEMORY_PREFIX) else f"{MEMORY_PREFIX}{pack}"), **mapped}
    if sent is None:
        return {}
    if not isinstance(sent, dict):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "data must be an object, or a text that begins with memory:.")
    return sent


def _extras(body: StrictCreateBody | LooseCreateBody, schema: Document | None) -> Document:
    """Return the fields of a run that only some requests set."""
    # Clients send the option in either place; one of them is enough to skip the check of the result.
    skipped = False in (body.do_validate, body.config.do_validate)
    settings: Document = {} if skipped or schema is None else {"schema": schema}
    if body.prompts:
        settings["prompts"] = [prompt.model_dump(exclude_unset=True) for prompt in body.prompts]
    if body.tool_definitions:
        settings["tools"] = [tool.name for tool in body.tool_definitions]
    return {
        **({EXECUTION_SETTINGS: settings} if settings else {}),
        **({"result_schema": schema} if schema is not None else {}),
        **({"workflow": body.workflow.model_dump(exclude_unset=True)} if body.workflow is not MISSING else {}),
    }


def conversation(body: CreateBody, run: Mapping[str, Any]) -> Document:
    """Return the conversation that a create continues, with this run as its latest turn; empty if it continues none."""
    if not body.conversation:
        return {}
    earlier = body.conversation.get("turns", []) if isinstance(body.conversation, dict) else []
    turn = {"run": run["id"], "input": run["parameters"], "result": run.get("result")}
    return {"conversation": {"turns": [*(earlier if isinstance(earlier, list) else []), turn]}}
