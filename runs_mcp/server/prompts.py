"""Prompts: Markdown files with front matter, offered as they are found."""

from collections.abc import Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Self

import frontmatter
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts.base import Prompt, PromptArgument
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from yaml import YAMLError

from runs_mcp.config.problems import ConfigError
from runs_mcp.observability.masking import one_line
from runs_mcp.server.context import Services


class Argument(BaseModel):
    """An argument of a prompt; one without a default is required."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str
    default: str | None = None


class PromptFile(BaseModel):
    """A prompt as its file has it; `$name` in the text stands for an argument."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str
    description: str
    arguments: list[Argument] = []
    text: str

    @model_validator(mode="after")
    def _arguments_are_those_of_the_text(self) -> Self:
        declared, used = {argument.name for argument in self.arguments}, set(Template(self.text).get_identifiers())
        if declared != used:
            raise ValueError(f"declared and used arguments differ: {', '.join(sorted(declared ^ used))}")
        return self

    def render(self, **given: str) -> str:
        """The text with its arguments filled in."""
        defaults = {argument.name: argument.default for argument in self.arguments}
        return Template(self.text).substitute({**defaults, **given})


def register(server: MCPServer[Services]) -> None:
    """Offer every prompt there is a file for."""
    for prompt in load(directory()):
        arguments = [
            PromptArgument(name=one.name, description=one.description, required=one.default is None)
            for one in prompt.arguments
        ]
        server.add_prompt(
            Prompt(
                name=prompt.name,
                title=prompt.title,
                description=prompt.description,
                arguments=arguments,
                fn=_renderer(prompt),
            )
        )


def load(folder: Traversable) -> Iterator[PromptFile]:
    """Every prompt in `folder`, by file name.

    Raises:
        ConfigError: a file is no prompt; the text says which, and why.
    """
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".md"):
            yield _read(file)


def directory() -> Traversable:
    """Where the prompt files are: in the installed package, or beside it in a checkout."""
    installed = files("runs_mcp") / "prompts"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "prompts"


def _read(file: Traversable) -> PromptFile:
    try:
        metadata, text = frontmatter.parse(file.read_text(encoding="utf-8"))
        return PromptFile.model_validate({**metadata, "text": text})
    except YAMLError as error:
        raise ConfigError(f"{file.name} is no prompt: its front matter is not YAML: {one_line(str(error))}.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in problem["loc"])
        raise ConfigError(f"{file.name} is no prompt: {where}{problem['msg'].removeprefix('Value error, ')}.") from None


def _renderer(prompt: PromptFile) -> Callable[..., str]:
    names = {argument.name for argument in prompt.arguments}

    def render(**given: str) -> str:
        if unknown := set(given) - names:
            raise MCPError(INVALID_PARAMS, f"Prompt {prompt.name} has no argument {', '.join(sorted(unknown))}.")
        return prompt.render(**given)

    return render
