"""`result_schema: null` in a call of create_run: no schema, in the edition that supports null."""

from typing import Any

import pytest
from mcp.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runs_mcp.server import build_server
from tests import upstream
from tests.calls import PATIENT, call
from tests.server.test_streaming import configured
from tests.upstream import reply

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "required": ["summary"]}
MISSING = "not sent"


async def sent_schema(edition: str, **arguments: Any) -> Any:
    """Return the `result_schema` of the request that a call of create_run sends."""
    bodies: list[dict[str, Any]] = []

    async def created(request: Request) -> Response:
        bodies.append(await request.json())
        return JSONResponse({"id": "r1", "status": "completed"})

    async with upstream.serving({"POST /runs": created, "GET /runs/r1": reply({"id": "r1"})}) as api:
        config = configured(api)
        config = config.model_copy(update={"api": config.api.model_copy(update={"edition": edition})})
        async with Client(build_server(config).mcp, client_info=PATIENT) as client:
            answer = await call(client, "create_run", interaction="i1", stream=False, **arguments)
        assert not answer.failed, answer.text
    [body] = bodies
    return body.get("result_schema", MISSING)


@pytest.mark.parametrize(
    ("edition", "arguments", "sent"),
    [
        pytest.param("vertesia", {"result_schema": None}, None, id="null"),
        pytest.param("vertesia", {"result_schema": SCHEMA}, SCHEMA, id="a schema"),
        pytest.param("vertesia", {}, MISSING, id="absent"),
        pytest.param("vertesia", {"result_schema": {}}, MISSING, id="empty"),
        pytest.param("vertesia", {"result_schema": None, "tags": None, "model": None}, MISSING, id="all unset as null"),
        pytest.param("composable", {"result_schema": None}, MISSING, id="null in the older edition"),
    ],
)
async def test_null_is_no_schema_unless_the_client_writes_null_for_each_unset_argument(
    edition: str, arguments: dict[str, Any], sent: Any
) -> None:
    assert await sent_schema(edition, **arguments) == sent
