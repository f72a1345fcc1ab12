"""Errors of the API client: the type, the status, the API's own message, and if a retry can help."""

import inspect
from traceback import format_exception
from typing import Any

import httpx
import pytest
import respx

from runs_mcp.api import (
    ApiTimeoutError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RunsApiError,
    UnavailableError,
)
from runs_mcp.api.requests.error_responses import error_of_exception
from tests.api.conftest import Open

pytestmark = pytest.mark.anyio

PACING = {"x-ratelimit-reason": "pacing", "x-ratelimit-retry-ms": "1500"}
QUOTA = {"x-ratelimit-reason": "quota"}


@pytest.mark.parametrize(
    ("status", "headers", "kind", "read_again", "write_again", "unknown"),
    [
        pytest.param(400, {}, InvalidRequestError, False, False, False, id="400"),
        pytest.param(401, {}, AuthenticationError, False, False, False, id="401"),
        pytest.param(403, {}, PermissionDeniedError, False, False, False, id="403"),
        pytest.param(404, {}, NotFoundError, False, False, False, id="404"),
        pytest.param(408, {}, ApiTimeoutError, True, False, True, id="408"),
        pytest.param(409, {}, InvalidRequestError, False, False, False, id="409"),
        pytest.param(422, {}, InvalidRequestError, False, False, False, id="422"),
        pytest.param(429, {}, RateLimitedError, True, True, False, id="429"),
        pytest.param(429, PACING, RateLimitedError, True, True, False, id="429, pacing"),
        pytest.param(429, QUOTA, RateLimitedError, False, False, False, id="429, quota"),
        pytest.param(500, {}, UnavailableError, True, False, True, id="500"),
        pytest.param(501, {}, UnavailableError, False, False, True, id="501"),
        pytest.param(502, {}, UnavailableError, True, False, True, id="502"),
        pytest.param(503, {}, UnavailableError, True, False, True, id="503"),
        pytest.param(503, {"retry-after": "2"}, UnavailableError, True, True, False, id="503, turned away"),
        pytest.param(504, {}, UnavailableError, True, False, True, id="504"),
    ],
)
async def test_an_http_status_decides_the_type_of_the_error(
    router: respx.MockRouter,
    open_client: Open,
    status: int,
    headers: dict[str, str],
    kind: type[RunsApiError],
    read_again: bool,
    write_again: bool,
    unknown: bool,
) -> None:
    router.route().mock(return_value=httpx.Response(status, headers=headers, json={"message": "Said so."}))
    async with open_client() as client:
        with pytest.raises(kind) as read:
            await client.get_run("r1")
        with pytest.raises(kind) as write:
            await client.create_run(interaction="i1")
    assert (read.value.status, read.value.api_message) == (status, "Said so.")
    assert (read.value.retry_safe, write.value.retry_safe) == (read_again, write_again)
    assert (read.value.outcome_unknown, write.value.outcome_unknown) == (False, unknown)


@pytest.mark.parametrize(
    ("body", "message", "details"),
    [
        pytest.param({"error": "Bad Request", "message": "No limit."}, "No limit.", None, id="message first"),
        pytest.param({"error": "Bad Request"}, "Bad Request", None, id="else the error"),
        pytest.param({"error": {"message": "Inside."}}, "Inside.", None, id="else what is in it"),
        pytest.param({"message": "a", "details": "limit: no"}, "a", "limit: no", id="details as text"),
        pytest.param({"message": "a", "details": {"limit": "no"}}, "a", "limit: no", id="details as an object"),
        pytest.param({"message": "a", "errors": {"limit": ["no", "nor"]}}, "a", "limit: no; limit: nor", id="errors"),
        pytest.param({"title": "Bad", "detail": "No limit."}, "Bad", "No limit.", id="problem details (RFC 9457)"),
        pytest.param(
            {"detail": [{"loc": ["body", "limit"], "msg": "too large", "type": "x"}]},
            "body.limit: too large",
            None,
            id="a list of invalid fields",
        ),
        pytest.param({"message": "Failed", "error": "No model."}, "Failed", "No model.", id="message and error"),
        pytest.param({"error": "invalid", "error_description": "Old."}, "invalid", "Old.", id="OAuth (RFC 6749)"),
        pytest.param({"error": {"message": "a", "details": ["b"]}}, "a", "b", id="details in the error"),
        pytest.param({"error": True, "message": "a"}, "a", None, id="a flag"),
        pytest.param({"message": "a", "detail": "a"}, "a", None, id="the same twice"),
        pytest.param(
            {"code": "E1", "cause": {"text": "b"}, "status": 400}, "code: E1; text: b", None, id="other names"
        ),
        pytest.param({"message": ["a is missing", "b is too long"]}, "a is missing; b is too long", None, id="a list"),
        pytest.param(["a", {"message": "b"}], "a; b", None, id="a list as the whole body"),
        pytest.param(
            {"message": "max_tokens 5000 < prompt 9000, use > 9000"},
            "max_tokens 5000 < prompt 9000, use > 9000",
            None,
            id="between < and >",
        ),
        pytest.param({"message": "two\n lines"}, "two lines", None, id="on one line"),
        pytest.param({"message": "x" * 5_000}, "x" * 4_000 + "…", None, id="shortened"),
        pytest.param({"message": "bad key sk-secret-1234"}, "bad key [secret]", None, id="credentials masked"),
        pytest.param("odd", "odd", None, id="a text"),
        pytest.param(None, None, None, id="null"),
    ],
)
async def test_the_message_of_the_api_is_kept(
    router: respx.MockRouter, open_client: Open, body: Any, message: str | None, details: str | None
) -> None:
    router.route().mock(return_value=httpx.Response(400, json=body))
    async with open_client() as client:
        with pytest.raises(InvalidRequestError) as refused:
            await client.get_run("r1")
    assert (refused.value.api_message, refused.value.details) == (message, details)


