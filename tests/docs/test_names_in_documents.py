"""Every setting, variable, tool and module that the documents name exists."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.generate.settings import paths
from runs_mcp.config.problems import CONFIG_VARIABLE
from runs_mcp.config.settings import ENV_PREFIX
from runs_mcp.server.tools import OPERATIONS
from tests import ROOT
from tests.docs.documents import DOCUMENTS, code

SETTINGS = {path.replace("*", "NAME") for path in paths()}
VARIABLES = {CONFIG_VARIABLE} | {ENV_PREFIX + path.replace(".", "__").upper() for path in SETTINGS}
TOOLS = {operation.name for operation in OPERATIONS}


def settings(document: Path) -> set[str]:
    """Return the settings named in code, alone or with a value; API settings of a profile count as those of the API."""
    found = (
        re.fullmatch(r"((?:api|server|streaming|profiles)(?:\.[a-z_*]+)+)(?:: .*)?", one.text) for one in code(document)
    )
    named = {match[1].replace("*", "NAME").replace("profiles.NAME.api.", "api.") for match in found if match}
    return named - {"server.json"}


def variables(document: Path) -> set[str]:
    return set(re.findall(rf"\b{ENV_PREFIX}\w+", (ROOT / document).read_text(encoding="utf-8")))


def tools(document: Path) -> set[str]:
    """Return the tools named in code, alone or in a call."""
    names = r"(?:compute|create|find|get|list|search|stream)_run\w*"
    return {match[0] for one in code(document) if (match := re.match(rf"{names}(?=$|\()", one.text))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
@pytest.mark.parametrize(("named", "there"), [(settings, SETTINGS), (variables, VARIABLES), (tools, TOOLS)])
def test_names_in_documents_exist(document: Path, named: Callable[[Path], set[str]], there: set[str]) -> None:
    assert named(document) <= there


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_modules_that_documents_run_exist(document: Path) -> None:
    modules = set(re.findall(r"python3? -m ([\w.]*\w)", (ROOT / document).read_text(encoding="utf-8")))
    assert [module for module in sorted(modules) if find_spec(module) is None] == []
