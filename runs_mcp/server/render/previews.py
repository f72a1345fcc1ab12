"""Answers of dry runs: a line for each run that would be created."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mcp_types import CallToolResult

from runs_mcp.observability.mask import one_line
from runs_mcp.server.context import Call, services
from runs_mcp.server.render import results, tables

FITS, MISFIT, UNCHECKED = "fits", "does not fit", "not checked"
NOTHING = "Dry run: nothing was created."
FROM_CATALOGUE = "The API does not resolve interactions; this preview comes from the call and the catalogue."
COLUMNS = ("label", "interaction", "version", "environment", "model", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A run as it would be created. Texts are empty where they are not known."""

    label: str
    interaction: str = ""
    version: str = ""
    environment: str = ""
    model: str = ""
    model_source: str = ""
    """Origin of the model, e.g. `config` or `environmentDefault`."""
    input: str = ""
    """`fits`, `does not fit` or `not checked`."""
    problems: Sequence[str] = field(default=())
    failure: str = ""
    """The reason why the run cannot be created."""
    resolved: bool = True
    """False if the API does not resolve interactions."""


def answer(call: Call, previews: Sequence[Preview]) -> CallToolResult:
    """Return a line for each run, and the problems of each below."""
    possible = [preview for preview in previews if not preview.failure]
    columns = {"for" if name == "label" else name: [getattr(preview, name) for preview in possible] for name in COLUMNS}
    columns = {name: texts for name, texts in columns.items() if any(texts)}
    notes = [FROM_CATALOGUE] if any(not preview.resolved for preview in possible) else []
    problems = [_problem(preview) for preview in previews if preview.failure or preview.problems]
    lines = [f"{NOTHING} ({services(call).workspace})", *notes]
    lines += [tables.table(columns, keep="interaction")] if possible else []
    structured = {
        "dry_run": True,
        "runs": [_document(preview) for preview in previews],
        "note": " ".join([NOTHING, *notes]),
        "workspace": services(call).workspace,
    }
    return results.answer("\n".join([*lines, *problems]), structured)


def _problem(preview: Preview) -> str:
    text = preview.failure or f"input {preview.input}: {' '.join(preview.problems)}"
    return one_line(f"{preview.label}: {text}" if preview.label else text)


def _document(preview: Preview) -> dict[str, Any]:
    shown = {"for" if name == "label" else name: value for name, value in asdict(preview).items() if name != "resolved"}
    return {name: value for name, value in shown.items() if value}
