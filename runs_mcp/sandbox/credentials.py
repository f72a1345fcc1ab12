"""The sandbox's own keys and tokens: real JWTs, of no use anywhere else."""

import secrets
import time
from collections.abc import Mapping

import jwt

DEMO_KEY = "sk-sandbox-demo"
EXECUTE_ONLY_KEY = "pk-sandbox-demo"
LIFETIME_S = 3_600

READ, EXECUTE = "run:read", "interaction:execute"
PERMISSIONS: Mapping[str, tuple[str, ...]] = {DEMO_KEY: (READ, EXECUTE), EXECUTE_ONLY_KEY: (EXECUTE,)}
ACCOUNT = {"id": "66a1f0c2e4b0a1b2c3d4acc0", "name": "Sandbox"}
PROJECT = {"id": "66a1f0c2e4b0a1b2c3d4bee0", "name": "Demo"}


class Tokens:
    """Issues tokens for the demo keys, and reads them again."""

    def __init__(self, lifetime_s: float = LIFETIME_S) -> None:
        self._secret = secrets.token_hex(32)
        self._lifetime_s = lifetime_s

    def issue(self, key: str) -> str | None:
        """A token for a key; none for a key that is not one of the sandbox's."""
        if key not in PERMISSIONS:
            return None
        now = time.time()
        claims = {
            "sub": f"apikey:{key[:2]}",
            "name": "Sandbox demo key",
            "type": "apikey",
            "account": ACCOUNT,
            "project": {**PROJECT, "account": ACCOUNT["id"]},
            "permissions": list(PERMISSIONS[key]),
            "iat": int(now),
            "exp": int(now + self._lifetime_s),
        }
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def permissions(self, token: str) -> tuple[str, ...] | None:
        """What the bearer of `token` may do; None if it is not a valid token."""
        try:
            claims = jwt.decode(token, self._secret, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return None
        return tuple(claims.get("permissions", ()))
