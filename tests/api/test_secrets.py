"""The client says nothing of its secret: in errors and what is behind them, in its own form, in logs."""

import logging
import traceback
from collections.abc import Iterator

import aiohttp
import httpx
import pytest
import respx

from runs_mcp.api import RunsApiError
from runs_mcp.config.api_settings import ApiSettings
from tests.api.conftest import Open, no_connection

pytestmark = pytest.mark.anyio

SECRET = "sk-do-not-tell-0123456789"
KEY = {"kind": "api_key", "value": SECRET}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that is behind it."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(no_connection(f"https://x/?token={SECRET}"), id="no connection"),
        pytest.param(aiohttp.SocketTimeoutError(f"https://x/?token={SECRET}"), id="no answer"),
        pytest.param(httpx.Response(401, json={"message": f"bad {SECRET}"}), id="an API that repeats it"),
        pytest.param(httpx.Response(200, text=SECRET), id="an API that answers with it"),
    ],
)
async def test_no_error_holds_it(
    router: respx.MockRouter, open_client: Open, caplog: pytest.LogCaptureFixture, trouble: httpx.Response | Exception
) -> None:
    caplog.set_level(logging.DEBUG)
    router.route().mock(side_effect=[trouble])
    async with open_client(auth=KEY) as client:
        with pytest.raises(RunsApiError) as failed:
            await client.get_run("r1")
        said = [f"{client!r} {vars(client)}"]
    for error in chain(failed.value):
        said += [repr(error), str(vars(error)), *traceback.format_exception(error)]
    assert SECRET not in " ".join(said)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("in_query", [False, True])
async def test_no_log_of_a_request_holds_it(
    router: respx.MockRouter, open_client: Open, caplog: pytest.LogCaptureFixture, in_query: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    router.route().mock(return_value=httpx.Response(404))
    async with open_client(auth={"kind": "token", "value": SECRET}, token_in_query=in_query) as client:
        with pytest.raises(RunsApiError):
            async with client.stream_run("r1"):
                pass
    assert "/runs/r1/stream" in caplog.text, "the request was logged"
    assert SECRET not in caplog.text


def test_settings_do_not_show_it() -> None:
    settings = ApiSettings.model_validate({"auth": KEY})
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()
