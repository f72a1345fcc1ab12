"""The catalogue of the API: its interactions, and its environments with their models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from pydantic import MISSING

from runs_mcp.api.editions import Edition
from runs_mcp.api.errors import ProtocolError
from runs_mcp.api.models import Ref
from runs_mcp.api.payloads import drop_unset, read_count, read_text, read_texts
from runs_mcp.api.requests.requester import Requester

PAGE = 200
"""Interactions of one request."""
MOST_PAGES = 25

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Interaction:
    """An interaction that can be run."""

    id: str
    name: str
    endpoint: str
    """Value of `interaction` in `create_run`."""
    description: str | None = None
    status: str | None = None
    """`draft`, `published` or `archived`."""
    version: int | None = None
    tags: Sequence[str] = ()
    input_schema: Schema | None = None
    """JSON Schema of `data`; None if the API sent none."""
    result_schema: Schema | None = None
    """JSON Schema of the result; None if the result is text."""

    @classmethod
    def read(cls, sent: Mapping[str, Any], input_schema: Any) -> Self | None:
        """Return the interaction that `sent` describes; None if it has neither an id nor a name."""
        interaction_id, name = read_text(sent.get("id")), read_text(sent.get("name"))
        if not interaction_id and not name:
            return None
        return cls(
            id=interaction_id or name or "",
            name=name or interaction_id or "",
            endpoint=read_text(sent.get("endpoint")) or name or interaction_id or "",
            description=read_text(sent.get("description")),
            status=read_text(sent.get("status")),
            version=read_count(sent.get("version")),
            tags=read_texts(sent.get("tags")),
            input_schema=_object(input_schema),
            result_schema=_object(sent.get("result_schema")),
        )


class Environment(NamedTuple):
    """A connection to a provider of models. Its keys, settings and addresses are never read from the answer."""

    id: str
    name: str
    provider: str | None
    description: str | None
    models: Sequence[str]
    """Ids of the enabled models, the default model first."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The version, environment and model that a run of an interaction would use."""

    id: str | None
    name: str | None
    version: int | None
    status: str | None
    environment: Ref | None
    model: str | None
    model_source: str | None
    """Origin of the model, e.g. `config`, `interaction` or `environmentDefault`."""
    tags: Sequence[str] = ()


class Catalog:
    """The operations on interactions and environments. Their errors are those of `RunsClient`.

    They need permissions of their own (`interaction:read`, `account:member`); a credential without them gets
    `PermissionDeniedError` or `NotFoundError`.
    """

    def __init__(self, requester: Requester) -> None:
        """Use `RunsClient.catalog` instead."""
        self._requester = requester

    async def list_interactions(self) -> list[Interaction]:
        """Return the newest version of every interaction, with its schemas.

        `POST /interactions/endpoints` in the edition `vertesia`, `POST /interactions/export` in `composable`.

        Raises:
            RunsApiError: see `RunsClient`.
        """
        if self._edition.interaction_endpoints:
            return await self._list_endpoints()
        exported = _objects(await self._requester.call("POST", "/interactions/export", body={}))
        found = [
            Interaction.read(interaction, merge_input_schemas(interaction.get("prompts"))) for interaction in exported
        ]
        return [interaction for interaction in found if interaction]

    async def resolve_interaction(
        self, interaction: str, *, environment: str | MISSING = MISSING, model: str | MISSING = MISSING
    ) -> Resolution:
        """Return what a run would use, without running it. `GET /interactions/resolve/{interaction}`.

        Args:
            interaction: Id or name, e.g. `Summarize`, `Summarize@3` or `Summarize@draft`.
            environment: Id of the environment. Default: that of the interaction.
            model: Id of the model. Default: that of the environment.

        Raises:
            NotFoundError: there is no such interaction.
            RunsApiError: see `RunsClient`.
        """
        query = drop_unset(environment=environment, model=model)
        answer = await self._requester.call(
            "GET", "/interactions/resolve/{interaction}", segments={"interaction": interaction}, params=query
        )
        if not isinstance(answer, Mapping):
            raise ProtocolError("The Runs API answered something that is not an interaction")
        return _resolution(answer)

    async def list_environments(self) -> list[Environment]:
        """Return the environments of the project. `GET /environments`.

        Raises:
            RunsApiError: see `RunsClient`.
        """
        answer = _objects(await self._requester.call("GET", "/environments"))
        return [_environment(item) for item in answer if read_text(item.get("id"))]

    @property
    def _edition(self) -> Edition:
        return self._requester.edition

    async def _list_endpoints(self) -> list[Interaction]:
        found: dict[str, Interaction] = {}
        offset = 0
        for _ in range(MOST_PAGES):
            body = {"limit": PAGE, "offset": offset, "include_params_schema": True, "include_result_schema": True}
            answer = _objects(await self._requester.call("POST", "/interactions/endpoints", body=body))
            read = [Interaction.read(item, item.get("params_schema")) for item in answer]
            new = {item.id: item for item in read if item and item.id not in found}
            # The API may cap its pages below `PAGE`, so that a short page is not the last.
            if not new:
                break
            found |= new
            offset += len(answer)
        return list(found.values())


def merge_input_schemas(prompts: Any) -> Schema | None:
    """Return one schema for the data that all `prompts` of an interaction take; None if none of them has a schema."""
    templates = [prompt.get("template") for prompt in _objects(prompts or [])]
    schemas = [
        template["inputSchema"]
        for template in templates
        if isinstance(template, Mapping) and _object(template.get("inputSchema"))
    ]
    if len(schemas) <= 1:
        return schemas[0] if schemas else None
    merged: dict[str, Any] = {**schemas[0]}
    for schema in schemas[1:]:
        for name in ("properties", "$defs", "definitions"):
            if _object(schema.get(name)):
                merged[name] = {**schema[name], **(_object(merged.get(name)) or {})}
        if isinstance(required := schema.get("required"), list):
            known = merged.get("required")
            merged["required"] = list(dict.fromkeys([*(known if isinstance(known, list) else ()), *required]))
    return merged


def _resolution(sent: Mapping[str, Any]) -> Resolution:
    resolved = _object(sent.get("resolved")) or {}
    return Resolution(
        id=read_text(sent.get("id")),
        name=read_text(sent.get("name")),
        version=read_count(sent.get("version")),
        status=read_text(sent.get("status")),
        environment=Ref.read(resolved.get("environment") or None),
        model=read_text(resolved.get("model")),
        model_source=read_text(resolved.get("model_source")),
        tags=read_texts(sent.get("tags")),
    )


def _environment(sent: Mapping[str, Any]) -> Environment:
    listed = sent.get("enabled_models")
    models = (
        [model.get("id") if isinstance(model, Mapping) else model for model in listed]
        if isinstance(listed, list)
        else []
    )
    return Environment(
        id=read_text(sent.get("id")) or "",
        name=read_text(sent.get("name")) or read_text(sent.get("id")) or "",
        provider=read_text(sent.get("provider")),
        description=read_text(sent.get("description")),
        models=list(dict.fromkeys(filter(None, read_texts([sent.get("default_model"), *models])))),
    )


def _objects(answer: Any) -> list[Mapping[str, Any]]:
    if not isinstance(answer, list):
        raise ProtocolError("The Runs API answered something that is not a list")
    return [item for item in answer if isinstance(item, Mapping)]


def _object(value: Any) -> Schema | None:
    return value if isinstance(value, Mapping) else None
