"""The prompts as docs/prompts.md has them, made of their files."""

from runs_mcp.server.prompts import Argument, directory, load


def document() -> str:
    """A row for each prompt."""
    lines = ["| prompt | arguments, with their defaults | does |", "|---|---|---|"]
    for prompt in load(directory()):
        arguments = "<br>".join(_argument(one) for one in prompt.arguments)
        lines.append(f"| `{prompt.name}` | {arguments} | {prompt.description} |")
    return "\n".join(lines)


def _argument(argument: Argument) -> str:
    default = "" if argument.default is None else f" (`{argument.default}`)"
    return f"`{argument.name}`{default}: {argument.description}"
