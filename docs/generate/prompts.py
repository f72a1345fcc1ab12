"""The table of prompts in docs/prompts.md, generated from their files."""

from runs_mcp.server.prompts.prompt_file import Argument, directory, load


def document() -> str:
    """Return a table with a row for each prompt."""
    lines = ["| prompt | arguments, with their defaults | does |", "|---|---|---|"]
    for prompt in load(directory()):
        arguments = "<br>".join(_argument(argument) for argument in prompt.arguments)
        lines.append(f"| `{prompt.name}` | {arguments} | {prompt.description} |")
    return "\n".join(lines)


def _argument(argument: Argument) -> str:
    default = "" if argument.default is None else f" (`{argument.default}`)"
    return f"`{argument.name}`{default}: {argument.description}"
