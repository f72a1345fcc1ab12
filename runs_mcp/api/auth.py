"""Signing requests with a JWT, and once more with another when it is refused."""

from collections.abc import AsyncGenerator, Generator
from http import HTTPStatus

import httpx
from typing_extensions import override

from runs_mcp.api.credentials import Tokens


class RunsAuth(httpx.Auth):
    """Puts the JWT in the Authorization header, or in the `access_token` parameter where told to."""

    def __init__(self, tokens: Tokens, *, in_query: bool = False) -> None:
        self._tokens = tokens
        self._in_query = in_query

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._tokens.current()
        self._sign(request, token)
        response = yield request
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return
        # Nothing is carried out for a request that was not let in, so any of them may be sent again.
        renewed = await self._tokens.renewed(refused=token)
        if renewed != token:
            self._sign(request, renewed)
            yield request

    @override
    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        raise RuntimeError("RunsAuth signs requests of an httpx.AsyncClient")

    def _sign(self, request: httpx.Request, token: str) -> None:
        if self._in_query:
            request.url = request.url.copy_set_param("access_token", token)
        else:
            request.headers["Authorization"] = f"Bearer {token}"
