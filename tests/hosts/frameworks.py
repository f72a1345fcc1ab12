"""The frameworks, with the versions that are tested; docs/frameworks.md shows them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests import ROOT
from tests.clients import node
from tests.clients.interpreter import python_with

Transport = Literal["stdio", "http"]
TRANSPORTS: tuple[Transport, ...] = ("stdio", "http")


@dataclass(frozen=True, slots=True)
class PythonFramework:
    """A framework from PyPI, used by the module `name` of `tests.hosts.python`."""

    name: str
    title: str
    requirement: str
    outlasts_s: float = 10
    """Seconds that the long run takes: more than the framework waits for an answer by default, if it waits at most
    a minute."""

    @property
    def version(self) -> str:
        """Return the installed version."""
        return self.requirement.rpartition("==")[2]

    @property
    def command(self) -> list[str]:
        """Return the command that starts the program; installs the framework if it is not."""
        return self.program(self.name)

    def program(self, name: str) -> list[str]:
        """Return the command that starts the module `name` in the environment of this framework."""
        return [str(python_with(self.requirement)), "-m", f"tests.hosts.python.{name}"]

    def script(self, code: str) -> list[str]:
        """Return the command that runs code in the environment of this framework."""
        return [str(python_with(self.requirement)), "-c", code]


@dataclass(frozen=True, slots=True)
class NodeFramework:
    """A framework from npm, used by the program `name` in `tests/hosts/node`."""

    name: str
    title: str
    package: str
    version: str
    outlasts_s: float = 10

    @property
    def command(self) -> list[str]:
        """Return the command that starts the program; installs the framework if it is not."""
        return self.program(self.name)

    def program(self, name: str) -> list[str]:
        """Return the command that starts the program `name`, copied to where its imports are found."""
        for file in (ROOT / "tests" / "hosts" / "node").glob("*.mjs"):
            (self._folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
        return [str(node.BIN / "node"), str(self._folder / f"{name}.mjs")]

    def script(self, code: str) -> list[str]:
        """Return the command that runs code where the imports of this framework are found."""
        file = self._folder / "script.mjs"
        file.write_text(code, encoding="utf-8")
        return [str(node.BIN / "node"), str(file)]

    @property
    def _folder(self) -> Path:
        return node.installed(f"framework-{self.name}", {self.package: self.version})


Framework = PythonFramework | NodeFramework
FRAMEWORKS: list[Framework] = [
    PythonFramework("openai_agents", "OpenAI Agents SDK (Python)", "openai-agents==0.24.0", outlasts_s=7),
    PythonFramework("pydantic_ai", "Pydantic AI", "pydantic-ai-slim[mcp]==2.68.0"),
    PythonFramework("langchain", "LangChain (Python)", "langchain-mcp-adapters==0.3.2"),
    PythonFramework("google_adk", "Google ADK", "google-adk[mcp]==2.13.0", outlasts_s=7),
    PythonFramework("fastmcp", "FastMCP", "fastmcp==4.2.3"),
    PythonFramework("llama_index", "LlamaIndex", "llama-index-tools-mcp==0.6.0", outlasts_s=32),
    PythonFramework("agno", "Agno", "agno[mcp]==3.1.10", outlasts_s=12),
    PythonFramework("crewai", "CrewAI", "crewai-tools[mcp]==1.15.30"),
    PythonFramework("strands", "Strands", "strands-agents==1.62.0"),
    PythonFramework("semantic_kernel", "Semantic Kernel", "semantic-kernel[mcp]==1.45.0"),
    NodeFramework("ai_sdk", "AI SDK", "@ai-sdk/mcp", "2.0.99"),
    NodeFramework("mastra", "Mastra", "@mastra/mcp", "2.0.0", outlasts_s=62),
    NodeFramework("openai_agents_js", "OpenAI Agents SDK (JavaScript)", "@openai/agents", "0.20.0", outlasts_s=62),
    NodeFramework("langchain_js", "LangChain (JavaScript)", "@langchain/mcp-adapters", "1.1.4", outlasts_s=62),
]


def find(name: str) -> Framework:
    """Return the framework with a name."""
    return next(framework for framework in FRAMEWORKS if framework.name == name)
