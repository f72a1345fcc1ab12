"""The Skills extension (SEP-2640): each prompt as a skill, and a skill that explains how the tools fit together."""

from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from mcp.server.context import HandlerResult
from mcp.server.extension import Extension, MethodBinding, ResourceBinding
from mcp.server.mcpserver.resources import TextResource
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, PaginatedRequestParams, RequestParams

from runs_mcp.server.context import Request
from runs_mcp.server.pages import cursor
from runs_mcp.server.prompts.offered_prompts import OfferedPrompts

if TYPE_CHECKING:
    from runs_mcp.server.skills.skill import Skill

OVERVIEW = "work-with-runs"
HOUR_MS = 3_600_000
CACHEABLE = {"resultType": "complete", "ttlMs": HOUR_MS, "cacheScope": "public"}
"""Fields of both results: skills are the same for every caller, and change only with the version of the server."""


class SkillParams(RequestParams):
    """The parameters of `skills/get`."""

    uri: str


class Skills(Extension):
    """The methods of the extension, and the files of the skills as resources."""

    identifier = "io.modelcontextprotocol/skills"

    def __init__(self, prompts: OfferedPrompts) -> None:
        self._prompts = prompts

    @cached_property
    def by_uri(self) -> "Mapping[str, Skill]":
        """The skills by the URI of their file, read when a client first asks for one."""
        from runs_mcp.server.skills import skill  # noqa: PLC0415 - see OfferedPrompts

        overview = skill.read(files("runs_mcp.server") / "skills" / OVERVIEW / "SKILL.md")
        of_prompts = map(skill.of_prompt, self._prompts.by_name.values())
        return {entry.uri: entry for entry in [overview, *of_prompts]}

    def methods(self) -> list[MethodBinding]:
        """Return the bindings of `skills/list` and `skills/get`."""
        return [
            MethodBinding("skills/list", PaginatedRequestParams, self.list),
            MethodBinding("skills/get", SkillParams, self.get),
        ]

    def resources(self) -> list[ResourceBinding]:
        """Return the files."""
        return [
            ResourceBinding(
                TextResource(
                    uri=entry.uri,
                    name=entry.name,
                    description=entry.description,
                    mime_type="text/markdown",
                    text=entry.text,
                )
            )
            for entry in self.by_uri.values()
        ]

    async def list(self, _: Request, asked: PaginatedRequestParams) -> HandlerResult:
        """Answer `skills/list` with all skills, on one page."""
        cursor.require_first_page(asked)
        return {**CACHEABLE, "skills": [entry.entry for entry in self.by_uri.values()]}

    async def get(self, _: Request, asked: SkillParams) -> HandlerResult:
        """Answer `skills/get`.

        Raises:
            MCPError: there is no such skill.
        """
        found = self.by_uri.get(asked.uri)
        if found is None:
            raise MCPError(INVALID_PARAMS, f"There is no skill {asked.uri!r}. Known: {', '.join(self.by_uri)}.")
        return {**CACHEABLE, "skill": found.entry}
