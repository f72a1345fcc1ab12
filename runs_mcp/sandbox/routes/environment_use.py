"""The operations on the use of an environment: embeddings, analytics and budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import MISSING
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.sandbox.access import PROJECT
from runs_mcp.sandbox.catalog.environment_catalog import Environment
from runs_mcp.sandbox.catalog.sandbox_catalog import SandboxCatalog
from runs_mcp.sandbox.content import demo_embeddings
from runs_mcp.sandbox.content.samples import timestamp
from runs_mcp.sandbox.execution import MS_PER_S, Database
from runs_mcp.sandbox.routes.environment_routes import environment_of
from runs_mcp.sandbox.storage.run_filters import Filters
from runs_mcp.sandbox.wire import environment_bodies as bodies
from runs_mcp.sandbox.wire.contract import contract_of, read_body, read_query
from runs_mcp.sandbox.wire.refusal import bad_request, invalid

Document = dict[str, Any]
STEPS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
MONTHS = {"month": 1, "year": 12}
COLUMNS = {"interaction": "interaction", "modelId": "model", "status": "status", "environment": "environment"}


@dataclass(frozen=True)
class EnvironmentUse:
    """The handlers of the use of environments."""

    catalog: SandboxCatalog
    database: Database

    async def create_embeddings(self, request: Request) -> Response:
        """Handle `POST /environments/{environment_id}/embeddings`."""
        environment = environment_of(request, self.catalog)
        if not contract_of(request).strict:
            loose = await read_body(request, bodies.LooseEmbeddingsBody)
            model = _embedding_model(environment, loose.model)
            tokens = _tokens(loose.content)
            return JSONResponse({"values": demo_embeddings.embed(loose.content), "model": model, "token_count": tokens})
        body = await read_body(request, bodies.EmbeddingsBody)
        model = _embedding_model(environment, body.model)
        dimensions = demo_embeddings.DIMENSIONS if body.dimensions is MISSING else body.dimensions
        contents = [(each.type, _content(number, each)) for number, each in enumerate(body.inputs)]
        results = [
            {
                "outputs": [{"values": demo_embeddings.embed(content, dimensions), "modality": kind}],
                "input_tokens": _tokens(content),
            }
            for kind, content in contents
        ]
        total = sum(_tokens(content) for _, content in contents)
        return JSONResponse({"results": results, "model": model, "usage": {"input_tokens": total}})

    async def analyze_runs(self, request: Request) -> Response:
        """Handle `POST /environments/{environment_id}/analytics`: counts and times of runs by period and group."""
        environment = environment_of(request, self.catalog)
        body = await read_body(request, bodies.AnalyticsBody)
        asked = body.filterBy
        if asked.environment not in (MISSING, environment.id) or asked.project not in (MISSING, PROJECT["id"]):
            return JSONResponse([])
        filters = Filters(
            environments=[environment.id],
            interactions=asked.interactions,
            models=asked.models,
            statuses=asked.status,
            any_tags=asked.tags,
            start=_time(body.start),
            end=_time(body.to),
        )
        runs = await self.database.run(self.database.store.measures, filters)
        if asked.selectedOnly:
            runs = [run for run in runs if run["selected"]]
        return JSONResponse(_analyzed(runs, body))

    async def get_budget_capability(self, request: Request) -> Response:
        """Handle `GET /environments/{environment_id}/run-budget-capability`: a budget needs prices of the model."""
        environment, query = environment_of(request, self.catalog), read_query(request, bodies.BudgetParameters)
        if environment.prices is None:
            reason = f"The sandbox has no prices for {environment.name}."
        elif query.check_model and query.model not in environment.usable_models:
            reason = f"{environment.name} has no model {query.model}."
        else:
            return JSONResponse({"supported": True, "source": "provider"})
        return JSONResponse({"supported": False, "source": "none", "reason": reason})


def _embedding_model(environment: Environment, named: Any) -> str:
    model = demo_embeddings.MODEL if named is MISSING else str(named)
    if model not in (demo_embeddings.MODEL, *environment.usable_models):
        raise bad_request(f"{environment.name} has no model {model}.")
    return model


def _content(number: int, part: bodies.EmbeddingInput) -> str:
    """Return the text of an input, or the place or bytes of its medium."""
    if part.type == "text" and part.text is not MISSING:
        return part.text
    source = part.source
    if part.type != "text" and source is not MISSING and (source.url is MISSING) != (source.base64 is MISSING):
        return str(source.base64 if source.url is MISSING else source.url)
    raise invalid(f"inputs.{number}: a text needs text, and another type a source with either url or base64")


def _tokens(content: str) -> int:
    return max(1, len(content) // 4)


def _time(milliseconds: Any) -> str | None:
    if milliseconds is MISSING:
        return None
    try:
        return timestamp(datetime.fromtimestamp(milliseconds / MS_PER_S, UTC))
    except (ValueError, OverflowError, OSError):
        raise invalid("from, to: not milliseconds since 1970") from None


def _analyzed(runs: Sequence[Document], body: bodies.AnalyticsBody) -> list[Document]:
    """Return the number and the execution times of runs for each period and group, the oldest first."""
    cells: dict[tuple[datetime, str], list[float]] = {}
    for run in runs:
        period = _period(datetime.fromisoformat(run["created_at"]), body.resolution, body.resolutionStep)
        for group in _groups(run, body.groupBy):
            cells.setdefault((period, group), []).append(run["execution_time"] or 0)
    return [
        {
            "date": period.date().isoformat(),
            "timestamp": timestamp(period),
            "group": group,
            "count": len(times),
            "execution_time": {"avg": sum(times) / len(times), "min": min(times), "max": max(times)},
        }
        for (period, group), times in sorted(cells.items())
    ]


def _groups(run: Document, field: Any) -> list[str]:
    if field is MISSING:
        return ["all"]
    if field == "tags":
        return list(run["tags"])
    return [PROJECT["id"] if field == "project" else str(run[COLUMNS[field]])]


def _period(moment: datetime, resolution: str, step: int) -> datetime:
    """Return the start of the period of `step` units that contains `moment`, counted from Monday, 5 January 1970."""
    if resolution in MONTHS:
        months = (moment.year * 12 + moment.month - 1) // (MONTHS[resolution] * step) * MONTHS[resolution] * step
        return datetime(max(1, months // 12), months % 12 + 1, 1, tzinfo=UTC)
    length = STEPS[resolution] * step
    return FIRST_MONDAY + (moment - FIRST_MONDAY) // length * length
