"""HTTP clients for servers on this machine. They load no certificate authorities, which takes 50 ms per client."""

import ssl
from typing import Any

import httpx
import httpx2

WITHOUT_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(**options: Any) -> httpx.AsyncClient:
    """Return a client for plain HTTP."""
    return httpx.AsyncClient(verify=WITHOUT_AUTHORITIES, **{"timeout": 30, **options})


def sdk_http_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client for plain HTTP of the kind that the transports of the SDK take."""
    return httpx2.AsyncClient(verify=WITHOUT_AUTHORITIES, **{"timeout": 30, **options})
