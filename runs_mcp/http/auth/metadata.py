"""Metadata of the protected resource (RFC 9728), which OAuth clients read before they call the endpoint."""

from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.routing import Route

from runs_mcp.config.http_settings import JwtAuthSettings
from runs_mcp.server.scopes import CREATE, READ

_URL = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Clients compare issuers as texts, so that a slash must not be added to a bare host."""


def metadata_url(auth: JwtAuthSettings) -> str:
    """Return the public URL of the metadata."""
    return str(build_resource_metadata_url(_URL.validate_python(auth.resource_url)))


def metadata_routes(auth: JwtAuthSettings) -> list[Route]:
    """The route that serves it, at the well-known path before that of the endpoint."""
    return create_protected_resource_routes(
        _URL.validate_python(auth.resource_url),
        [_URL.validate_python(auth.issuer)],
        scopes_supported=[READ, CREATE, *auth.required_scopes],
        resource_name="Runs",
    )
