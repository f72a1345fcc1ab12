"""The editions of the Runs API: one table of what differs between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Edition:
    """One contract of the API."""

    name: str
    base_url: str
    api_version: str | None
    """Value of the `x-api-version` header; None: not sent."""
    key_exchange: Literal["get_with_query", "post_with_bearer"]
    """The request that exchanges an API key for a JWT."""
    project_header: bool
    """True if the caller chooses the project, by `x-project-id`; else the credential does."""
    roots_filter: tuple[str, str]
    """The query parameter that asks for runs without a parent."""
    model_options: bool
    """True if generation settings such as the temperature go into `config.model_options`."""
    current_filters: bool
    """True if lists take several values of a filter, and searches take `exclude_tags`, `is_root`, `run_ids` …"""
    search_options: bool
    """True if `search` takes `select` and `sort`."""
    interaction_endpoints: bool
    """True if `/interactions/endpoints` lists the interactions with their schemas; else `/interactions/export` does."""
    null_schema: bool
    """True if the `result_schema` of a create may be null, which is no schema."""
    changes_runs: bool
    """True if runs can be updated and deleted."""
    inference_profiles: bool
    """True if runs hold the inference profile that they were created with."""
    facets: Mapping[str, tuple[str, str]]
    """Our name of a facet → the API's name and field."""


COMPOSABLE = Edition(
    name="composable",
    base_url="https://studio-server-production.api.becomposable.com/api/v1",
    api_version=None,
    key_exchange="get_with_query",
    project_header=True,
    roots_filter=("parent", "false"),
    model_options=False,
    current_filters=False,
    search_options=False,
    interaction_endpoints=False,
    null_schema=False,
    changes_runs=False,
    inference_profiles=False,
    facets=MappingProxyType(
        {
            "environments": ("environments", "environment"),
            "interactions": ("interactions", "interaction"),
            "models": ("models", "modelId"),
            "tags": ("tags", "tags"),
            "status": ("status", "status"),
        }
    ),
)
VERTESIA = Edition(
    name="vertesia",
    base_url="https://api.vertesia.io/api/v1",
    api_version="20260803",
    key_exchange="post_with_bearer",
    project_header=False,
    roots_filter=("is_root", "true"),
    model_options=True,
    current_filters=True,
    search_options=True,
    interaction_endpoints=True,
    null_schema=True,
    changes_runs=True,
    inference_profiles=True,
    facets=MappingProxyType(
        {
            "environments": ("environments", "environment"),
            "interactions": ("interactions", "interaction"),
            "models": ("models", "modelId"),
            "status": ("statuses", "status"),
            "finish_reason": ("finish_reason", "finish_reason"),
        }
    ),
)
EDITIONS: Mapping[str, Edition] = MappingProxyType({edition.name: edition for edition in (COMPOSABLE, VERTESIA)})