async def test_a_plain_text_error_is_the_message(router: respx.MockRouter, open_client: Open) -> None:
    router.route().mock(return_value=httpx.Response(502, text="upstream connect error"))
    async with open_client() as client:
        with pytest.raises(UnavailableError) as failed:
            await client.get_run("r1")
    assert failed.value.api_message == "upstream connect error"


@pytest.mark.parametrize("page", ["<h1>Bad gateway</h1>", "<!-- proxy --><p>No", "\n<DIV class=x>", "<!DOCTYPE html>"])
async def test_an_error_page_is_no_message(router: respx.MockRouter, open_client: Open, page: str) -> None:
    router.route().mock(return_value=httpx.Response(502, html=page))
    async with open_client() as client:
        with pytest.raises(UnavailableError) as failed:
            await client.get_run("r1")
    assert failed.value.api_message is None


@pytest.mark.parametrize(
    ("error", "kind", "write_again", "unknown"),
    [
        pytest.param(httpx.ConnectError("x"), UnavailableError, True, False, id="no connection"),
        pytest.param(httpx.ConnectTimeout("x"), ApiTimeoutError, True, False, id="no connection in time"),
        pytest.param(httpx.ReadTimeout("x"), ApiTimeoutError, False, True, id="no answer in time"),
        pytest.param(httpx.ReadError("x"), UnavailableError, False, True, id="broken off"),
        pytest.param(httpx.RemoteProtocolError("x"), UnavailableError, False, True, id="closed on us"),
        pytest.param(httpx.DecodingError("x"), UnavailableError, False, True, id="garbled"),
        pytest.param(httpx.InvalidURL("x"), ProtocolError, False, False, id="no URL"),
        pytest.param(httpx.UnsupportedProtocol("x"), ProtocolError, False, False, id="no such protocol"),
        pytest.param(ConnectionResetError(), UnavailableError, False, True, id="reset"),
    ],
)
async def test_a_broken_request_states_if_it_may_have_been_executed(
    router: respx.MockRouter,
    open_client: Open,
    error: Exception,
    kind: type[RunsApiError],
    write_again: bool,
    unknown: bool,
) -> None:
    router.route().mock(side_effect=error)
    async with open_client() as client:
        with pytest.raises(kind) as failed:
            await client.create_run(interaction="i1")
    assert (failed.value.retry_safe, failed.value.outcome_unknown) == (write_again, unknown)
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None, "the exception of httpx can hold the URL"


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(kind, httpx.HTTPError | httpx.StreamError | httpx.InvalidURL)
    ],
)
def test_every_exception_of_httpx_becomes_an_error_with_its_name_alone(kind: Any) -> None:
    mapped = error_of_exception(kind.__new__(kind), writes=False)
    assert kind.__name__ in str(mapped)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param({"id": "r1", "status": "failed", "error": {"code": "c", "message": "m"}}, id="a run"),
        pytest.param({"id": "65f0c0c0c0c0c0c0c0c0c0c1", "error": "The model refused"}, id="an error with an id"),
    ],
)
async def test_a_failed_create_that_names_its_run_gives_that_run(
    router: respx.MockRouter, open_client: Open, refusal: dict[str, Any]
) -> None:
    whole = {"id": refusal["id"], "status": "failed", "prompt": "p"}
    router.post(path__regex="/runs$").mock(return_value=httpx.Response(500, json=refusal))
    router.get(path__regex=f"/runs/{refusal['id']}$").mock(return_value=httpx.Response(200, json=whole))
    async with open_client() as client:
        run = await client.create_run(interaction="i1")
    assert run.raw == whole


async def test_the_id_that_a_gateway_gives_its_error_is_no_run(router: respx.MockRouter, open_client: Open) -> None:
    router.post(path__regex="/runs$").mock(return_value=httpx.Response(502, json={"id": "req-1", "message": "m"}))
    async with open_client() as client:
        with pytest.raises(UnavailableError) as failed:
            await client.create_run(interaction="i1")
    assert failed.value.run_id is None


async def test_a_traceback_shows_the_words_of_the_api(router: respx.MockRouter, open_client: Open) -> None:
    router.route().respond(422, json={"message": "data does not fit.", "details": "data: 'text' is required"})
    async with open_client() as client:
        with pytest.raises(InvalidRequestError) as rejected:
            await client.get_run("r1")
    assert "The API says: data does not fit. data: 'text' is required" in "".join(format_exception(rejected.value))
