"""Errors as RFC 9457 problems: one table from exceptions to statuses."""

from __future__ import annotations

import logging
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from earshot import errors
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fastapi import FastAPI

logger = logging.getLogger(__name__)

NOTHING: Mapping[str, Any] = MappingProxyType({})
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


class HttpError(Exception):
    """What goes wrong around the use cases; with a ``code`` as the package's errors have it."""

    code = "error"


class MalformedForm(HttpError):
    """The body is not the form that its Content-Type says, or has too many parts."""

    code = "malformed_form"


class MalformedJson(HttpError):
    """The body is not JSON, or is cut short, or has numbers or a depth beyond all use."""

    code = "malformed_json"


class PathNotFound(HttpError):
    """There is no such path."""

    code = "not_found"


class MethodNotAllowed(HttpError):
    """The path does not take this method; the header Allow names those that it takes."""

    code = "method_not_allowed"


class UnsupportedMediaType(HttpError):
    """The route does not read what the Content-Type says that the body is."""

    code = "unsupported_media_type"


class InvalidRequest(HttpError):
    """A parameter or a field is missing, or is not what it has to be."""

    code = "invalid_request"


class InternalError(HttpError):
    """Something failed inside Earshot; it has been logged under the `request_id`."""

    code = "internal_error"


class AwsUnavailable(HttpError):
    """A service behind the API failed or was slow."""

    code = "aws_unavailable"


# The first row that an exception is an instance of decides, so the special come first.
STATUSES: dict[type[Exception], int] = {
    MalformedForm: 400,
    MalformedJson: 400,
    PathNotFound: 404,
    MethodNotAllowed: 405,
    UnsupportedMediaType: 415,
    InvalidRequest: 422,
    errors.UnsupportedFormat: 415,
    errors.BadRecording: 422,
    errors.RecordingTooLarge: 413,
    errors.ResultsTooLarge: 422,
    errors.BadTimeSpan: 422,
    errors.ArchiveTooLarge: 413,
    errors.BadSample: 422,
    errors.TokenRequired: 401,
    errors.TokenInvalid: 401,
    errors.ScopeMissing: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PromotionRefused: 422,
    errors.NoModel: 503,
    errors.BadBundle: 503,
    AwsUnavailable: 503,
    InternalError: 500,
}

# As RFC 9110 has them; Python does from 3.13 on.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def status_of(kind: type[Exception]) -> int:
    """The status that a kind of exception is answered with."""
    return next(status for row, status in STATUSES.items() if issubclass(kind, row))


def phrase(status: int) -> str:
    """A status in words."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


class Problem(JSONResponse):
    """A response of media type ``application/problem+json``."""

    media_type = "application/problem+json"


def members(
    status: int, code: str, detail: str, path: str, request_id: str | None
) -> dict[str, Any]:
    """A problem's members; ``path`` as it was asked for, percent signs resolved."""
    return {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "code": code,
        "detail": detail,
        "instance": quote(path),
        "request_id": request_id,
    }


def answer(
    request: Request, status: int, code: str, detail: str, more: Mapping[str, Any] = NOTHING
) -> Problem:
    """A problem in its outer form, with ``more`` members of its own kind."""
    request_id = getattr(request.state, "request_id", None)
    # Not ``request.url``: a host that is none makes it fail.
    content = members(status, code, detail, request.scope["path"], request_id)
    return Problem({**more, **content}, status)


def problem(request: Request, error: Exception) -> Problem:
    """The answer to an exception of the table."""
    request.state.error = error
    status = status_of(type(error))
    more = getattr(error, "members", NOTHING)
    made = answer(request, status, getattr(error, "code", "error"), str(error), more)
    if status == HTTPStatus.UNAUTHORIZED:
        made.headers["www-authenticate"] = "Bearer"
    return made


def _aws(request: Request, error: Exception) -> Problem:
    logger.error("AWS failed: %s", error)
    return problem(request, AwsUnavailable("A service behind the API failed. Try again."))


def _invalid(request: Request, error: Exception) -> Problem:
    from fastapi.exceptions import RequestValidationError

    if not isinstance(error, RequestValidationError):
        raise error
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        (fault,) = faults
        return problem(
            request,
            MalformedJson(
                f"The body is not JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}."
            ),
        )
    # FastAPI leaves a body undecoded that is not said to be JSON.
    if isinstance(error.body, bytes):
        said = request.headers.get("content-type", "nothing")[:100]
        return problem(
            request,
            UnsupportedMediaType(
                f"The Content-Type says {said}. Send JSON, with Content-Type: application/json."
            ),
        )
    return problem(
        request,
        InvalidRequest(
            "; ".join(
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in faults
            )
        ),
    )


def _http(request: Request, error: Exception) -> Problem:
    """What Starlette and FastAPI refuse themselves."""
    if not isinstance(error, HTTPException):
        raise error
    path = request.scope["path"]
    if error.status_code == HTTPStatus.NOT_FOUND:
        made = problem(
            request,
            PathNotFound(f"There is nothing at {path[:200]}. GET /docs lists what there is."),
        )
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_allowed(request))
        made = problem(request, MethodNotAllowed(f"{path[:200]} takes {allowed}."))
        made.headers["allow"] = allowed
    elif error.status_code == HTTPStatus.BAD_REQUEST:
        is_form = "form" in request.headers.get("content-type", "")
        made = problem(
            request,
            MalformedForm(f"The form cannot be read: {error.detail}")
            if is_form
            else MalformedJson("The body cannot be read as JSON. Send it in UTF-8, and plain."),
        )
    else:
        code = phrase(error.status_code).lower().replace(" ", "_")
        made = answer(request, error.status_code, code, str(error.detail))
        made.headers.update(error.headers or {})
    return made


def _allowed(request: Request) -> list[str]:
    """All methods that the request's path takes: Starlette names those of the first route only."""
    methods = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return sorted([*methods, "HEAD"]) if "GET" in methods else methods


def _gone(request: Request, _: Exception) -> Problem:
    """To a client that hung up in the middle: nobody reads it, but it is no failure of ours."""
    return problem(request, MalformedForm("The connection ended before the body did."))


def unexpected(request: Request, error: Exception) -> Problem:
    """The answer to any other exception, whose traceback is logged."""
    logger.error("Unexpected: %s", error, exc_info=error)
    return problem(
        request, InternalError("Something failed inside Earshot; it has been logged. Try again.")
    )


# What answers which exception.
HANDLERS: dict[Any, Callable[[Request, Exception], Problem]] = {
    **dict.fromkeys(STATUSES, problem),
    ClientError: _aws,
    BotoCoreError: _aws,
    HTTPException: _http,
    ClientDisconnect: _gone,
    Exception: unexpected,
}


def install(app: FastAPI) -> None:
    """Answer every exception with a problem, FastAPI's own as well."""
    from fastapi.exceptions import RequestValidationError

    for kind, handler in {**HANDLERS, RequestValidationError: _invalid}.items():
        app.add_exception_handler(kind, handler)
