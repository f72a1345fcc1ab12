"""`server.json`, the entry of the server in the MCP registry, and the versions and names that must agree.

The models below follow the registry's schema of 2025-12-11 for the fields of the file. Unlike the schema, they reject
unknown fields.
"""

import json
import re
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from pydantic.alias_generators import to_camel

from runs_mcp import __version__
from runs_mcp.config.load import load
from tests import ROOT

Text = Annotated[str, Field(min_length=1, max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Repository(_Strict):
    """Location of the source."""

    url: HttpUrl
    source: Literal["github"]


class Transport(_Strict):
    """Transport of the server."""

    type: Literal["stdio"]


class Argument(_Strict):
    """An argument of the command."""

    type: Literal["positional"]
    value: str


class Variable(_Strict):
    """An environment variable that a person may be asked for."""

    name: str
    description: str
    is_secret: bool = False
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    choices: list[str] = []
    default: str | None = None
    placeholder: str | None = None


class Package(_Strict):
    """A way to get the server."""

    registry_type: Literal["pypi"]
    identifier: Literal["runs-mcp"]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    runtime_hint: Literal["uvx"]
    transport: Transport
    package_arguments: list[Argument]
    environment_variables: list[Variable]


class Server(_Strict):
    """The whole file."""

    schema_: Annotated[str, Field(alias="$schema", pattern=r"/schemas/2025-12-11/server\.schema\.json$")]
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", min_length=3, max_length=200)]
    title: Text
    description: Text
    version: Annotated[str, Field(max_length=255)]
    repository: Repository
    packages: list[Package]


def read(name: str) -> dict[str, Any]:
    """Return a JSON file of the repository."""
    return dict(json.loads((ROOT / name).read_text(encoding="utf-8")))


@pytest.fixture
def server() -> Server:
    """`server.json`, validated."""
    return Server.model_validate(read("server.json"))


def test_the_secret_is_marked_as_secret(server: Server) -> None:
    [package] = server.packages
    assert [one.name for one in package.environment_variables if one.is_secret] == ["RUNS_MCP_API__AUTH__VALUE"]


def test_the_configuration_knows_its_variables_and_those_of_the_bundle(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    [package] = server.packages
    assert {one.name for one in package.environment_variables} == set(
        read("manifest.json")["server"]["mcp_config"]["env"]
    )
    for variable in package.environment_variables:
        for value in variable.choices or [variable.default or variable.placeholder or "x"]:
            monkeypatch.setenv(variable.name, value)
            load()


def test_all_files_name_the_same_version(server: Server) -> None:
    said = {server.version, read("manifest.json")["version"], *(package.version for package in server.packages)}
    assert said == {__version__}


def test_the_readme_contains_the_name_that_proves_ownership_to_the_registry(server: Server) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"mcp-name: (\S+)", readme) == [server.name]


def test_all_files_name_the_same_repository(server: Server) -> None:
    owner = server.name.removeprefix("io.github.")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    said = {str(server.repository.url), read("manifest.json")["repository"]["url"]}
    said |= set(re.findall(r'"(https://github\.com/[^/"]+/[^/"]+)', project))
    assert said == {f"https://github.com/{owner}"}
