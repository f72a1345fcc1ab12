"""An authorization server on a real port, which publishes its keys and issues tokens to clients."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.upstream import listening

RESOURCE = "https://runs.example.com/mcp"
READ = "runs:read"
BOTH = "runs:read runs:create"
Claims = Mapping[str, Any]


class Issuer:
    """An issuer of tokens, and the keys that sign them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.fetches = 0
        """Number of requests for the keys."""
        self.down = False
        """True: requests for the keys fail."""
        self.rotate()

    def rotate(self) -> None:
        """Sign with new keys, and forget the old keys."""
        self.rsa = rsa.generate_private_key(65_537, 2_048)
        self._ec, self._ed = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
        self.keys: dict[str, Any] = {"RS256": self.rsa, "ES256": self._ec, "EdDSA": self._ed}
        self.kids = {algorithm: f"{algorithm}-{uuid4().hex}" for algorithm in self.keys}

    @property
    def jwks(self) -> dict[str, Any]:
        """Return the public keys."""
        documents = {
            "RS256": RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True),
            "ES256": ECAlgorithm.to_jwk(self._ec.public_key(), as_dict=True),
            "EdDSA": OKPAlgorithm.to_jwk(self._ed.public_key(), as_dict=True),
        }
        return {"keys": [{**key, "kid": self.kids[algorithm]} for algorithm, key in documents.items()]}

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a valid token, with `changes`; None removes a claim."""
        now = int(time.time())
        good = {"iss": self.url, "aud": RESOURCE, "sub": "alice", "exp": now + 600, "iat": now, "scope": READ}
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, algorithm: str = "ES256", *, header: Claims | None = None, **changes: Any) -> str:
        """Return a valid token with `changes`."""
        headers = {"kid": self.kids[algorithm], **(header or {})}
        return jwt.encode(self.claims(**changes), self.keys[algorithm], algorithm, headers)

    async def _jwks(self, _: Request) -> Response:
        self.fetches += 1
        return Response(status_code=500) if self.down else JSONResponse(self.jwks)

    async def _metadata(self, _: Request) -> Response:
        """Return the metadata of the authorization server (RFC 8414)."""
        return JSONResponse(
            {
                "issuer": self.url,
                "token_endpoint": f"{self.url}/token",
                "authorization_endpoint": f"{self.url}/authorize",
                "response_types_supported": ["code"],
                "grant_types_supported": ["client_credentials", "authorization_code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        scope = str(form.get("code") or form["scope"])  # the code of a person names the scopes that it grants
        token = self.token(aud=str(form["resource"]), scope=scope)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "scope": scope})

    @property
    def app(self) -> Starlette:
        """Return the web application of the issuer."""
        return Starlette(
            routes=[
                Route("/jwks", self._jwks),
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/token", self._token, methods=["POST"]),
            ]
        )


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """Serve an issuer for the duration of the block."""
    issuers: list[Issuer] = []

    def build(url: str) -> Starlette:
        issuers.append(Issuer(url))
        return issuers[0].app

    async with listening(build):
        yield issuers[0]
