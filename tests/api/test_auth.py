"""The credential: its sources, the exchange of a key for a token, and the renewal of the token."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import respx

from runs_mcp.api import AuthenticationError, Credential, CredentialError, ProtocolError, UnavailableError, connect
from runs_mcp.api.requests.auth import Tokens
from runs_mcp.api.requests.redaction import Redactor
from runs_mcp.config.api_settings import ApiSettings, AuthSettings
from tests.api.conftest import BASE, Open

pytestmark = pytest.mark.anyio

RUN = {"id": "r1", "status": "completed"}
KEY = {"kind": "api_key", "value": "sk-key"}
EXCHANGES = {
    "composable": "https://studio-server-production.api.becomposable.com/auth/token",
    "vertesia": "https://sts.vertesia.io/token/issue",
}


def token(name: str, expires: float = 4_000_000_000) -> str:
    """Return an unsigned JWT."""
    parts = [{"alg": "none"}, {"sub": name, "exp": expires, "project": {"id": "p1", "name": "Demo"}}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), ""])


def issued(*names: str) -> list[httpx.Response]:
    return [httpx.Response(200, json={"token": token(name)}) for name in names]


@pytest.mark.parametrize("edition", EXCHANGES)
async def test_a_key_is_exchanged_once_for_many_requests(
    router: respx.MockRouter, open_client: Open, edition: str
) -> None:
    exchange = router.route(url__startswith=EXCHANGES[edition]).mock(side_effect=issued("first", "second"))
    runs = router.get(url=f"{BASE[edition]}/runs/r1").mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(edition=edition, auth=KEY) as client, anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(client.get_run, "r1")
    assert exchange.call_count == 1
    assert {call.request.headers["authorization"] for call in runs.calls} == {f"Bearer {token('first')}"}


async def test_the_exchange_follows_the_reference_document(router: respx.MockRouter, open_client: Open) -> None:
    exchange = router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("a"))
    router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(auth=KEY) as client:
        await client.get_run("r1")
    sent = exchange.calls.last.request
    assert (sent.method, dict(sent.url.params), sent.content) == ("GET", {"token": "sk-key"}, b"")
    assert "authorization" not in sent.headers


async def test_the_exchange_follows_the_current_platform(router: respx.MockRouter, open_client: Open) -> None:
    exchange = router.route(url=EXCHANGES["vertesia"]).mock(side_effect=issued("a"))
    router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(edition="vertesia", auth=KEY) as client:
        await client.get_run("r1")
    sent = exchange.calls.last.request
    assert (sent.method, sent.content, sent.headers["authorization"]) == ("POST", b"", "Bearer sk-key")
    assert sent.headers["x-api-version"] == "20260803"


@pytest.mark.parametrize(
    ("base_url", "exchange"),
    [
        ("https://api.vertesia.io/api/v1", "https://sts.vertesia.io/token/issue"),
        ("https://api.eu1.vertesia.io/api/v1", "https://sts.eu1.vertesia.io/token/issue"),
    ],
)
async def test_the_exchange_follows_the_region(
    router: respx.MockRouter, open_client: Open, base_url: str, exchange: str
) -> None:
    route = router.route(url=exchange).mock(side_effect=issued("a"))
    router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(edition="vertesia", base_url=base_url, auth=KEY) as client:
        await client.get_run("r1")
    assert route.called


@pytest.mark.parametrize("host", ["localhost:8080", "example.com", "apivertesia.io", "studio.becomposable.com"])
def test_a_key_is_never_sent_to_a_guessed_url(host: str) -> None:
    settings = ApiSettings.model_validate({"edition": "vertesia", "base_url": f"https://{host}/api/v1", "auth": KEY})
    with pytest.raises(CredentialError, match="token_url: set it"):
        connect(settings)


async def test_a_token_is_renewed_before_it_expires() -> None:
    now = 1_000.0
    made: list[str] = []

    async def exchange(key: str) -> str:
        made.append(key)
        return token(str(len(made)), expires=now + 120)

    tokens = Tokens(AuthSettings.model_validate(KEY), exchange, redactor=Redactor(), now=lambda: now)
    first = await tokens.current()
    now += 59
    assert await tokens.current() == first
    now += 2
    assert await tokens.current() != first
    assert len(made) == 2


def refusing_first(tokens: list[str]) -> Callable[[httpx.Request], httpx.Response]:
    """An API that refuses the first request, and the tokens that it receives."""

    def judge(request: httpx.Request) -> httpx.Response:
        tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        return httpx.Response(401) if len(tokens) == 1 else httpx.Response(200, json=RUN)

    return judge


async def test_a_refused_token_is_renewed_once_and_the_request_sent_again(
    router: respx.MockRouter, open_client: Open
) -> None:
    router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("old", "new"))
    tokens: list[str] = []
    runs = router.post(path__regex="/runs$").mock(side_effect=refusing_first(tokens))
    async with open_client(auth=KEY) as client:
        await client.create_run(interaction="i1", data={"a": 1})
    assert tokens == [token("old"), token("new")]
    assert runs.calls.last.request.content == b'{"interaction":"i1","data":{"a":1}}'


async def test_a_create_whose_refusal_names_its_run_is_not_sent_again_with_another_token(
    router: respx.MockRouter, open_client: Open
) -> None:
    """The model provider refused its credential after the API had created the run."""
    router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("old", "new"))
    failed = {"id": "r1", "status": "failed"}
    create = router.post(path__regex="/runs$").mock(return_value=httpx.Response(401, json=failed))
    router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(200, json=failed))
    async with open_client(auth=KEY) as client:
        assert (await client.create_run(interaction="i1")).id == "r1"
    assert create.call_count == 1


async def test_a_second_refusal_is_an_error(router: respx.MockRouter, open_client: Open) -> None:
    router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("old", "new"))
    runs = router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(401))
    async with open_client(auth=KEY, max_retries=4) as client:
        with pytest.raises(AuthenticationError):
            await client.get_run("r1")
    assert runs.call_count == 2


async def test_a_renewed_token_that_is_unchanged_is_not_sent_again(router: respx.MockRouter, open_client: Open) -> None:
    runs = router.get(path__regex="/runs/r1$").mock(return_value=httpx.Response(401))
    async with open_client() as client:
        with pytest.raises(AuthenticationError):
            await client.get_run("r1")
    assert runs.call_count == 1


async def test_concurrent_refusals_renew_the_token_once(router: respx.MockRouter, open_client: Open) -> None:
    exchange = router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("old", "new"))

    def judge(request: httpx.Request) -> httpx.Response:
        old = request.headers["authorization"] == f"Bearer {token('old')}"
        return httpx.Response(401) if old else httpx.Response(200, json=RUN)

    router.get(path__regex="/runs/r1$").mock(side_effect=judge)
    async with open_client(auth=KEY) as client, anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(client.get_run, "r1")
    assert exchange.call_count == 2


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        pytest.param(httpx.Response(401, json={"message": "no such key"}), AuthenticationError, id="refused"),
        pytest.param(httpx.Response(200, json={"tokn": "x"}), ProtocolError, id="no token in it"),
        pytest.param(httpx.Response(200, text="<html>"), ProtocolError, id="not JSON"),
    ],
)
async def test_a_failed_exchange_of_a_key_is_an_error(
    router: respx.MockRouter, open_client: Open, response: httpx.Response, kind: type[Exception]
) -> None:
    router.route(url__startswith=EXCHANGES["composable"]).mock(return_value=response)
    async with open_client(auth=KEY) as client:
        with pytest.raises(kind):
            await client.get_run("r1")


async def sent_token(router: respx.MockRouter, open_client: Open, auth: dict[str, Any]) -> str:
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(auth=auth) as client:
        await client.get_run("r1")
    return str(route.calls.last.request.headers["authorization"])


async def test_a_secret_is_read_from_a_variable(
    router: respx.MockRouter, open_client: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN", " from-env\n")
    assert await sent_token(router, open_client, {"env": "A_TOKEN"}) == "Bearer from-env"


async def test_a_secret_is_read_from_a_command(router: respx.MockRouter, open_client: Open) -> None:
    assert await sent_token(router, open_client, {"command": "printf 'from-command'"}) == "Bearer from-command"


async def test_a_secret_in_a_file_is_read_again_when_it_changes(
    router: respx.MockRouter, open_client: Open, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("first\n", encoding="utf-8")
    route = router.route().mock(return_value=httpx.Response(200, json=RUN))
    async with open_client(auth={"file": str(file)}) as client:
        await client.get_run("r1")
        file.write_text("second-one\n", encoding="utf-8")
        await client.get_run("r1")
    assert [call.request.headers["authorization"] for call in route.calls] == ["Bearer first", "Bearer second-one"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_secret_file_in_utf_16_is_named_as_such(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "token"
    file.write_bytes("a-token".encode(encoding))
    with pytest.raises(CredentialError, match="is encoded as UTF-16; save it as UTF-8"):
        connect(ApiSettings(auth=AuthSettings(file=file)))


async def test_a_secret_file_may_begin_with_a_byte_order_mark(
    router: respx.MockRouter, open_client: Open, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_bytes("a-token\r\n".encode("utf-8-sig"))
    assert await sent_token(router, open_client, {"file": str(file)}) == "Bearer a-token"


async def test_a_failed_exchange_is_repeated_once_in_a_call(
    router: respx.MockRouter, open_client: Open, waits: list[float]
) -> None:
    exchange = router.route(url__startswith=EXCHANGES["composable"]).mock(return_value=httpx.Response(503))
    async with open_client(auth=KEY, max_retries=4) as client:
        with pytest.raises(UnavailableError) as failed:
            await client.create_run(interaction="i1")
    assert exchange.call_count == 2
    assert len(waits) == 1
    assert (failed.value.during_exchange, failed.value.outcome_unknown) == (True, False)


async def test_a_call_continues_after_a_failed_exchange(router: respx.MockRouter, open_client: Open) -> None:
    exchange = router.route(url__startswith=EXCHANGES["composable"]).mock(
        side_effect=[httpx.Response(503), *issued("a")]
    )
    runs = router.route().mock(side_effect=[httpx.Response(503), httpx.Response(503), httpx.Response(200, json=RUN)])
    async with open_client(auth=KEY, max_retries=4) as client:
        assert (await client.get_run("r1")).id == "r1"
    assert (exchange.call_count, runs.call_count) == (2, 3)


async def test_a_token_that_no_header_can_hold_is_not_sent(router: respx.MockRouter, open_client: Open) -> None:
    router.route(url__startswith=EXCHANGES["composable"]).mock(
        return_value=httpx.Response(200, json={"token": "a\r\nb"})
    )
    async with open_client(auth=KEY) as client:
        with pytest.raises(CredentialError, match="cannot be sent: the secret holds a line break") as failed:
            await client.create_run(interaction="i1")
    assert not failed.value.outcome_unknown
    assert len(router.calls) == 1


def counting(folder: Path) -> dict[str, str]:
    """A command that prints the number of its executions as the secret."""
    counter, script = folder / "counter", folder / "token.sh"
    script.write_text(f"echo x >> {counter}; wc -l < {counter}", encoding="utf-8")
    return {"command": f"sh {script}"}


async def test_a_command_is_run_again_when_its_token_is_refused(
    router: respx.MockRouter, open_client: Open, tmp_path: Path
) -> None:
    tokens: list[str] = []
    router.get(path__regex="/runs/r1$").mock(side_effect=refusing_first(tokens))
    async with open_client(auth=counting(tmp_path)) as client:
        await client.get_run("r1")
    assert tokens == ["1", "2"]


async def test_a_command_is_run_once_for_concurrent_requests_and_once_for_their_refusals(
    router: respx.MockRouter, open_client: Open, tmp_path: Path
) -> None:
    def judge(request: httpx.Request) -> httpx.Response:
        old = request.headers["authorization"] == "Bearer 1"
        return httpx.Response(401) if old else httpx.Response(200, json=RUN)

    runs = router.get(path__regex="/runs/r1$").mock(side_effect=judge)
    async with open_client(auth=counting(tmp_path)) as client, anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(client.get_run, "r1")
    assert {call.request.headers["authorization"] for call in runs.calls} == {"Bearer 1", "Bearer 2"}


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        pytest.param({"value": ""}, "api.auth.value: the secret is empty", id="empty value"),
        pytest.param({"value": "two words"}, "the secret holds a space", id="two words"),
        pytest.param({"value": '"quoted"'}, 'the secret is wrapped in quotes ("); remove them', id="quotes"),
        pytest.param({"value": "'quoted'"}, "the secret is wrapped in quotes ('); remove them", id="single quotes"),
        pytest.param({"value": "“quoted”"}, "the secret is wrapped in quotes (“); remove them", id="printed quotes"),
        pytest.param({"value": "${RUNS_TOKEN}"}, "is ${RUNS_TOKEN}, a variable that was not expanded", id="${VAR}"),
        pytest.param({"value": "$RUNS_TOKEN"}, "is $RUNS_TOKEN, a variable that was not expanded", id="$VAR"),
        pytest.param({"value": "%RUNS_TOKEN%"}, "is %RUNS_TOKEN%, a variable that was not expanded", id="%VAR%"),
        pytest.param({"value": "Bearer abc"}, "begins with `Bearer `; give the token alone", id="a whole header"),
        pytest.param({"value": "\ufeffabc"}, "begins with a byte order mark (U+FEFF)", id="a byte order mark"),
        pytest.param({"value": "a\0b\0"}, "a NUL character (U+0000), as UTF-16 does", id="NUL"),
        pytest.param({"value": "a\x1bb"}, "the secret holds a control character (U+001B)", id="a control character"),
        pytest.param({"value": "a\nb"}, "the secret holds a line break", id="two lines"),
        pytest.param({"value": "abc…"}, "not ASCII (U+2026 HORIZONTAL ELLIPSIS)", id="an ellipsis"),
        pytest.param({"value": "a\u200bb"}, "not ASCII (U+200B ZERO WIDTH SPACE)", id="an invisible character"),
        pytest.param(
            {"env": "NOT_SET_ANYWHERE"}, "api.auth.env (NOT_SET_ANYWHERE): this environment", id="no variable"
        ),
        pytest.param({"file": "/nowhere/token"}, "api.auth.file (/nowhere/token): cannot be read", id="no file"),
        pytest.param({"command": " "}, "the command is empty", id="no command"),
    ],
)
def test_a_missing_secret_is_named_at_once(auth: dict[str, str], says: str) -> None:
    with pytest.raises(CredentialError) as missing:
        connect(ApiSettings.model_validate({"auth": auth}))
    assert says in str(missing.value)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        pytest.param("false", "api.auth.command (false): the command failed with exit code 1", id="fails"),
        pytest.param("no-such-program-anywhere", "cannot be run: No such file or directory", id="is not there"),
        pytest.param("true", "the secret is empty", id="prints nothing"),
    ],
)
async def test_a_command_without_a_secret_is_an_error(
    router: respx.MockRouter, open_client: Open, command: str, says: str
) -> None:
    async with open_client(auth={"command": command}) as client:
        with pytest.raises(CredentialError) as missing:
            await client.get_run("r1")
    assert says in str(missing.value)
    assert not router.calls


async def test_a_credential_is_described_without_being_shown(router: respx.MockRouter, open_client: Open) -> None:
    router.route(url__startswith=EXCHANGES["composable"]).mock(side_effect=issued("a"))
    async with open_client(auth=KEY) as client:
        found = await client.check_credential()
    assert found == Credential(expires_at=datetime(2096, 10, 2, 7, 6, 40, tzinfo=UTC), project="Demo")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_secret_file_that_others_can_read_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text("very-secret", encoding="utf-8")
    file.chmod(mode)
    connect(ApiSettings(auth=AuthSettings(file=file)))
    assert ("other users of this machine can read it" in caplog.text) is warned
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize(("mode", "warned"), [(0o440, False), (0o444, True)])
def test_a_secret_file_of_another_user_may_be_readable_by_its_group(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, mode: int, warned: bool
) -> None:
    file = tmp_path / "secret"
    file.write_text("very-secret", encoding="utf-8")
    file.chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    connect(ApiSettings(auth=AuthSettings(file=file)))
    assert ("other users of this machine can read it" in caplog.text) is warned
