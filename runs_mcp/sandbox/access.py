"""The keys, tokens and permissions of the sandbox. They are invalid everywhere else, so they need no protection."""

import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

DEMO_KEY = "sk-sandbox-demo"
EXECUTE_ONLY_KEY = "pk-sandbox-demo"
READ_ONLY_KEY = "sk-sandbox-read-only"
LIFETIME_S = 3_600

# Names of the platform's permissions, which clients read in the token.
READ, WRITE, EXECUTE = "run:read", "run:write", "interaction:execute"
READ_INTERACTIONS, READ_ENVIRONMENTS = "interaction:read", "account:member"
WRITE_INTERACTIONS, DELETE_INTERACTIONS = "interaction:write", "interaction:delete"
CONFIGURE, ADMINISTER_ENVIRONMENTS = "project:settings_write", "environment:admin"
CHANGES = (WRITE_INTERACTIONS, DELETE_INTERACTIONS, CONFIGURE, ADMINISTER_ENVIRONMENTS)
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    DEMO_KEY: (READ, WRITE, EXECUTE, READ_INTERACTIONS, READ_ENVIRONMENTS, *CHANGES),
    EXECUTE_ONLY_KEY: (EXECUTE,),
    READ_ONLY_KEY: (READ, READ_INTERACTIONS, READ_ENVIRONMENTS),
}
ACCOUNT = {"id": "66a1f0c2e4b0a1b2c3d4acc0", "name": "Sandbox"}
PROJECT = {"id": "66a1f0c2e4b0a1b2c3d4bee0", "name": "Demo"}


class Tokens:
    """The tokens issued for the demo keys: JSON Web Tokens, whose expiry and permissions clients can read."""

    def __init__(self, lifetime_s: float = LIFETIME_S) -> None:
        self._secret = secrets.token_bytes(32)  # for each process: a restart invalidates all tokens
        self._lifetime_s = lifetime_s
        self._issued: dict[str, tuple[float, tuple[str, ...]]] = {}

    def issue(self, key: str) -> str | None:
        """Return a token for a key, or None if the key does not belong to the sandbox."""
        if key not in PERMISSIONS:
            return None
        now = time.time()
        self._forget_expired(now)
        expires = now + self._lifetime_s
        token = self._sign(
            {
                "sub": f"apikey:{key[:2]}",
                "jti": secrets.token_hex(8),
                "name": "Sandbox demo key",
                "type": "apikey",
                "account": ACCOUNT,
                "project": {**PROJECT, "account": ACCOUNT["id"]},
                "permissions": list(PERMISSIONS[key]),
                "iat": int(now),
                "exp": int(expires),
            }
        )
        self._issued[token] = expires, PERMISSIONS[key]
        return token

    def permissions(self, token: str) -> tuple[str, ...] | None:
        """Return the permissions of the bearer of `token`, or None if the token is unknown or expired."""
        expires, permissions = self._issued.get(token, (0.0, ()))
        return permissions if expires > time.time() else None

    def _forget_expired(self, now: float) -> None:
        self._issued = {token: issued for token, issued in self._issued.items() if issued[0] > now}

    def _sign(self, claims: Mapping[str, Any]) -> str:
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
        return f"{signed}.{_base64(hmac.digest(self._secret, signed.encode(), hashlib.sha256))}"


def _encode(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
