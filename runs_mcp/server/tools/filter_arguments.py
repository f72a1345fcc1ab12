"""Arguments that filter runs, each declared once for all tools that take it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from pydantic import MISSING, AfterValidator, BeforeValidator, Field, WithJsonSchema

from runs_mcp.server import params
from runs_mcp.server.params import Environment, Interaction, Model, Name, RunStatus, Status, Tags


def _lower_list(value: Any) -> Any:
    values = params.listed(value)
    return [params.lower(item) for item in values] if isinstance(values, list) else values


def _parent_or_false(value: Any) -> Any:
    if value is False or value == "false":
        return False
    if not isinstance(value, str) or value == "true":
        raise ValueError("takes the id of a parent, or false for runs without one")
    return value


def _parents(value: Any) -> Any:
    if value is False or value in ("false", [False], ["false"]):
        raise ValueError("takes ids of parents; runs without a parent: list_runs(parent=false)")
    return params.listed(value)


def _true_or_unset(value: bool) -> bool | MISSING:  # noqa: FBT001 - pydantic calls it
    """Return `MISSING` for False: models in strict mode write it for a filter that they do not want to set."""
    return value or MISSING


Statuses = Annotated[list[RunStatus], BeforeValidator(_lower_list), Field(description="Any of")]
Models = Annotated[
    list[Name], BeforeValidator(params.listed), Field(max_length=50, description="Model id, e.g. gpt-4o")
]
AnyTags = Annotated[list[Name], BeforeValidator(params.listed), Field(max_length=50, description="Tag of the runs")]
Tag = Annotated[Name, Field(description="Only runs with this tag")]
Parent = Annotated[
    Literal[False] | Name,
    BeforeValidator(_parent_or_false),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": 500,
            "description": "Id of the parent run, or false for runs without one",
        }
    ),
]
Text = Annotated[Name, params.FREE_TEXT, Field(description="Words to find in prompt, parameters and result")]
RunName = Annotated[Name, Field(description="Name of the run or its interaction")]
AllTags = Annotated[Tags, params.short_list("Only runs with all these tags")]
Parents = Annotated[list[Name], BeforeValidator(_parents), Field(description="Ids of parent runs")]
LinkedObject = Annotated[Name, Field(description="Id of a linked object")]
ExcludedTags = Annotated[Tags, params.short_list("Tags to leave out")]
FinishReason = Annotated[Name, WithJsonSchema({"type": "string", "description": "E.g. length"})]
Creator = Annotated[Name, WithJsonSchema({"type": "string", "description": "User id"})]
IsRoot = Annotated[bool, AfterValidator(_true_or_unset), Field(description="No parent")]
SomeRuns = Annotated[Tags, params.short_list("Run ids")]
WorkflowRuns = Annotated[Tags, params.short_list("Workflow run ids")]


class _ExactArguments(TypedDict, total=False):
    """Filters that lists and filter values share."""

    interaction: Interaction
    environment: Environment
    parent: Parent


class ListArguments(_ExactArguments, total=False):
    """Filters of `list_runs`. Several values are only for an edition with `current_filters`."""

    status: Statuses
    model: Models
    tag: AnyTags


class OptionArguments(_ExactArguments, total=False):
    """Filters of `get_run_filter_options`."""

    status: Status
    model: Model
    tag: Tag


class SearchArguments(TypedDict, total=False):
    """Filters of every search, count and aggregation, besides `start` and `end`.

    Those from `exclude_tags` on are only for an edition with `current_filters`.
    """

    query: Text
    name: RunName
    status: Status
    interaction: Interaction
    environment: Environment
    model: Model
    tags: AllTags
    parent: Parents
    object: LinkedObject
    exclude_tags: ExcludedTags
    finish_reason: FinishReason
    created_by: Creator
    is_root: IsRoot
    run_ids: SomeRuns
    workflow_run_ids: WorkflowRuns


def unwrapped(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return `arguments` with each list of one value replaced by the value, which hints and older editions need."""
    return {
        name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in arguments.items()
    }
