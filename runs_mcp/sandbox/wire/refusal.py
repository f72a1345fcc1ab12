"""Error responses in the format of the platform."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse


class Refusal(Exception):  # noqa: N818 - a response to a request, not an error of the sandbox
    """An error response."""

    def __init__(
        self, status: HTTPStatus, message: str, *, details: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = details
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the response: `{"error", "status", "message", "details"?}`."""
        body: dict[str, Any] = {"error": self.status.phrase, "status": self.status.value, "message": str(self)}
        if self.details:
            body["details"] = self.details
        return JSONResponse(body, self.status, headers=self.headers)


def bad_request(message: str) -> Refusal:
    """Return the refusal of a malformed request, status 400."""
    return Refusal(HTTPStatus.BAD_REQUEST, message)


def invalid(details: str) -> Refusal:
    """Return the refusal of a request that breaks the contract; `details` names the place."""
    return Refusal(HTTPStatus.BAD_REQUEST, "Request validation failed.", details=details)


def not_found(message: str) -> Refusal:
    """Return the refusal of a request for an unknown object, status 404."""
    return Refusal(HTTPStatus.NOT_FOUND, message)
