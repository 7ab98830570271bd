"""Files that are too big for the API: told where to go, put together when they are there."""

from __future__ import annotations

from typing import Annotated

from earshot import errors
from earshot.services.uploads import Wish
from fastapi import APIRouter, Path, Query

from predict.manual import responses
from predict.requests import UseCases
from predict.schemas import uploads as schemas

router = APIRouter(tags=["uploads"])

UploadId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9._~+=-]{1,1024}$",
        description="As `POST /uploads` answered it.",
        examples=["JEArMTmzjrkGtQdRMKHzZHJhvVelxSznaD7F8HebhSQMlndH8maoIs13w"],
    ),
]
TOO_LARGE = (errors.RecordingTooLarge, errors.ArchiveTooLarge)


@router.post(
    "/uploads",
    status_code=201,
    responses=responses(errors.BadKey, errors.UnknownLabel, *TOO_LARGE, errors.UploadConflict),
)
def ask(services: UseCases, wish: schemas.UploadRequest) -> schemas.Upload:
    """Where to send a file: a sample, a recording or a zip archive.

    It goes straight to the bucket, not through the API: up to 100 MB as one form, above in parts.
    What becomes of it then is told by `GET /samples` and `GET /recordings`.

    An upload that was cut off is resumed by asking again with the same `sha256`, name and place:
    parts that arrived are `stored`, a file that is there whole is not wanted any more.
    """
    upload = services.uploads.ask(Wish(**wish.model_dump()))
    return schemas.Upload.model_validate(upload, from_attributes=True)


@router.post(
    "/uploads/{upload_id}/complete",
    responses=responses(errors.UploadNotFound, errors.PartsMissing, errors.BadKey, *TOO_LARGE),
)
def complete(
    services: UseCases, upload_id: UploadId, completion: schemas.Completion
) -> schemas.Completed:
    """Make one file of the parts that were sent.

    409 names those that are `missing`. Safe to repeat: a file that is whole stays so.
    """
    services.uploads.complete(completion.key, upload_id, completion.size)
    return schemas.Completed(key=completion.key)


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    responses=responses(errors.UploadNotFound, errors.BadKey),
)
def abandon(
    services: UseCases,
    upload_id: UploadId,
    key: Annotated[
        str, Query(min_length=1, max_length=1024, description="As `POST /uploads` answered it.")
    ],
) -> None:
    """Forget an upload in parts, and the parts. Left alone, it is forgotten after two days."""
    services.uploads.abandon(key, upload_id)
