"""The tools of all interactions that `server.interaction_tools` selects, kept up to date."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import anyio
from mcp.server.subscriptions import SubscriptionBus, ToolsListChanged

from runs_mcp.api import Interaction, RunsApiError, RunsClient
from runs_mcp.config.settings import InteractionToolSettings
from runs_mcp.server.interactions.interaction_tool import InteractionTool, interaction_tool
from runs_mcp.server.interactions.known_interactions import KnownInteractions
from runs_mcp.server.interactions.tool_names import tool_names

log = logging.getLogger(__name__)

FIRST_READ_S = 5.0
"""Longest that a first `tools/list` waits for the interactions."""
TAG = "tag:"


class InteractionTools:
    """The tools of interactions, by name."""

    def __init__(self, settings: InteractionToolSettings) -> None:
        self._settings = settings
        self._tools: Mapping[str, InteractionTool] = {}
        self._read = anyio.Event()

    @property
    def offered(self) -> bool:
        """True if the settings select any interactions."""
        return bool(self._settings.include)

    async def current(self) -> Mapping[str, InteractionTool]:
        """Return the tools, once the interactions have been read for the first time or that takes too long."""
        if self.offered:
            with anyio.move_on_after(FIRST_READ_S):
                await self._read.wait()
        return self._tools

    async def keep_current(self, known: KnownInteractions, runs: RunsClient, bus: SubscriptionBus) -> None:
        """Read the interactions at intervals until cancelled, and publish that the list of tools has changed."""
        while self.offered:
            before = self._published()
            try:
                self._tools = await make_tools(known, runs, self._settings)
            except RunsApiError as error:
                log.warning("the interactions cannot be read, so their tools stay as they are: %s", error)
            if self._read.is_set() and self._published() != before:
                await bus.publish(ToolsListChanged())
            self._read.set()
            await anyio.sleep(self._settings.refresh_s)

    def _published(self) -> Sequence[object]:
        return [tool.published for tool in self._tools.values()]


async def make_tools(
    known: KnownInteractions, runs: RunsClient, settings: InteractionToolSettings
) -> Mapping[str, InteractionTool]:
    """Return the tools of the interactions that the settings select, by name; none without permission to read them.

    Raises:
        RunsApiError: the interactions cannot be read.
    """
    listing = await known.listing(within_s=0)
    if listing.source != "catalogue":
        log.warning("server.interaction_tools needs the permission interaction:read; no interaction is a tool")
        return {}
    chosen = select(listing.interactions, settings)
    if len(chosen) > settings.limit:
        log.warning("%d interactions are selected as tools; the %d most used are", len(chosen), settings.limit)
        chosen = (await _most_used(chosen, runs))[: settings.limit]
    names = tool_names([interaction.endpoint for interaction in chosen])
    return {name: interaction_tool(name, interaction) for name, interaction in zip(names, chosen, strict=True)}


def select(interactions: Iterable[Interaction], settings: InteractionToolSettings) -> list[Interaction]:
    """Return the interactions that the settings include and do not exclude."""
    return [
        interaction
        for interaction in interactions
        if interaction.status != "archived"
        and any(_matches(interaction, pattern) for pattern in settings.include)
        and not any(_matches(interaction, pattern) for pattern in settings.exclude)
    ]


def _matches(interaction: Interaction, pattern: str) -> bool:
    if pattern.startswith(TAG):
        return pattern.removeprefix(TAG) in interaction.tags
    return any(fnmatchcase(text, pattern) for text in (interaction.endpoint, interaction.name, interaction.id))


async def _most_used(interactions: Sequence[Interaction], runs: RunsClient) -> list[Interaction]:
    """Return the interactions with the most runs first; in their own order where the API does not count runs."""
    try:
        options = await runs.get_filter_options("interaction")
    except RunsApiError:
        return list(interactions)
    counts: dict[str | None, int] = {}
    for option in options:
        for key in {option.id, option.name}:
            counts[key] = counts.get(key, 0) + (option.count or 0)
    return sorted(
        interactions, key=lambda interaction: -max(counts.get(interaction.id, 0), counts.get(interaction.name, 0))
    )
