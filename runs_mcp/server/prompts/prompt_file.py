"""Files of prompts: Markdown with front matter."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Self

import frontmatter
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Prompt, PromptArgument
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from yaml import YAMLError

from runs_mcp.config.problems import ConfigError
from runs_mcp.config.validation_messages import plain_message
from runs_mcp.observability.mask import one_line


class Argument(BaseModel):
    """An argument of a prompt, required if it has no default."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str
    default: str | None = None


class PromptFile(BaseModel):
    """A prompt as written in its file; `$name` in the text inserts an argument."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str
    description: str
    when: str = ""
    """When an agent uses it as a skill: completes the sentence "Use it …"."""
    arguments: list[Argument] = []
    text: str

    @model_validator(mode="after")
    def _arguments_are_those_of_the_text(self) -> Self:
        declared, used = {argument.name for argument in self.arguments}, set(Template(self.text).get_identifiers())
        if declared != used:
            raise ValueError(f"declared and used arguments differ: {', '.join(sorted(declared ^ used))}")
        return self

    @property
    def published(self) -> Prompt:
        """The prompt as `prompts/list` shows it."""
        arguments = [
            PromptArgument(name=argument.name, description=argument.description, required=argument.default is None)
            for argument in self.arguments
        ]
        return Prompt(name=self.name, title=self.title, description=self.description, arguments=arguments)

    def render(self, given: Mapping[str, str]) -> str:
        """Return the text with its arguments filled in; an empty argument is replaced by its default.

        Raises:
            MCPError: an argument is unknown, or a required argument is missing.
        """
        values = {argument.name: argument.default for argument in self.arguments}
        if unknown := set(given) - set(values):
            raise MCPError(INVALID_PARAMS, f"Prompt {self.name} has no argument {', '.join(sorted(unknown))}.")
        values |= {name: value for name, value in given.items() if value.strip()}
        if missing := [name for name, value in values.items() if value is None]:
            raise MCPError(INVALID_PARAMS, f"Prompt {self.name} needs the argument {', '.join(missing)}.")
        return Template(self.text).substitute(values)


def load(folder: Traversable) -> Iterator[PromptFile]:
    """Yield every prompt in `folder`, by file name.

    Raises:
        ConfigError: a file is not a valid prompt; the text says which, and why.
    """
    for file in sorted(folder.iterdir(), key=lambda path: path.name):
        if file.name.endswith(".md"):
            yield _read(file)


def directory() -> Traversable:
    """Return the folder of the prompt files: inside the installed package, or beside it in a checkout."""
    installed = files("runs_mcp") / "prompts"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "prompts"


def _read(file: Traversable) -> PromptFile:
    try:
        metadata, text = frontmatter.parse(file.read_text(encoding="utf-8"))
        return PromptFile.model_validate({**metadata, "text": text})
    except YAMLError as error:
        raise ConfigError(f"{file.name} is no prompt: its front matter is not YAML: {one_line(str(error))}.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in problem["loc"])
        raise ConfigError(f"{file.name} is no prompt: {where}{plain_message(problem)}.") from None
