"""What a request's body holds: a recording, or a form of labelled clips."""

from __future__ import annotations

from dataclasses import dataclass

from earshot.errors import EmptyRecording
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.requests import Request

from predict.problems import InvalidRequest, MalformedForm, UnsupportedMediaType

# Of labelled clips in one form, and of its other fields.
MAX_FILES = 100
MAX_FIELDS = 10


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
