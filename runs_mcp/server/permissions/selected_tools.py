"""The tools that the settings select, for every caller."""

from collections.abc import Sequence

from runs_mcp.api import EDITIONS
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.server.permissions.scopes import READ
from runs_mcp.server.tools import MANAGE_OPERATIONS, OPERATIONS
from runs_mcp.server.tools.edition_schema import fit_to_edition
from runs_mcp.server.tools.operation import Operation, describe_filters


def selected_tools(config: Config) -> Sequence[Operation]:
    """Return the operations that `server.read_only`, `server.manage` and `server.tools` select.

    Raises:
        ConfigError: `server.tools` names a tool that does not exist, or the edition lacks the operations of
            `server.manage`.
    """
    wanted = config.server.tools
    operations = [*OPERATIONS, *_manage_operations(config)]
    names = [operation.name for operation in operations]
    if unknown := set(wanted or ()).difference(names):
        raise ConfigError(f"server.tools: no such tool: {', '.join(sorted(unknown))}. Known: {', '.join(names)}.")
    selected = [
        operation
        for operation in operations
        if (wanted is None or operation.name in wanted) and not (config.server.read_only and operation.scope != READ)
    ]
    described = {None, *(operation.name for operation in selected)}
    complete = [each if each.filters_as_in in described else describe_filters(each) for each in selected]
    return [fit_to_edition(operation, config.api.edition) for operation in complete]


def _manage_operations(config: Config) -> Sequence[Operation]:
    """Return the operations that `server.manage` adds.

    Raises:
        ConfigError: the edition lacks them.
    """
    if not config.server.manage:
        return ()
    if not EDITIONS[config.api.edition].changes_runs:
        raise ConfigError(
            f"server.manage: the edition {config.api.edition} has no operations that change or delete runs. Set "
            "api.edition to vertesia, or server.manage to false."
        )
    return MANAGE_OPERATIONS
