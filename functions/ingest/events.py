"""The event shapes that ingest accepts, and what they say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from earshot.events import AnalysisContinues

if TYPE_CHECKING:
    from collections.abc import Iterator


class UnknownEvent(ValueError):
    """A message that is none of the accepted shapes; it belongs in the dead-letter queue."""


@dataclass(frozen=True)
class ObjectCreated:
    """An object appeared."""

    bucket: str
    key: str


@dataclass(frozen=True)
class ObjectDeleted:
    """An object, a version of one, or a delete marker went, or a delete marker came."""

    bucket: str
    key: str


@dataclass(frozen=True)
class RecordingLeft:
    """A recording of our bucket is heard in part, and somebody has to go on with it."""

    key: str


Thing = ObjectCreated | ObjectDeleted | RecordingLeft

# As EventBridge calls them.
BRIDGED: dict[str, type[ObjectCreated | ObjectDeleted]] = {
    "Object Created": ObjectCreated,
    "Object Deleted": ObjectDeleted,
}
# As S3's own notifications begin; `LifecycleExpiration` is what a rule of the bucket deleted.
CREATED = ("ObjectCreated:", "s3:ObjectCreated:")
DELETED = ("ObjectRemoved:", "s3:ObjectRemoved:", "LifecycleExpiration:", "s3:LifecycleExpiration:")


def objects(body: str) -> Iterator[Thing]:
    """The objects that a queue message speaks of; raises UnknownEvent.

    Accepted: EventBridge's ``Object Created`` and ``Object Deleted``, whose keys are plain; S3's
    own notification with ``Records``, whose keys are URL-encoded; our own ``AnalysisContinues``;
    also S3's test event, which speaks of none. Emulators encode keys in both of the first, so
    ``%2F`` in an EventBridge key is decoded as well.
    """
    try:
        event = json.loads(body)
        if event.get("Event") == "s3:TestEvent":
            return
        if event.get("detail-type") == AnalysisContinues.name:
            yield RecordingLeft(event["detail"]["key"])
            return
        if kind := BRIDGED.get(event.get("detail-type")):
            detail = event["detail"]
            yield kind(detail["bucket"]["name"], _plain(detail["object"]["key"]))
            return
        for record in event["Records"]:
            name, thing = record["eventName"], record["s3"]
            bucket, key = thing["bucket"]["name"], unquote_plus(thing["object"]["key"])
            if name.startswith(CREATED):
                yield ObjectCreated(bucket, key)
            elif name.startswith(DELETED):
                yield ObjectDeleted(bucket, key)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownEvent(f"Not an event that ingest knows: {error!r}: {body[:500]}") from error


def _plain(key: str) -> str:
    """EventBridge's key: decoded only if it was encoded as a whole, as emulators do."""
    return unquote_plus(key) if "%2F" in key and "/" not in key else key
