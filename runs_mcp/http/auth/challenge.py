"""The `WWW-Authenticate` header of refusals (RFC 6750, section 3; RFC 9728, section 5.1)."""

from collections.abc import Iterable

from runs_mcp.config.http_settings import AuthenticationSettings, JwtAuthSettings
from runs_mcp.http.auth.metadata import metadata_url
from runs_mcp.server.permissions.scopes import CREATE, READ


class Challenge:
    """Builds the header: the error, the required scopes, and the URL of the endpoint's metadata."""

    def __init__(self, auth: AuthenticationSettings) -> None:
        self.needed: set[str] = {READ}
        """The scopes that every caller needs."""
        self._metadata = {}
        if isinstance(auth, JwtAuthSettings):
            self.needed |= set(auth.required_scopes)
            self._metadata = {"resource_metadata": metadata_url(auth)}

    def missing(self) -> str:
        """Return the header for a request without a credential."""
        # RFC 6750, section 3.1: no error code if the request has no authentication information.
        return self._header({"scope": _joined({*self.needed, CREATE})})

    def invalid(self, description: str) -> str:
        """Return the header for a credential that is not valid."""
        scope = _joined({*self.needed, CREATE})
        return self._header({"error": "invalid_token", "error_description": description, "scope": scope})

    def insufficient(self, needed: Iterable[str], held: Iterable[str]) -> str:
        """Return the header for a caller that lacks some of the scopes `needed`; `held` are its scopes."""
        # A client requests a new token with exactly these scopes, so its current scopes are included ("Scope Challenge
        # Handling" of MCP 2026-07-28); otherwise it would lose them.
        description = f"Needed: {', '.join(sorted(needed))}"
        scope = _joined({*needed, *({READ, CREATE} & {*held})})
        return self._header({"error": "insufficient_scope", "error_description": description, "scope": scope})

    def _header(self, parameters: dict[str, str]) -> str:
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in {**parameters, **self._metadata}.items())


def _joined(scopes: Iterable[str]) -> str:
    return " ".join(sorted(scopes))
