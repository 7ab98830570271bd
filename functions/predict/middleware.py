"""What every request gets around its route: an identity, a record, a size limit, HEAD answered.

ASGI middleware, and nothing that takes long to import: the first prediction waits for it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, TypeVar

from earshot.errors import RecordingTooLarge
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request

from predict.problems import problem
from predict.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

App = TypeVar("App", bound="ASGIApp")

# Base64 inside Lambda's 6 MB leaves this much for a body.
MAX_BODY_BYTES = 4_400_000


class RequestId:
    """ASGI middleware: names each request by Lambda's own id, or a new one, in an answer header."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with ``request_id`` in its state."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        context = scope.get("aws.context")
        request_id = getattr(context, "aws_request_id", None) or str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        await self._app(scope, receive, send_named)


class Head:
    """ASGI middleware: HEAD answers what GET would, without its body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as GET, and keep its answer's body back."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_bare(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_bare)


class BodyLimit:
    """ASGI middleware: refuses a body over MAX_BODY_BYTES, by its header or while it comes in.

    FastAPI's own limit answers in plain text, not with a problem.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        # Python refuses to read a number of thousands of digits.
        announced = headers.get(b"content-length", b"0")[:20]
        if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
            await _too_large(scope, receive, send)
            return
        received = 0
        answered = False

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise _OverLimit
            return message

        async def note(message: Message) -> None:
            nonlocal answered
            # What is said of a body that could not be read to its end is not what is wrong with it.
            if answered or received <= MAX_BODY_BYTES:
                answered = True
                await send(message)

        try:
            await self._app(scope, count, note)
        except _OverLimit:
            if answered:
                raise
        if received > MAX_BODY_BYTES and not answered:
            await _too_large(scope, receive, send)


class _OverLimit(Exception):
    """The body that is being read has passed the limit."""


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    error = RecordingTooLarge(
        f"The body is larger than {MAX_BODY_BYTES / 1e6:.1f} MB. What is larger goes to the "
        "recordings bucket: POST /uploads tells how."
    )
    await problem(Request(scope), error)(scope, receive, send)


def around(cold_starts: Iterator[bool]) -> list[Middleware]:
    """What stands around the API and around the door's quick way alike, the outermost first."""
    return [
        Middleware(RequestId),
        Middleware(Telemetry, cold_starts),
        Middleware(BodyLimit),
        Middleware(Head),
    ]


def across(app: App, origins: tuple[str, ...]) -> App | CORSMiddleware:
    """Let pages of other origins call an application; without any it stays as it is.

    Around everything, so that every answer can be read there, the refusals and failures as well.
    Browsers send no credentials of their own along: a token is no cookie.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "Content-Type"),
        expose_headers=("X-Request-Id",),
    )
