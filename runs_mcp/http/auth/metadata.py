"""Protected resource metadata (RFC 9728), which OAuth clients read to find the authorization server."""

from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.routing import Route

from runs_mcp.config.http_settings import JwtAuthSettings
from runs_mcp.server.permissions.scopes import CREATE, MANAGE, READ

_URL = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Issuers are compared as strings (RFC 8414, section 3.3), so no slash is added to a URL without a path."""


def metadata_url(auth: JwtAuthSettings) -> str:
    """Return the public URL of the metadata."""
    return str(build_resource_metadata_url(_URL.validate_python(auth.resource_url)))


def metadata_routes(auth: JwtAuthSettings, *, manages: bool) -> list[Route]:
    """Return the route of the metadata, at the well-known prefix followed by the endpoint's path.

    `manages`: some callers are offered the tools of `server.manage`.
    """
    # RFC 9728, section 3.1. The prefix is inserted between host and path, so that a host can serve several resources.
    return create_protected_resource_routes(
        _URL.validate_python(auth.resource_url),
        [_URL.validate_python(auth.issuer)],
        scopes_supported=[READ, CREATE, *([MANAGE] if manages else []), *auth.required_scopes],
        resource_name="Runs",
    )
