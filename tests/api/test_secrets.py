"""The client never reveals its secret in errors, their causes, representations or logs."""

import base64
import html
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import quote

import httpx
import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic_core import to_json

from runs_mcp.api import RunsApiError
from runs_mcp.api.requests.redaction import Redactor, StreamRedactor
from runs_mcp.config.api_settings import ApiSettings
from runs_mcp.server.middleware.secret_filter import filtered_logs
from tests.api.conftest import Open

pytestmark = pytest.mark.anyio

SECRET = "sk-do-not-tell-0123456789"
KEY = {"kind": "api_key", "value": SECRET}


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError(f"https://x/?token={SECRET}"), id="no connection"),
        pytest.param(httpx.ReadTimeout(f"https://x/?token={SECRET}"), id="no answer"),
        pytest.param(httpx.Response(401, json={"message": f"bad {SECRET}"}), id="an API that repeats it"),
        pytest.param(httpx.Response(200, text=SECRET), id="an API that answers with it"),
    ],
)
async def test_no_error_contains_the_secret(
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
async def test_no_log_of_a_request_contains_the_secret(
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


def test_settings_do_not_show_the_secret() -> None:
    settings = ApiSettings.model_validate({"auth": KEY})
    assert SECRET not in repr(settings) + str(settings) + settings.model_dump_json()


OPAQUE = 'Zm9v/+opaque"token<1>=='
"""Neither a JWT nor an `sk-` key, with characters that encodings change."""
ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, lower case": lambda secret: re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "JSON with escaped punctuation": lambda secret: re.sub(r"\W", lambda c: f"\\u{ord(c[0]):04x}", secret),
    "HTML": html.escape,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 of a header": lambda secret: base64.b64encode(f"Bearer {secret}, x".encode()).decode(),
    "base64 of a user and password": lambda secret: base64.b64encode(f"u:{secret}".encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
}


def contains(text: str, secret: str) -> bool:
    """Return true if `text` holds most of an encoded secret; the characters at the ends of base64 reveal nothing."""
    return secret[5:-5] in text


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("auth", ["token", "api_key"])
async def test_an_opaque_secret_is_replaced_in_each_encoding(
    router: respx.MockRouter, open_client: Open, encoding: str, auth: str
) -> None:
    echo = ENCODINGS[encoding](OPAQUE)
    key = "a key that is no word".replace(" ", "_") if auth == "api_key" else OPAQUE
    router.route(path__regex="/auth/token$").mock(return_value=httpx.Response(200, json={"token": OPAQUE}))
    router.route().mock(return_value=httpx.Response(400, json={"message": f"<{echo}>", "details": {"header": echo}}))
    async with open_client(auth={"kind": auth, "value": key}) as client:
        with pytest.raises(RunsApiError) as failed:
            await client.get_run("r1")
        redacted = client.redact(f"The run wrote {echo}.")
    shown = f"{failed.value.api_message} {failed.value.details} {redacted}"
    assert not contains(shown, echo)
    assert shown.count("[secret]") >= 3
    assert redacted.startswith("The run wrote ")


@pytest.mark.parametrize("encoding", ENCODINGS)
async def test_an_opaque_secret_is_found_in_json_in_each_encoding(
    router: respx.MockRouter, open_client: Open, encoding: str
) -> None:
    router.route().mock(return_value=httpx.Response(200, json=[]))
    sent = {"\\": ["a\\", f'"\\{ENCODINGS[encoding](OPAQUE)}\\"']}
    async with open_client(auth={"kind": "token", "value": OPAQUE}) as client:
        await client.list_runs()
        assert client.holds_secret(to_json(sent))
        assert not client.holds_secret(to_json({"\\": ["a\\", '"opaque"']}))


async def test_a_key_is_replaced_however_often_its_token_was_renewed(
    router: respx.MockRouter, open_client: Open, caplog: pytest.LogCaptureFixture
) -> None:
    expired = [base64.urlsafe_b64encode(b'{"exp":1,"sub":"%02d"}' % number).decode() for number in range(20)]
    renewal = router.route(path__regex="/auth/token$").mock(
        side_effect=[httpx.Response(200, json={"token": f"e30.{claims}."}) for claims in expired]
    )
    router.route().mock(return_value=httpx.Response(400, json={"message": f"bad {OPAQUE}"}))
    async with open_client(auth={"kind": "api_key", "value": OPAQUE}) as client:
        for _ in range(20):
            with pytest.raises(RunsApiError) as failed:
                await client.get_run("r1")
            assert failed.value.api_message == "bad [secret]"
        with filtered_logs(client.redact):
            logging.getLogger("test").warning("read %s", OPAQUE)
        assert client.redact(OPAQUE) == "[secret]"
    assert renewal.call_count == 20
    assert "read [secret]" in caplog.text
    assert OPAQUE not in caplog.text


def test_a_lasting_secret_is_replaced_however_many_others_were_added() -> None:
    redactor = Redactor([OPAQUE])
    for number in range(20):
        redactor.add(f"another secret {number}")
    assert redactor.redact(f"{OPAQUE}, another secret 19") == "[secret], [secret]"
    assert redactor.may_begin_in(OPAQUE)


async def test_a_secret_in_a_content_type_is_replaced(router: respx.MockRouter, open_client: Open) -> None:
    router.route().mock(return_value=httpx.Response(200, text="x", headers={"content-type": "opaque-secret"}))
    async with open_client(auth={"kind": "token", "value": "opaque-secret"}) as client:
        with pytest.raises(RunsApiError) as failed:
            await client.get_run("r1")
        with pytest.raises(RunsApiError) as not_opened:
            async with client.stream_run("r1"):
                pass
    assert "opaque-secret" not in f"{failed.value} {not_opened.value}"


async def test_a_text_without_secrets_stays_as_it_is(open_client: Open) -> None:
    async with open_client() as client:
        assert client.redact("sk-is-no-key and eyJ is no token") == "sk-is-no-key and eyJ is no token"


WORDS = ["the ", "Zm9v", "Zm9v/+opaque", "b3Bh", "%2F", "\\u002f", "opaque", "\n", "é"]
PARTS = some.lists(some.sampled_from([*WORDS, *(encode(OPAQUE) for encode in ENCODINGS.values())]), max_size=8)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(PARTS, some.lists(some.integers(0, 1_000), max_size=40))
def test_a_secret_that_a_stream_spreads_over_its_pieces_is_replaced(parts: list[str], places: list[int]) -> None:
    redactor = Redactor()
    redactor.add(OPAQUE)
    text, stream = " ".join(parts), StreamRedactor(redactor)
    ends = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    shown = "".join(stream.feed(text[start:end]) for start, end in pairwise(ends)) + stream.end()
    assert shown == redactor.redact(text)


def test_a_stream_withholds_only_possible_beginnings_of_a_secret() -> None:
    redactor = Redactor()
    redactor.add("abcdefgh")
    stream = StreamRedactor(redactor)
    assert [stream.feed(piece) for piece in ("one ", "two a", "b", "x abc", "defgh!", "ab")] == [
        "one ",
        "two ",
        "",
        "abx ",
        "[secret]!",
        "",
    ]
    assert stream.end() == "ab"


async def test_no_streamed_chunk_contains_the_secret(router: respx.MockRouter, open_client: Open) -> None:
    run = {"id": "r1", "result": f"It is {OPAQUE}.", OPAQUE: [json.dumps(OPAQUE)]}
    router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(200, json=run))
    async with open_client(auth={"kind": "token", "value": OPAQUE}) as client:
        read = await client.get_run("r1")
    assert read.raw == {"id": "r1", "result": "It is [secret].", "[secret]": ['"[secret]"']}
