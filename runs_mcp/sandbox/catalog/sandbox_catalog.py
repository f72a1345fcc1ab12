"""Everything that the callers of a sandbox can change beside its runs."""

from dataclasses import dataclass, field
from typing import Any

from runs_mcp.sandbox.catalog.environment_catalog import EnvironmentCatalog
from runs_mcp.sandbox.catalog.interaction_catalog import InteractionCatalog


@dataclass(frozen=True)
class SandboxCatalog:
    """The interactions and environments of a sandbox, in memory."""

    interactions: InteractionCatalog
    environments: EnvironmentCatalog
    configurations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The saved configurations of `sys:` and `app:` interactions, by the id of the interaction."""
