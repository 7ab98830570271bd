"""What every request gets: an identity, a size limit, and the use cases."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from earshot.errors import EmptyRecording, RecordingTooLarge
from earshot.services import Services
from fastapi import Depends, Request
from starlette.datastructures import UploadFile

from predict.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
            answered = True
            await send(message)

        try:
            await self._app(scope, count, note)
        except _OverLimit:
            if answered:
                raise
            await _too_large(scope, receive, send)


class _OverLimit(Exception):
    """The body that is being read has passed the limit."""


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    error = RecordingTooLarge(
        f"The body is larger than {MAX_BODY_BYTES / 1e6:.1f} MB. Put the recording into the "
        "recordings bucket instead, under samples/<label>/ or recordings/<site>/."
    )
    await problem(Request(scope), error)(scope, receive, send)


def services(request: Request) -> Services:
    """The use cases of this application."""
    found: Services = request.app.state.services
    return found


def request_id(request: Request) -> str:
    """The identity of this request."""
    found: str = request.state.request_id
    return found


async def recording(request: Request) -> bytes:
    """The recording of a request: the multipart field ``file``, or the whole body.

    Raises EmptyRecording when there is neither.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise EmptyRecording("The form has no file in its field 'file'. Send a recording.")
        return await file.read()


UseCases = Annotated[Services, Depends(services)]
RequestIdentity = Annotated[str, Depends(request_id)]
Recording = Annotated[bytes, Depends(recording)]

RECORDING_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
