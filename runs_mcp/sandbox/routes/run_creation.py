"""Runs made of the requests to create them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from pydantic import MISSING

from runs_mcp.sandbox.catalog.interaction import Interaction, temporary
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.content import samples
from runs_mcp.sandbox.content.demo_interactions import MEMORY_PACKS, STORED_SCHEMAS
from runs_mcp.sandbox.routes.runtime_choice import choose_profile, choose_runtime
from runs_mcp.sandbox.schema_check import SchemaChecker, mismatches
from runs_mcp.sandbox.storage.run_schema import EXECUTION_SETTINGS
from runs_mcp.sandbox.wire.refusal import Refusal, bad_request, not_found
from runs_mcp.sandbox.wire.request_bodies import CreateBody, LooseCreateBody, StrictCreateBody

Document = dict[str, Any]
TEMPORARY_PREFIX = "tmp:"
MEMORY_PREFIX = "memory:"


@dataclass(frozen=True, slots=True)
class ResultSchema:
    """The schema that the result of a run must fit."""

    schema: Document | None
    trusted: bool = False
    """True if the schema belongs to the sandbox, so that checks need no process of their own."""


class RunFactory:
    """A factory of runs from the requests to create them."""

    def __init__(self, catalog: SandboxCatalog, checker: SchemaChecker) -> None:
        self._catalog = catalog
        self._checker = checker

    async def new_run(self, body: StrictCreateBody | LooseCreateBody, *, version: str | None) -> Document:
        """Return the run that `body` describes; `version` is the version or tag of its interaction, from a header.

        Raises:
            Refusal: the run cannot be created.
        """
        interaction = self.interaction(body, version)
        await self._check_prompts(body)
        data = _data(body.data)
        if problems := await self._input_problems(interaction, data):
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"data does not fit the input of {interaction.name}.",
                details="; ".join(problems),
            )
        schema = await self._result_schema(body, interaction)
        environment, model = body.config.environment, body.config.model
        named = body.config.inference_profile if isinstance(body, StrictCreateBody) else MISSING
        overridden = environment is not MISSING or model is not MISSING
        profile, source = choose_profile(self._catalog, interaction, named, overridden=overridden)
        runtime = choose_runtime(self._catalog, interaction, environment, model, profile)
        run = samples.new_run(
            interaction,
            data,
            environment=runtime.environment,
            model=runtime.model,
            run_id=secrets.token_hex(12),  # 24 hexadecimal digits, as on the platform
            created=datetime.now(UTC),
        )
        sent = body.config.model_dump(exclude_unset=True)
        config = {**sent, "environment": runtime.environment.id, "model": runtime.model}
        used = {"inference_profile": profile.snapshot(source)} if profile else {}
        return {**run, "tags": body.tags, "config": config, **used, **_extras(body, schema)}

    def interaction(self, body: CreateBody, version: str | None) -> Interaction:
        """Return the interaction that `body` names.

        Raises:
            Refusal: the interaction does not exist.
        """
        selector = body.interaction
        if selector.startswith(TEMPORARY_PREFIX):
            if not body.prompts:
                raise bad_request(f"{selector} needs prompts.")
            return temporary(selector, _in_code_prompts(body))
        interaction = self._catalog.interactions.find(selector)
        if interaction and version:
            interaction = self._catalog.interactions.find(f"{interaction.name}@{version}")
        if interaction is None or interaction.status == "archived":
            raise not_found(f"Interaction not found: {selector}{f'@{version}' if version else ''}")
        return interaction

    async def _check_prompts(self, body: CreateBody) -> None:
        for prompt in body.prompts:
            schema = None if prompt.json_schema is MISSING else prompt.json_schema
            if schema is not None and (problem := await self._checker.schema_problem(schema)):
                raise bad_request(f"The schema of a prompt is not a JSON schema: {problem}")

    async def _input_problems(self, interaction: Interaction, data: Mapping[str, Any]) -> list[str]:
        """Return a description of each place where `data` does not fit the input of an interaction."""
        if interaction.trusted:
            problems = mismatches(interaction.input_schema, data)
        else:
            problem = await self._checker.mismatch(interaction.input_schema, data)
            problems = [problem] if problem else []
        return [f"data{problem[1:]}" if problem.startswith("$") else problem for problem in problems]

    async def _result_schema(self, body: CreateBody, interaction: Interaction) -> ResultSchema:
        """Return the schema of the request, else that of the interaction; a null in the request means no schema."""
        sent = body.result_schema
        if sent is None:
            return ResultSchema(None)
        if sent is not MISSING:
            return ResultSchema(await self._sent_schema(sent))
        own = interaction.result_schema
        if own is None or not _is_reference(own):
            return ResultSchema(own, trusted=interaction.trusted)
        if own["$uri"] not in STORED_SCHEMAS:
            raise bad_request(f"The result schema of {interaction.name} is not stored: {own['$uri']}")
        return ResultSchema(STORED_SCHEMAS[own["$uri"]], trusted=True)

    async def _sent_schema(self, schema: Document) -> Document:
        if _is_reference(schema):
            if schema["$uri"] not in STORED_SCHEMAS:
                raise not_found(f"Schema not found: {schema['$uri']}")
            return STORED_SCHEMAS[schema["$uri"]]
        if problem := await self._checker.schema_problem(schema):
            raise bad_request(f"result_schema is not a JSON schema: {problem}")
        return schema


def _is_reference(schema: Document) -> bool:
    return set(schema) == {"$uri"}


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


def _in_code_prompts(body: CreateBody) -> list[Document]:
    return [prompt.model_dump(exclude_unset=True, by_alias=True) for prompt in body.prompts]


def _extras(body: StrictCreateBody | LooseCreateBody, result: ResultSchema) -> Document:
    """Return the fields of a run that only some requests set."""
    # Clients send the option in either place; one of them is enough to skip the check of the result.
    skipped = False in (body.do_validate, body.config.do_validate)
    schema = result.schema
    settings: Document = {} if skipped or schema is None else {"schema": schema, "trusted": result.trusted}
    if body.prompts:
        settings["prompts"] = _in_code_prompts(body)
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
