"""Answers other than 2xx, in the form of the platform."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse


class Refusal(Exception):  # noqa: N818 - an answer to a request, not a fault of the sandbox
    """An answer other than 2xx."""

    def __init__(
        self, status: HTTPStatus, message: str, *, details: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.details = details
        self.headers = headers

    def response(self) -> JSONResponse:
        """Return the answer: `{"error", "status", "message", "details"?}`."""
        body: dict[str, Any] = {"error": self.status.phrase, "status": self.status.value, "message": str(self)}
        if self.details:
            body["details"] = self.details
        return JSONResponse(body, self.status, headers=self.headers)


def bad_request(message: str, *, details: str | None = None) -> Refusal:
    """Return the refusal of a request that makes no sense."""
    return Refusal(HTTPStatus.BAD_REQUEST, message, details=details)


def invalid(details: str) -> Refusal:
    """Return the refusal of a request that breaks the contract; `details` names the place."""
    return bad_request("Request validation failed.", details=details)


def not_found(message: str) -> Refusal:
    """Return the refusal of a request for something that does not exist."""
    return Refusal(HTTPStatus.NOT_FOUND, message)
