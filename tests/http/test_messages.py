"""Request bodies: anything but a JSON-RPC message is refused with a short error and opens no session."""

import json

import pytest
from mcp_types import INVALID_REQUEST, PARSE_ERROR

from tests import upstream
from tests.http.service import ACCEPT, MODERN, SESSION, configured, running

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": 7, "method": "ping"}


@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": MODERN}], ids=["handshake", MODERN])
@pytest.mark.parametrize(
    ("body", "code", "request_id"),
    [
        pytest.param("", PARSE_ERROR, None, id="nothing"),
        pytest.param("a=b", PARSE_ERROR, None, id="a form"),
        pytest.param("{}", INVALID_REQUEST, None, id="an empty object"),
        pytest.param("7", INVALID_REQUEST, None, id="a number"),
        pytest.param("null", INVALID_REQUEST, None, id="null"),
        pytest.param(json.dumps([PING, PING]), INVALID_REQUEST, None, id="a batch"),
        pytest.param(json.dumps({**PING, "jsonrpc": "1.0"}), INVALID_REQUEST, 7, id="another version"),
        pytest.param(json.dumps({**PING, "params": [1]}), INVALID_REQUEST, 7, id="parameters in a list"),
        pytest.param(json.dumps({"id": True, "method": "ping"}), INVALID_REQUEST, None, id="an id that is a boolean"),
    ],
)
async def test_a_body_that_is_not_a_message_is_refused_without_a_session(
    headers: dict[str, str], body: str, code: int, request_id: int | None
) -> None:
    async with upstream.serving({}) as api, running(configured(api)) as at:
        sent = {**ACCEPT, "content-type": "application/json", **headers}
        refused = await at.http.post(at.endpoint, content=body, headers=sent)
    answer = refused.json()
    assert (refused.status_code, answer["error"]["code"], answer["id"]) == (400, code, request_id)
    assert len(answer["error"]["message"]) < 200
    assert SESSION not in refused.headers
