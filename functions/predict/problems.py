"""Errors as RFC 9457 problems: one table from exceptions to statuses."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from earshot import errors
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

logger = logging.getLogger(__name__)

# The first row that an exception is an instance of decides, so the special come first.
STATUSES: dict[type[Exception], int] = {
    errors.UnsupportedFormat: 415,
    errors.BadRecording: 422,
    errors.RecordingTooLarge: 413,
    errors.BadSample: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PromotionRefused: 422,
    errors.NoModel: 503,
    errors.BadBundle: 503,
    ClientError: 503,
    BotoCoreError: 503,
}


class Problem(JSONResponse):
    """A response of media type ``application/problem+json``."""

    media_type = "application/problem+json"


def answer(request: Request, status: int, code: str, detail: str) -> Problem:
    """A problem in its outer form."""
    return Problem(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": detail,
            "instance": request.url.path,
            "request_id": getattr(request.state, "request_id", None),
        },
        status_code=status,
    )


def problem(request: Request, error: Exception) -> Problem:
    """The answer to an exception of the table."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    if isinstance(error, ClientError | BotoCoreError):
        logger.error("AWS failed: %s", error)
        return answer(
            request, status, "aws_unavailable", "A service behind the API failed. Try again."
        )
    return answer(request, status, getattr(error, "code", "error"), str(error))


def _invalid(request: Request, error: Exception) -> Problem:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )
    return answer(request, 422, "invalid_request", faults)


def _http(request: Request, error: Exception) -> Problem:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    made = answer(request, error.status_code, phrase.lower().replace(" ", "_"), str(error.detail))
    made.headers.update(error.headers or {})
    return made


def _unexpected(request: Request, error: Exception) -> Problem:
    logger.error("Unexpected: %s", error, exc_info=error)
    return answer(
        request, 500, "internal_error", "Something failed inside Earshot; it has been logged."
    )


def install(app: FastAPI) -> None:
    """Answer every exception with a problem."""
    for kind in STATUSES:
        app.add_exception_handler(kind, problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
