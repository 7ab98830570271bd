"""What every request gets: an identity, a size limit, an answer to HEAD, and the use cases."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from earshot.errors import EmptyRecording, RecordingTooLarge
from earshot.services import Services
from fastapi import Depends, Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile

from predict.problems import InvalidRequest, MalformedForm, UnsupportedMediaType, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Base64 inside Lambda's 6 MB leaves this much for a body.
MAX_BODY_BYTES = 4_400_000
# Of labelled clips in one form, and of its other fields.
MAX_FILES = 100
MAX_FIELDS = 10


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


def services(request: Request) -> Services:
    """The use cases of this application."""
    found: Services = request.app.state.services
    return found


def request_id(request: Request) -> str:
    """The identity of this request."""
    found: str = request.state.request_id
    return found


async def is_form(request: Request) -> bool:
    """Whether the body is a multipart form; raises MalformedForm for one without its end.

    The parser drops the part that was cut, and says nothing of it.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return False
    boundary = options.get(b"boundary")
    if boundary and b"--" + boundary + b"--" not in await request.body():
        raise MalformedForm("The form cannot be read: its end is missing. Send it again.")
    return True


async def recording(request: Request) -> bytes:
    """The recording of a request: the multipart field ``file``, or the whole body.

    Raises EmptyRecording when there is neither, and MalformedForm.
    """
    if not await is_form(request):
        return await request.body()
    async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise EmptyRecording("The form has no file in its field 'file'. Send a recording.")
        return await file.read()


@dataclass(frozen=True)
class LabelledFiles:
    """What a form of labelled clips holds: names and bytes, and what is said of all of them."""

    files: list[tuple[str, bytes]]
    label: str | None
    recording: str | None


async def labelled_files(request: Request) -> LabelledFiles:
    """The form of a request: files in ``files`` or ``file``, and ``label`` and ``recording``.

    A text that is left empty is as good as none. Raises UnsupportedMediaType, or InvalidRequest
    for a form that holds anything else.
    """
    if not await is_form(request):
        said = request.headers.get("content-type", "nothing")[:100]
        raise UnsupportedMediaType(
            f"The Content-Type says {said}. Send multipart/form-data, with the clips in `files`."
        )
    async with request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS) as form:
        known = {"files", "file", "label", "recording"}
        if strangers := sorted(form.keys() - known):
            raise InvalidRequest(
                f"The form has a field {strangers[0][:100]!r}. It takes `files`, `label` and "
                "`recording`."
            )
        files = [*form.getlist("files"), *form.getlist("file")]
        if not files:
            raise InvalidRequest("The form has no file in its field `files`. Send recordings.")
        if not all(isinstance(file, UploadFile) for file in files):
            raise InvalidRequest("A part of the field `files` has no file name: it is no file.")
        texts: dict[str, str | None] = {}
        for name in ("label", "recording"):
            values = form.getlist(name)
            if len(values) > 1 or any(isinstance(value, UploadFile) for value in values):
                raise InvalidRequest(
                    f"The field `{name}` is there twice, or is a file. It is one text for all "
                    "files; send those of another one in another form."
                )
            texts[name] = str(values[0]) or None if values else None
        return LabelledFiles(
            [
                (file.filename or "", await file.read())
                for file in files
                if isinstance(file, UploadFile)
            ],
            texts["label"],
            texts["recording"],
        )


UseCases = Annotated[Services, Depends(services)]
RequestIdentity = Annotated[str, Depends(request_id)]
Recording = Annotated[bytes, Depends(recording)]
Labelled = Annotated[LabelledFiles, Depends(labelled_files)]

RECORDING_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One recording: a form with the field `file`, or the file itself as the "
        "whole body. What it is is told by its content, whatever its name or type says.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    # Other fields are not looked at, within reason.
                    "maxProperties": 1 + MAX_FIELDS,
                    "additionalProperties": {"type": "string"},
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "curl: `-F file=@siren.wav`",
                        }
                    },
                }
            },
            "audio/*": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "curl: `--data-binary @siren.wav -H 'Content-Type: audio/wav'`",
                }
            },
        },
    }
}

LABELLED_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MAX_FILES,
                            "description": "Recordings, 0.1 s to 10 min each; all in 4.4 MB.",
                        },
                        "label": {
                            "type": "string",
                            "description": "Of all files. Without it each name begins with its "
                            "own: `siren_1.wav`, `car horn 2.flac`.",
                        },
                        "recording": {
                            "type": "string",
                            "description": "What all files were cut from, if they were: clips of "
                            "one recording are never both learnt from and tested on.",
                        },
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}
