"""JWTs: an OAuth 2.1 resource server, which admits only callers with a valid token of its issuer."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from runs_mcp.config.http_settings import JwtAuthSettings
from runs_mcp.config.problems import ConfigError
from runs_mcp.config.settings import Config
from runs_mcp.http.app import PATH, build_service
from runs_mcp.http.auth.admission import require_authentication
from runs_mcp.http.auth.jwks import FRESH_S, PAUSE_S, USABLE_S, KeysAtUrl, KeysUnavailableError
from runs_mcp.http.auth.revocation import Revocation
from runs_mcp.http.auth.verifiers import JwtVerifier
from runs_mcp.http.layers.message import MessageReader
from runs_mcp.http.layers.sessions import Sessions
from runs_mcp.server.tools import OPERATIONS
from tests.calls import PATIENT, call
from tests.http.issuer import BOTH, READ, RESOURCE, Issuer, issuing
from tests.http.service import ACCEPT, Clock, Endpoint, bearer, connected, running
from tests.http_client import sdk_http_client
from tests.upstream import listening

pytestmark = [pytest.mark.anyio, pytest.mark.both_eras]

REDIRECT = AnyUrl("http://127.0.0.1/callback")
METADATA = "https://runs.example.com/.well-known/oauth-protected-resource/mcp"


@pytest.fixture(scope="module")
async def issuer(anyio_backend: str) -> AsyncIterator[Issuer]:
    """An authorization server."""
    async with issuing() as started:
        yield started


def configured(config: Config, tokens_of: Issuer, /, **auth: Any) -> Config:
    """A configuration that requires tokens of an issuer."""
    source = {} if "jwks_file" in auth else {"jwks_url": f"{tokens_of.url}/jwks"}
    settings = {"kind": "jwt", "issuer": tokens_of.url, "resource_url": RESOURCE, **source, **auth}
    return Config.model_validate({**dict(config), "server": {"http": {"auth": settings}}})


@pytest.fixture
async def at(config: Config, issuer: Issuer) -> AsyncIterator[Endpoint]:
    """An endpoint that requires tokens."""
    async with running(configured(config, issuer)) as started:
        yield started


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_caller_with_a_token_is_served(at: Endpoint, issuer: Issuer, mode: str, algorithm: str) -> None:
    async with connected(at, mode, bearer(issuer.token(algorithm))) as client:
        assert len((await call(client, "list_runs", limit=3)).structured["runs"]) == 3


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": ["https://other.example.com", RESOURCE]}, id="for several audiences"),
        pytest.param({"exp": lambda: int(time.time()) - 5}, id="expired by less than clocks may differ"),
        pytest.param({"scope": None, "scp": [READ]}, id="scopes as a list, in scp"),
        pytest.param({"scope": f"openid {BOTH}"}, id="other scopes too"),
        pytest.param({"scope": None, "scp": READ}, id="scopes as a text, in scp"),
    ],
)
async def test_variants_of_issuers_are_accepted(at: Endpoint, issuer: Issuer, claims: dict[str, Any]) -> None:
    now = {name: claim() if callable(claim) else claim for name, claim in claims.items()}
    async with connected(at, headers=bearer(issuer.token(**now))) as client:
        assert not (await call(client, "list_runs")).failed


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(issuer: Issuer) -> str:
    return f"{part({'alg': 'none', 'kid': issuer.kids['RS256']})}.{part(issuer.claims())}."


def signed_by_the_public_key(issuer: Issuer) -> str:
    secret = issuer.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{part({'alg': 'HS256', 'kid': issuer.kids['RS256']})}.{part(issuer.claims())}"
    signature = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered(issuer: Issuer) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{part(issuer.claims(sub='mallory'))}.{signature}"


def by_another(issuer: Issuer, **header: Any) -> str:
    """Sign a token with a forged key, in the name of the issuer."""
    forger = Issuer(issuer.url)
    return forger.token(header={"kid": issuer.kids["ES256"], **header})


BAD: dict[str, Callable[[Issuer], str]] = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 3_600),
    "not yet good": lambda issuer: issuer.token(nbf=int(time.time()) + 3_600),
    "for another audience": lambda issuer: issuer.token(aud="https://other.example.com/mcp"),
    "for no audience": lambda issuer: issuer.token(aud=None),
    "of another issuer": lambda issuer: issuer.token(iss="https://other.example.com"),
    "of no issuer": lambda issuer: issuer.token(iss=None),
    "good for ever": lambda issuer: issuer.token(exp=None),
    "without a subject": lambda issuer: issuer.token(sub=None),
    "not signed": unsigned,
    "signed by the public key": signed_by_the_public_key,
    "signed by an unknown key": lambda issuer: issuer.token(header={"kid": "unknown"}),
    "signed by a key with no id": lambda issuer: jwt.encode(issuer.claims(), issuer.rsa, "RS256"),
    "signed by another": by_another,
    "signed by another, key included": lambda issuer: by_another(issuer, jwk=Issuer("").jwks["keys"][1]),
    "signed by another, key at its URL": lambda issuer: by_another(issuer, jku="https://evil.example.com/jwks"),
    "signed in a way that is not allowed": lambda issuer: jwt.encode(
        issuer.claims(), issuer.rsa, "RS512", {"kid": issuer.kids["RS256"]}
    ),
    "signed by the key of another way": lambda issuer: issuer.token(header={"kid": issuer.kids["RS256"]}),
    "tampered with": tampered,
    "cut short": lambda issuer: issuer.token()[:-9],
    "no token": lambda _: "a.b.c",
    "an extension that is not known": lambda issuer: issuer.token(header={"crit": ["x"], "x": 1}),
}


@pytest.mark.parametrize("name", BAD)
async def test_any_other_token_is_a_401(at: Endpoint, issuer: Issuer, name: str) -> None:
    refused = await at.ping(**bearer(BAD[name](issuer)))
    assert refused.status_code == 401
    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert challenge.endswith(f'scope="runs:create runs:read", resource_metadata="{METADATA}"')


async def test_a_request_without_a_token_is_a_401_with_the_metadata_url(at: Endpoint) -> None:
    refused = await at.ping()
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == (
        f'Bearer scope="runs:create runs:read", resource_metadata="{METADATA}"'
    )
    metadata = (await at.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert metadata["resource"] == RESOURCE
    assert metadata["scopes_supported"] == ["runs:read", "runs:create"]
    assert metadata["bearer_methods_supported"] == ["header"]


async def test_the_endpoint_answers_to_its_public_name(at: Endpoint, issuer: Issuer) -> None:
    token = bearer(issuer.token())
    assert (await at.ping(**token, host="evil.example")).status_code == 421
    assert (await at.ping(**token, host="runs.example.com")).status_code == (await at.ping(**token)).status_code


async def test_the_issuer_is_named_as_its_tokens_spell_it(config: Config, issuer: Issuer) -> None:
    async with running(configured(config, issuer, issuer="https://issuer.example.com")) as at:
        metadata = (await at.get("/.well-known/oauth-protected-resource/mcp")).json()
    assert metadata["authorization_servers"] == ["https://issuer.example.com"], "no slash was added"


@pytest.mark.parametrize(
    ("settings", "scope", "wanted"),
    [
        pytest.param({}, "openid", "runs:read", id="only unknown scopes"),
        pytest.param({}, None, "runs:read", id="none at all"),
        pytest.param({}, "runs:create", "runs:create runs:read", id="only to create"),
        pytest.param({"required_scopes": ["mcp"]}, READ, "mcp runs:read", id="not the one the operator requires"),
    ],
)
async def test_a_token_without_a_scope_is_a_403_that_names_the_scope(
    config: Config, issuer: Issuer, settings: dict[str, Any], scope: str | None, wanted: str
) -> None:
    async with running(configured(config, issuer, **settings)) as at:
        refused = await at.ping(**bearer(issuer.token(scope=scope)))
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"].startswith('Bearer error="insufficient_scope", ')
    assert f'scope="{wanted}", resource_metadata="{METADATA}"' in refused.headers["www-authenticate"]


async def test_default_scopes_apply_to_issuers_without_scopes(config: Config, issuer: Issuer) -> None:
    granting = configured(config, issuer, granted_scopes=["runs:read"])
    async with running(granting) as at, connected(at, headers=bearer(issuer.token(scope=None))) as client:
        assert not (await call(client, "list_runs")).failed


async def test_a_session_belongs_to_its_subject_and_not_to_its_client(at: Endpoint, issuer: Issuer) -> None:
    alice, bob = (issuer.token(sub=sub, client_id="editor") for sub in ("alice", "bob"))
    session = await at.open_session(**bearer(alice))
    assert (await at.ping(**session | bearer(bob))).status_code == 404
    assert (await at.ping(**session | bearer(issuer.token(sub="alice", client_id="editor")))).status_code == 200


async def test_streams_end_when_their_token_expires_and_the_session_continues_with_the_next_token(
    config: Config, issuer: Issuer
) -> None:
    async with running(configured(config, issuer, leeway_s=30)) as at:
        expiring = bearer(issuer.token(exp=int(time.time()) - 27))
        session = await at.open_session(**expiring)
        streams = await at.open_streams(session, **expiring)
        with anyio.fail_after(15):
            for stream in streams:
                await stream.aread()
        assert (await at.ping(**session)).status_code == 401
        assert (await at.ping(**session | bearer(issuer.token()))).status_code == 200


async def test_a_session_closes_when_the_last_token_used_in_it_has_expired_for_a_while(
    config: Config, issuer: Issuer
) -> None:
    guarded = configured(config, issuer)
    assert isinstance(guarded.server.http.auth, JwtAuthSettings)
    verifier = JwtVerifier(guarded.server.http.auth, KeysAtUrl(f"{issuer.url}/jwks"))
    servers = build_service(config, host="127.0.0.1").servers
    sessions = Sessions(servers)
    revocation = Revocation(MessageReader(sessions, 100_000), verifier, sessions, check_s=0.05, renewal_s=0)
    app = httpx.ASGITransport(require_authentication(revocation, guarded, verifier))
    expiring, valid = bearer(issuer.token(exp=int(time.time()) - 28)), bearer(issuer.token())
    async with servers.running(), httpx.AsyncClient(transport=app) as http, anyio.create_task_group() as tasks:
        at = Endpoint(RESOURCE.removesuffix(PATH), http)
        tasks.start_soon(revocation.watch)
        forgotten, continued = [await at.open_session(**expiring) for _ in range(2)]
        assert (await at.ping(**continued | valid)).status_code == 200
        with anyio.fail_after(15):  # the stream of a session ends once the session is closed
            await at.get(PATH, **ACCEPT, **forgotten)
        statuses = [(await at.ping(**session | valid)).status_code for session in (forgotten, continued)]
        tasks.cancel_scope.cancel()
    assert statuses == [404, 200]


class Memory(TokenStorage):
    """Storage of one token and of the registered client."""

    def __init__(self, client_info: OAuthClientInformationFull | None = None) -> None:
        self.tokens: OAuthToken | None = None
        self._client_info = client_info

    async def get_tokens(self) -> OAuthToken | None:
        """Return the token."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Store the token."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return the client that was registered."""
        return self._client_info

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Discard the information, since the client never registers."""


