"""The tools that the credential permits, by the permissions that its token lists."""

import logging
from collections.abc import Collection, Mapping, Sequence, Set

import anyio

from runs_mcp.api import RunsApiError, RunsClient
from runs_mcp.config.api_settings import AuthSettings

log = logging.getLogger(__name__)

LIST_WAITS_S = 2.0
"""Seconds from the start of the server for which a list of tools waits for the exchange of an API key."""
INSTRUCTIONS_WAIT_S = 0.5
"""The same for instructions, which delay `initialize`: clients keep a list for the session, instructions are advice."""
EXECUTE, READ, WRITE, READ_INTERACTIONS = "interaction:execute", "run:read", "run:write", "interaction:read"
SUFFICIENT: Mapping[str, Sequence[Set[str]]] = {
    "create_run": [{EXECUTE}],
    "stream_run": [{READ}, {EXECUTE}],  # without `READ`, only runs that this server has started
    "list_interactions": [{READ_INTERACTIONS}, {READ}],
    "update_run": [{READ, WRITE}],
    "delete_runs": [{WRITE}],
}
"""The sets of permissions with each of which a tool works; tools that are not listed need `READ`."""


def permits(permissions: Collection[str] | None, tool: str) -> bool:
    """Return True unless the permissions are known and `tool` cannot work with them."""
    return not permissions or any(needed <= {*permissions} for needed in SUFFICIENT.get(tool, [{READ}]))


class PermittedTools:
    """The permissions of the credential, read once from its token."""

    def __init__(self, runs: RunsClient, auth: AuthSettings) -> None:
        self._runs = runs
        # A command may ask a person for a password, which only a call may cause, not the start.
        self._readable = auth.command is None
        self._read = anyio.Event()
        self._started = anyio.current_time()
        self._permissions: Collection[str] | None = None

    async def read(self) -> None:
        """Read the permissions, after an exchange of the API key if necessary; leave them unknown if that fails."""
        try:
            if self._readable:
                self._permissions = (await self._runs.check_credential()).permissions
        except RunsApiError as error:
            log.debug("the permissions of the credential are unknown: %s", error)
        finally:
            self._read.set()

    async def wait(self, within_s: float) -> None:
        """Wait until the permissions have been read, but not longer than `within_s` after the start of the server."""
        with anyio.CancelScope(deadline=self._started + within_s):
            await self._read.wait()

    def __contains__(self, tool: str) -> bool:
        return permits(self._permissions, tool)
