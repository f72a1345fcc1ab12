"""TLS: over https, the client refuses servers without a trusted certificate."""

import ssl
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
import trustme
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.tls import TLSStream

from runs_mcp.api import UnavailableError, connect
from runs_mcp.config.api_settings import ApiSettings

pytestmark = pytest.mark.anyio

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"id": "r1"}'


@pytest.mark.parametrize("trusted", [True, False])
async def test_an_api_is_asked_only_if_its_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool
) -> None:
    authority = trustme.CA()
    asked: list[bytes] = []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(connection: SocketStream) -> None:
        async with connection:
            with suppress(anyio.BrokenResourceError, ssl.SSLError):  # the client refuses the handshake
                stream = await TLSStream.wrap(connection, ssl_context=context, standard_compatible=False)
                asked.append(await stream.receive())
                await stream.send(ANSWER)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    settings = ApiSettings.model_validate(
        {"base_url": f"https://127.0.0.1:{port}/api/v1", "auth": {"value": "secret"}, "max_retries": 0}
    )
    async with listener, connect(settings) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer)
        if trusted:
            assert (await client.get_run("r1")).id == "r1"
        else:
            with pytest.raises(UnavailableError, match="certificate"):
                await client.get_run("r1")
        tasks.cancel_scope.cancel()
    assert bool(asked) is trusted, "no byte of a request goes to an untrusted server"
