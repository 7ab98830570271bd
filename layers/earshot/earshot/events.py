"""Earshot's own events: their names, their payloads, and how they are published."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, ClassVar

from earshot.recording import Alert

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

SOURCE = "earshot"


@dataclass(frozen=True)
class RetrainRequested:
    """A run is claimed and waits for a worker."""

    name: ClassVar[str] = "RetrainRequested"
    run: str
    reason: str
    requested_at: str


@dataclass(frozen=True)
class ModelPromoted:
    """The champion has changed, forwards or back; a version of None is the default bundle."""

    name: ClassVar[str] = "ModelPromoted"
    version: str | None
    previous: str | None
    reason: str
    promoted_at: str


@dataclass(frozen=True)
class AnalysisContinues:
    """A recording is heard in part, and somebody has to go on with it."""

    name: ClassVar[str] = "AnalysisContinues"
    key: str
    recording: str


@dataclass(frozen=True)
class DetectionAlert(Alert):
    """An alert was raised; who hears of one twice knows it by its id.

    ``summary`` says it in a sentence or two; ``test`` whether somebody only tries the way it takes.
    """

    name: ClassVar[str] = "DetectionAlert"
    summary: str = ""
    test: bool = False


@dataclass(frozen=True)
class DriftDetected:
    """A site does not sound as what ``version`` was judged by, since ``since``.

    By these three who hears of it twice knows it; ``labels`` are those that it was told of, and
    may be none where only all together tell. ``p``, ``more_novel`` and ``surer`` are as in
    ``drift.comparison.Shift``, of ``units`` answers. ``summary`` says it in a few sentences.
    """

    name: ClassVar[str] = "DriftDetected"
    version: str
    site: str
    since: str
    labels: tuple[str, ...]
    p: float
    units: int
    more_novel: float
    surer: float
    summary: str


Event = RetrainRequested | ModelPromoted | AnalysisContinues | DetectionAlert | DriftDetected


class Publisher:
    """Puts events on Earshot's bus."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, event: Event) -> None:
        """Publish one event; raises RuntimeError when EventBridge does not take it."""
        answer = self._client.put_events(
            Entries=[
                {
                    "EventBusName": self._bus,
                    "Source": SOURCE,
                    "DetailType": event.name,
                    "Detail": json.dumps(asdict(event)),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            raise RuntimeError(f"EventBridge did not take {event.name}: {answer['Entries'][0]}")
