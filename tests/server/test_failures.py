"""Every failure is one paragraph: the cause, the effect of a call that could change something, and the next step."""

import pytest
from pydantic import TypeAdapter

from runs_mcp.api import (
    ApiTimeoutError,
    AuthenticationError,
    CredentialError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    RunsApiError,
    UnavailableError,
)
from runs_mcp.server.permissions.scopes import CREATE
from runs_mcp.server.render import results
from runs_mcp.server.render.error_messages import explain
from runs_mcp.server.runs.stream_hub import FollowingError
from tests import upstream
from tests.calls import call
from tests.conftest import Connect
from tests.server.test_streaming import configured
from tests.upstream import reply

CASES = [
    pytest.param(
        CredentialError("api.auth.env (T): this environment variable is not set"),
        "api.auth.env (T): this environment variable is not set. Nothing was sent.",
        id="no credential",
    ),
    pytest.param(
        AuthenticationError("", status=401, api_message="Token expired"),
        'The Runs API did not accept the server\'s credential (401). It says: "Token expired". '
        "Someone with access to the server's configuration must renew it; `runs-mcp check` says how.",
        id="401",
    ),
    pytest.param(
        PermissionDeniedError("", status=403),
        "The server's credential may not do this (403). "
        "This operation needs another credential; other operations may still work.",
        id="403",
    ),
    pytest.param(
        NotFoundError("", status=404),
        "The Runs API found nothing there (404). list_runs shows the ids of runs.",
        id="404",
    ),
    pytest.param(
        InvalidRequestError("", status=422, api_message="Does not fit", details="data.text: required"),
        'The Runs API rejected the request (422). It says: "Does not fit". Details: data.text: required. '
        "Correct the arguments and call again.",
        id="422",
    ),
    pytest.param(
        NotFoundError("", status=404, api_message="There is no such run."),
        'The Runs API found nothing there (404). It says: "There is no such run." list_runs shows the ids of runs.',
        id="404, a sentence",
    ),
    pytest.param(
        PermissionDeniedError("", status=403, details="The project is closed."),
        "The server's credential may not do this (403). Details: The project is closed. "
        "This operation needs another credential; other operations may still work.",
        id="403, details",
    ),
    pytest.param(
        RateLimitedError("", reason="quota", retry_after_s=3_600),
        "The Runs API is limiting its rate (429). Try again in 60 min.",
        id="429, quota with a time",
    ),
    pytest.param(
        RateLimitedError("", reason="pacing", retry_after_s=2),
        "The Runs API is limiting its rate (429). Try again in 2 s.",
        id="429, pacing",
    ),
    pytest.param(
        RateLimitedError("", reason="quota"),
        "The Runs API is limiting its rate (429). Trying again at once will not help.",
        id="429, quota",
    ),
    pytest.param(
        UnavailableError("", status=503, retry_safe=True),
        "The Runs API failed (503). Try again.",
        id="503",
    ),
    pytest.param(
        UnavailableError("The Runs API cannot be reached (ConnectError)", retry_safe=True),
        "The Runs API cannot be reached (ConnectError). Try again.",
        id="no connection",
    ),
    pytest.param(
        ApiTimeoutError("The Runs API did not answer in time (ReadTimeout)", retry_safe=True),
        "The Runs API did not answer in time (ReadTimeout). Try again.",
        id="timeout",
    ),
    pytest.param(
        ProtocolError("The Runs API answered something that is not JSON (text/html)"),
        "The Runs API answered something that is not JSON (text/html). "
        "Check the base URL and the edition with `runs-mcp check`.",
        id="not JSON",
    ),
]


@pytest.mark.parametrize(("error", "text"), CASES)
def test_a_failed_read_names_the_cause_and_the_next_step(error: RunsApiError, text: str) -> None:
    assert explain("get_run", error) == text


def test_a_rejected_create_states_that_no_run_was_created() -> None:
    error = InvalidRequestError("", status=400)
    assert "No run was created." in explain("create_run", error, scope=CREATE)


def test_a_create_with_a_lost_response_asks_to_search_before_retrying() -> None:
    error = ApiTimeoutError("The Runs API did not answer in time (ReadTimeout)", outcome_unknown=True)
    assert explain("create_run", error, scope=CREATE) == (
        "The Runs API did not answer in time (ReadTimeout). It is not known whether a run was created. "
        "Before you create it again, call list_runs(limit=5), which shows the newest runs."
    )


def test_a_run_whose_stream_fails_is_reported_as_existing() -> None:
    error = FollowingError("r1", UnavailableError("", status=503))
    assert explain("create_run", error, scope=CREATE) == (
        "Run r1 was accepted, but following it failed. The Runs API failed (503). "
        'Do not create it again: get_run(run_id="r1") shows its status.'
    )


@pytest.mark.anyio
async def test_a_crash_after_a_create_does_not_deny_the_run(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        TypeAdapter(int).validate_python("x")

    monkeypatch.setattr(results, "ended", fail)
    async with (
        upstream.serving({"POST /runs": reply({"id": "r1", "status": "completed"})}) as api,
        connect(configured(api)) as client,
    ):
        answer = await call(client, "create_run", interaction="i")
    assert "failed inside the server" in answer.text
    assert "It is not known whether a run was created." in answer.text


def test_an_internal_error_reveals_no_details_to_the_model(caplog: pytest.LogCaptureFixture) -> None:
    text = explain("get_run", ZeroDivisionError("token=secret"))
    assert text == "`get_run` failed inside the server; its log has the details."
    assert "get_run crashed" in caplog.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.2, "1 s", id="under a second"),
        pytest.param(30, "30 s", id="seconds"),
        pytest.param(600, "10 min", id="minutes"),
        pytest.param(86_400, "24 h", id="hours"),
    ],
)
def test_retry_delays_are_phrased_with_units(seconds: float, text: str) -> None:
    error = UnavailableError("", status=503, retry_safe=True, retry_after_s=seconds)
    assert explain("list_runs", error).endswith(f"Try again in {text}.")
