"""A skill: instructions for an agent in a `SKILL.md` file, with its front matter, digest and size."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable
from typing import Any

import frontmatter

from runs_mcp.server.prompts.prompt_file import PromptFile

MISSING_TOOLS = "A tool that you do not have was switched off for you; do without it."


@dataclass(frozen=True, slots=True)
class Skill:
    """A skill that consists of its `SKILL.md` alone."""

    front_matter: Mapping[str, Any]
    text: str
    """The whole file."""

    @property
    def name(self) -> str:
        """Name of the skill, which is the last folder in its URI."""
        return str(self.front_matter["name"])

    @property
    def description(self) -> str:
        """Purpose of the skill, and when to use it."""
        return str(self.front_matter["description"])

    @property
    def uri(self) -> str:
        """URI of its file."""
        return f"skill://{self.name}/SKILL.md"

    @property
    def entry(self) -> Mapping[str, Any]:
        """The skill as `skills/list` and `skills/get` show it."""
        content = self.text.encode()
        file = {"uri": self.uri, "digest": f"sha256:{sha256(content).hexdigest()}", "size": len(content)}
        return {"uri": self.uri, "frontmatter": self.front_matter, "resources": [file]}


def read(file: Traversable) -> Skill:
    """Return the skill in a `SKILL.md` file."""
    text = file.read_text(encoding="utf-8")
    return Skill(frontmatter.parse(text)[0], text)


def of_prompt(prompt: PromptFile) -> Skill:
    """Return a skill with the text of a prompt; its arguments become inputs that the agent fills in."""
    front_matter = {
        "name": prompt.name.replace("_", "-"),
        "description": f"{prompt.description} Use it {prompt.when}." if prompt.when else prompt.description,
    }
    inputs = [
        f"- `<{argument.name}>`: {argument.description}" for argument in prompt.arguments if argument.default is None
    ]
    inputs += [
        f"- {argument.name}, `{argument.default}` unless asked otherwise: {argument.description}"
        for argument in prompt.arguments
        if argument.default
    ]
    text = prompt.render(
        {argument.name: f"<{argument.name}>" for argument in prompt.arguments if argument.default is None}
    )
    body = "\n".join([f"# {prompt.title}", "", MISSING_TOOLS, "", "Inputs:", "", *inputs, "", text])
    return Skill(front_matter, frontmatter.dumps(frontmatter.Post(body, None, **front_matter), sort_keys=False) + "\n")
