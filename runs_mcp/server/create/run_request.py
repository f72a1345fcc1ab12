"""The request for one run, and the request that repeats an earlier run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import MISSING

from runs_mcp.api import InvalidArgumentError, Run
from runs_mcp.server.runs import own_tags

SHOWN = ("shown_interaction", "data_of")
"""Fields of a request that are for people and are not sent."""


class MissingInteractionError(InvalidArgumentError):
    """A create that names neither an interaction nor an earlier run."""

    def __init__(self) -> None:
        super().__init__("`interaction`: name the interaction to run, or pass `like` with the ids of earlier runs")


class NotRepeatableError(Exception):
    """An earlier run that lacks a part of its request; the text says which, and what to pass instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The request for one run. A field that is `MISSING` is not sent."""

    interaction: str | MISSING = MISSING
    data: Mapping[str, Any] | str | MISSING = MISSING
    environment: str | MISSING = MISSING
    """Id or name of the environment, as the caller wrote it."""
    environment_id: str | MISSING = MISSING
    model: str | MISSING = MISSING
    config: Mapping[str, Any] | MISSING = MISSING
    interaction_tag: str | MISSING = MISSING
    result_schema: Mapping[str, Any] | MISSING | None = MISSING
    """None: no schema, not even that of the interaction."""
    tags: Sequence[str] | MISSING = MISSING
    stream: bool = True
    """False: the API answers when the run has ended."""
    shown_interaction: str = ""
    """Name of the interaction for people, where `interaction` is an id."""
    data_of: str = ""
    """Id of the earlier run that the data is taken from. Such data is sent, and never shown: it is not filtered."""

    @property
    def signed(self) -> dict[str, Any]:
        """The parts to which a `request_key` is bound, as the caller wrote them."""
        return self._parts("environment_id", "tags", "stream", *SHOWN)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the call, as the caller wrote them."""
        return self._parts("environment_id", *SHOWN)

    @property
    def sent(self) -> dict[str, Any]:
        """The arguments of `RunsClient.create_run`, without the tags."""
        parts = self._parts("environment", "environment_id", "tags", *SHOWN)
        return {**parts, "environment": self.environment_id}

    @property
    def label(self) -> str:
        """The interaction as people know it."""
        return self.shown_interaction or str(self.interaction)

    def repeat(self, run: Run) -> "RunRequest":
        """Return the request that created `run`, with the fields of this request in place of its own.

        `run` has its whole content, unfiltered.

        Raises:
            NotRepeatableError: the run lacks its interaction or its parameters.
        """
        request = _request_of(run)
        changes = self._parts(*SHOWN)
        if self.interaction is not MISSING:
            changes["shown_interaction"] = ""
        if self.data is not MISSING:
            changes["data_of"] = ""
        repeated = replace(request, **changes)
        if repeated.interaction is MISSING:
            raise NotRepeatableError(
                f"Run {run.id} names no interaction: it was deleted, or may not be read. Pass `interaction`."
            )
        if repeated.data is MISSING:
            raise NotRepeatableError(
                f"Run {run.id} has no parameters: it is too old, or its content may not be read. Pass `data`."
            )
        return repeated

    def _parts(self, *without: str) -> dict[str, Any]:
        """Return the fields that are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in without}
        return {name: value for name, value in values.items() if value is not MISSING}


def _request_of(run: Run) -> RunRequest:
    """Return the request that created `run`, as far as the run contains it."""
    recorded = run.raw.get("config")
    config = dict(recorded) if isinstance(recorded, Mapping) else {}
    environment, model = config.pop("environment", None), config.pop("model", None)
    environment = (run.environment and run.environment.id) or environment or MISSING
    schema, data = run.raw.get("result_schema"), run.parameters
    return RunRequest(
        interaction=(run.interaction and run.interaction.id) or MISSING,
        data=data if isinstance(data, Mapping | str) else MISSING,
        environment=environment,
        environment_id=environment,
        model=run.model_id or model or MISSING,
        config=config or MISSING,
        result_schema=schema if isinstance(schema, Mapping) and schema else MISSING,
        tags=[tag for tag in run.tags if not own_tags.is_own(tag)] or MISSING,
        shown_interaction=run.interaction_label,
        data_of=run.id,
    )