@asynccontextmanager
async def named_by_its_url(config: Config, issuer: Issuer) -> AsyncIterator[str]:
    """Run a service whose `resource_url` is its URL; yield that URL."""

    def build(url: str) -> ASGIApp:
        return build_service(configured(config, issuer, resource_url=url + PATH), host="127.0.0.1").app

    async with listening(build, lifespan="on") as url:
        yield url + PATH


async def test_a_client_discovers_the_issuer_from_the_url(config: Config, issuer: Issuer, mode: str) -> None:
    async with named_by_its_url(config, issuer) as url:
        provider = ClientCredentialsOAuthProvider(url, Memory(), "agent", "secret", issuer=issuer.url)
        async with (
            sdk_http_client(auth=provider) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, client_info=PATIENT) as client,
        ):
            assert len((await client.list_tools()).tools) == len(OPERATIONS)


class Person:
    """A person at a browser, who grants only `runs:read` the first time, and later every requested scope."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []
        self._answer = AuthorizationCodeResult(code="")

    async def visit(self, url: str) -> None:
        """Open the page of the issuer."""
        query = dict(parse_qsl(urlsplit(url).query))
        self.asked_for.append(query["scope"])
        granted = READ if len(self.asked_for) == 1 else query["scope"]
        self._answer = AuthorizationCodeResult(code=granted, state=query["state"])  # the code names the granted scopes

    async def come_back(self) -> AuthorizationCodeResult:
        """Return to the client."""
        return self._answer


async def test_a_client_of_a_person_asks_for_the_scope_of_a_call_and_repeats_the_call(
    config: Config, issuer: Issuer
) -> None:
    person, memory = Person(), Memory(OAuthClientInformationFull(client_id="agent", redirect_uris=[REDIRECT]))
    metadata = OAuthClientMetadata(redirect_uris=[REDIRECT])
    async with named_by_its_url(config, issuer) as url:
        provider = OAuthClientProvider(url, metadata, memory, person.visit, person.come_back)
        async with (
            sdk_http_client(auth=provider) as http,
            Client(streamable_http_client(url, http_client=http), mode="auto", client_info=PATIENT) as client,
        ):
            assert "create_run" not in {tool.name for tool in (await client.list_tools()).tools}
            create = {"interaction": "ExtractContacts", "data": {"text": "Ann is ann@example.com"}, "wait": False}
            assert not (await call(client, "create_run", **create)).failed
    assert [set(scope.split()) for scope in person.asked_for] == [set(BOTH.split())] * 2


async def test_new_keys_of_the_issuer_are_found_when_first_used(at: Endpoint, issuer: Issuer) -> None:
    old = issuer.token()
    assert (await at.ping(**bearer(old))).status_code != 401
    issuer.rotate()
    assert (await at.ping(**bearer(issuer.token()))).status_code != 401
    assert (await at.ping(**bearer(old))).status_code == 401


async def test_keys_in_a_file_are_read_again_when_they_change(config: Config, issuer: Issuer, tmp_path: Path) -> None:
    file = anyio.Path(tmp_path / "jwks.json")
    with pytest.raises(ConfigError, match=r"jwks_file .* cannot be read"):
        build_service(configured(config, issuer, jwks_file=str(file)), host="127.0.0.1")
    await file.write_text("{}")
    with pytest.raises(ConfigError, match="holds no JSON Web Key Set"):
        build_service(configured(config, issuer, jwks_file=str(file)), host="127.0.0.1")
    await file.write_text(json.dumps(issuer.jwks))
    async with running(configured(config, issuer, jwks_file=str(file))) as at:
        assert (await at.ping(**bearer(issuer.token()))).status_code != 401
        issuer.rotate()
        assert (await at.ping(**bearer(issuer.token()))).status_code == 401
        await file.write_text(json.dumps(issuer.jwks))
        assert (await at.ping(**bearer(issuer.token()))).status_code != 401


async def test_while_keys_cannot_be_fetched_callers_get_a_503_with_retry_after(config: Config, issuer: Issuer) -> None:
    async with running(configured(config, issuer, jwks_url="http://127.0.0.1:9/jwks")) as at:
        refused = await at.ping(**bearer(issuer.token()))
    assert refused.status_code == 503, "a 401 would make clients discard valid tokens"
    assert refused.headers["retry-after"] == str(PAUSE_S)


@pytest.fixture
async def own() -> AsyncIterator[Issuer]:
    """Yield an issuer that has received no request yet."""
    async with issuing() as started:
        yield started


async def test_unknown_key_ids_do_not_flood_the_issuer(own: Issuer) -> None:
    clock = Clock()
    keys = KeysAtUrl(f"{own.url}/jwks", now=clock)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(keys.find, f"made up {number}")
    assert own.fetches == 1
    assert await keys.find(own.kids["RS256"]), "fetched keys are used"
    own.rotate()
    assert await keys.find(own.kids["RS256"]) is None
    clock.now += PAUSE_S
    assert await keys.find(own.kids["RS256"])
    assert own.fetches == 2


async def test_keys_are_refetched_after_a_while_and_used_for_an_hour_if_that_fails(own: Issuer) -> None:
    clock = Clock()
    keys = KeysAtUrl(f"{own.url}/jwks", now=clock)
    kid = own.kids["RS256"]
    assert await keys.find(kid)
    assert await keys.find(kid)
    assert own.fetches == 1
    clock.now += FRESH_S + 1
    own.down = True
    assert await keys.find(kid)
    assert own.fetches == 2
    clock.now += USABLE_S - FRESH_S
    with pytest.raises(KeysUnavailableError):
        await keys.find(kid)
    own.down = False
    own.rotate()
    clock.now += PAUSE_S
    assert await keys.find(kid) is None, "the issuer has withdrawn the key"


async def test_a_symmetric_key_among_the_issuers_is_never_used(config: Config, issuer: Issuer, tmp_path: Path) -> None:
    secret = "s" * 32
    shared = {"kty": "oct", "kid": "shared", "k": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")}
    file = anyio.Path(tmp_path / "jwks.json")
    await file.write_text(json.dumps({"keys": [shared, *issuer.jwks["keys"]]}))
    async with running(configured(config, issuer, jwks_file=str(file))) as at:
        token = jwt.encode(issuer.claims(), secret, "HS256", {"kid": "shared"})
        assert (await at.ping(**bearer(token))).status_code == 401


MALFORMED: dict[str, dict[str, Any]] = {
    "no kind": {"kid": "k1", "kty": None},
    "a list as its kind": {"kty": ["RSA"], "kid": "k1"},
    "an object as its id": {"kid": {"id": "k1"}},
    "a list as its algorithm": {"kid": "k1", "alg": ["RS256"]},
    "a number as its value": {"kid": "k1", "n": 1},
    "an unknown algorithm": {"kid": "k1", "alg": "RS1"},
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_malformed_key_among_the_issuers_is_ignored(
    config: Config, issuer: Issuer, tmp_path: Path, name: str
) -> None:
    bad = {**issuer.jwks["keys"][0], **MALFORMED[name]}
    file = anyio.Path(tmp_path / "jwks.json")
    await file.write_text(json.dumps({"keys": [bad, *issuer.jwks["keys"]]}))
    async with running(configured(config, issuer, jwks_file=str(file))) as at:
        assert (await at.ping(**bearer(issuer.token("RS256")))).status_code != 401


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(Response("<html>"), "no JSON Web Key Set", id="a web page"),
        pytest.param(Response(b"[" * 100_000), "no JSON Web Key Set", id="nested deeply"),
        pytest.param(Response(status_code=302, headers={"location": "/"}), "status 302", id="a redirect"),
        pytest.param(JSONResponse({"keys": []}), "no usable key", id="no key"),
        pytest.param(JSONResponse({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}), "no usable key", id="no id"),
        pytest.param(Response(b" " * 300_000), "more than 262,144 bytes", id="too large"),
    ],
)
async def test_the_log_names_the_reason_why_keys_cannot_be_fetched(
    caplog: pytest.LogCaptureFixture, answer: Response, reason: str
) -> None:
    async def key_set(_: object) -> Response:
        return answer

    app = Starlette(routes=[Route("/jwks", key_set)])
    async with listening(lambda _: app) as url:
        with pytest.raises(KeysUnavailableError):
            await KeysAtUrl(f"{url}/jwks?key=the-secret").find("k1")
    assert f"cannot be fetched (server.http.auth.jwks_url): {reason}" in caplog.text
    assert "the-secret" not in caplog.text


async def test_a_key_set_that_is_too_large_is_not_read_to_its_end() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 100_000
            yield b" " * 100_000
            await anyio.lowlevel.checkpoint()  # lets the server notice that its client has left

    async def key_set(_: object) -> StreamingResponse:
        return StreamingResponse(endless(), media_type="application/json")

    app = Starlette(routes=[Route("/jwks", key_set)])
    async with listening(lambda _: app) as url:
        with pytest.raises(KeysUnavailableError):
            await KeysAtUrl(f"{url}/jwks").find("k1")
    assert sent < 20_000_000
